/** Who may open a channel: a token that stands for a session, and a certificate that belongs to it. */
import { X509Certificate } from 'node:crypto';
import { sessionOfClaims } from '../controller/context.ts';
import type { ApiSessionRecord } from '../model.ts';
import { fingerprintOf } from '../pki.ts';
import type { RouterContext } from './context.ts';

/** As whom a channel was admitted, and until when. */
export interface Admission {
  readonly session: ApiSessionRecord;
  /** Wall clock, `Infinity` for legacy tokens. */
  readonly expiresAt: number;
}

/** Judge a Hello. Undefined: refused. */
export function admit(router: RouterContext, token: string, leaf: Buffer): Admission | undefined {
  const { network, signer } = router;
  const now = router.clock.now();
  let admission: Admission | undefined;
  if (token.split('.').length === 3) {
    const verified = signer.verify(token, now);
    const found = verified.ok ? sessionOfClaims(network, verified.claims) : undefined;
    if (verified.ok && found !== undefined) {
      admission = { session: found.session, expiresAt: Number(verified.claims['exp']) * 1000 };
    }
  } else {
    const session = network.apiSessions.find((entry) => entry.kind === 'legacy' && entry.token === token);
    const identity = network.identities.get(session?.identityId);
    const isGood = session !== undefined && identity?.disabled === false && network.expiresAt(session) > now;
    if (isGood && !session.totpPending && session.signerPending === undefined)
      admission = { session, expiresAt: Infinity };
  }
  return admission !== undefined && certificateBelongs(router, admission.session, leaf) ? admission : undefined;
}

/** Known by its fingerprint, or issued here with a name that says identity or session. */
function certificateBelongs(router: RouterContext, session: ApiSessionRecord, leaf: Buffer): boolean {
  if (session.fingerprints.includes(fingerprintOf(leaf))) return true;
  const certificate = new X509Certificate(leaf);
  if (!router.pki.issued(certificate)) return false;
  const path = /URI:spiffe:\/\/[^/]+\/([^\s,]+)/.exec(certificate.subjectAltName ?? '')?.[1] ?? '';
  const identityPath = `identity/${session.identityId}`;
  return path === identityPath || path.startsWith(`${identityPath}/apiSession/${session.id}`);
}

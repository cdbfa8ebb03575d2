/** The service session token that Connect, Bind and their kin carry. */
import type { ApiSessionRecord, PolicyType } from '../model.ts';
import type { Network } from '../network.ts';
import { stringClaim, type TokenSigner } from '../token.ts';

/** A token that was checked; `id` is the service session's. */
export interface ServiceToken {
  readonly id: string;
  readonly serviceId: string;
  readonly type: PolicyType;
  readonly raw: string;
}

/** The token, or the router's words for why it is none. */
export type ServiceTokenResult =
  { readonly ok: true; readonly token: ServiceToken } | { readonly ok: false; readonly reason: string };

/** Check a token for the API session whose channel brought it. */
export function readServiceToken(
  network: Network,
  signer: TokenSigner,
  session: ApiSessionRecord,
  raw: string,
): ServiceTokenResult {
  // A real router does not survive this one; the overlay refuses in the words it uses for what it cannot look up.
  if (raw.split('.').length !== 3) return refused('unable to get service token either by JWT parsing or id lookup');
  const verified = signer.verify(raw, network.clock.now());
  if (!verified.ok) {
    const why =
      verified.refusal === 'expired' ? 'token has invalid claims: token is expired' : 'token signature is invalid';
    return refused(`failed to create service token from JWT: ${why}`);
  }
  const { claims } = verified;
  const id = stringClaim(claims, 'jti');
  const serviceId = stringClaim(claims, 'sub');
  const type = claims['z_st'];
  if (claims['z_t'] !== 's' || id === undefined || serviceId === undefined || (type !== 'Dial' && type !== 'Bind')) {
    return refused(`invalid service session token type: ${String(claims['z_t'])}`);
  }
  const isCurrent = stringClaim(claims, 'z_asid') === session.id;
  const isKept = session.kind === 'oidc' || network.serviceSessions.get(id)?.apiSessionId === session.id;
  if (!isCurrent || !isKept) return refused('invalid session');
  return { ok: true, token: { id, serviceId, type, raw } };
}

function refused(reason: string): ServiceTokenResult {
  return { ok: false, reason };
}

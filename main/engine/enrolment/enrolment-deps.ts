/** The SDK's enrolment as the engine, and the command line without one, use it. */
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Log } from '../../base/log.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { enroll, inspectNetwork, listSigners, openHttpsTransport, parseEnrolmentToken } from '../../ziti/ziti.ts';
import type { ExternalSigner } from '../../ziti/ziti.ts';
import type { EnrolmentDeps } from './enrolment.ts';

/** Enrolment over these, for an engine or without one. */
export function enrolmentDeps(deps: {
  readonly stateDirectory: string;
  readonly store: IdentityStore;
  readonly audit: AuditWriter;
  readonly clock: Clock;
  readonly log: Log;
  readonly unlock: KeyUnlock;
}): EnrolmentDeps {
  const { clock, log } = deps;
  return {
    ...deps,
    enrollToken: ({ signal, ...request }) => enroll({ ...request, clock }, defined({ signal })),
    inspectNetwork: (url, fingerprint, signal) =>
      inspectNetwork(url, {
        clock,
        open: openHttpsTransport,
        // Trusted on first use only where somebody compared what it shows; from then on the network's authorities are pinned.
        accept(leaf) {
          const accepted = fingerprint !== undefined && hexOf(fingerprint) === hexOf(leaf.sha256);
          if (accepted) log.info('enroll.trusted_by_fingerprint', { url, sha256: leaf.sha256, subject: leaf.subject });
          return Promise.resolve(accepted);
        },
        ...defined({ signal }),
      }),
    nameOfToken: (jwt) =>
      parseEnrolmentToken(jwt)
        .subject.replace(/[^A-Za-z0-9._@-]/g, '-')
        .slice(0, 64),
  };
}

/** The digits alone, of `SHA256:AB:CD…` and the like. */
function hexOf(fingerprint: string): string {
  return fingerprint
    .replace(/^sha-?256[:=/ ]/i, '')
    .replaceAll(':', '')
    .toLowerCase();
}

/** Providers that a network lets vouch for its identities. Throws `ziti.controller.*`. */
export function listSignersOf(origin: string, caPem: string, signal: AbortSignal): Promise<readonly ExternalSigner[]> {
  return listSigners(origin, caPem, { open: openHttpsTransport, signal });
}

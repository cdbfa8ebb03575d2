/** Agents offered to others over dark services, as the identities here may offer them. */
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Policy } from '../../policy/policy.ts';
import type { AnsweredServices } from '../hosting/answered-services.ts';
import { bindersOf } from '../hosting/hosted-services.ts';
import type { ServedProcesses } from '../hosting/served-processes.ts';
import type { Identities } from '../identities/identities.ts';
import { openOffers, type Offers } from './offers.ts';

/** What offering is made of. */
export interface AgoraParts {
  readonly answered: AnsweredServices;
  readonly processes: ServedProcesses;
  readonly identities: Pick<Identities, 'all' | 'find'>;
  readonly policy: Pick<Policy, 'contractOf'>;
  readonly audit: Pick<AuditWriter, 'record'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Nothing is offered until a program asks for it. */
export function openAgora(parts: AgoraParts): Offers {
  const { identities, policy } = parts;
  return openOffers({
    ...parts,
    binders: (service) => bindersOf(service, identities),
    contractOf(service, identity) {
      const found = identities
        .find(identity)
        ?.services()
        .find(({ name, permissions }) => name === service && permissions.includes('Bind'));
      const inForce = found === undefined ? undefined : policy.contractOf(found);
      return inForce?.kind === 'set' ? inForce.contract : undefined;
    },
    async signerOf(identity) {
      const runner = identities.find(identity);
      const certPem = runner?.record()?.certPem;
      const signer = await runner?.signer();
      return certPem === undefined || signer === undefined ? undefined : { certPem, signer };
    },
    authorities: (service, identity) =>
      identities
        .all()
        .filter(({ name }) => identity === undefined || name === identity)
        .filter((runner) =>
          runner.services().some(({ name, permissions }) => name === service && permissions.includes('Dial')),
        )
        .flatMap((runner) => runner.record()?.caPem ?? []),
  });
}

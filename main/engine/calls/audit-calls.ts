/** The calls of group `audit`: the record searched, followed and verified. */
import type { Audit } from '../../audit/audit.ts';
import type { AuditIndex } from '../../audit/index-store.ts';
import { tailAudit } from '../../audit/tail.ts';
import type { WitnessAnswer } from '../../audit/witnessed.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { Clock } from '../../base/clock.ts';
import type { Alerts } from '../containment/alerts.ts';
import type { ClientState } from '../state/client-state.ts';
import { exportJournal } from '../record/export-journal.ts';
import { verifyJournal } from '../record/verify-journal.ts';

/** The journal, its index, and how a witness is asked. */
export interface AuditCallsDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly state: ClientState;
  readonly audit: Audit;
  readonly auditIndex: AuditIndex;
  readonly alerts: Pick<Alerts, 'list'>;
  /** What the witness behind a service saw of this device. Throws `audit.*`, `ziti.*`. */
  readonly askWitness: (service: string, signal: AbortSignal) => Promise<WitnessAnswer>;
}

/** The handlers of group `audit`. */
export function auditCalls({
  stateDirectory,
  audit,
  auditIndex,
  alerts,
  askWitness,
  clock,
  state,
}: AuditCallsDeps): EngineHandlers['audit'] {
  return {
    search: (query) => auditIndex.search(query),
    histogram: ({ buckets, ...query }, { signal }) => auditIndex.histogram(query, buckets, signal),
    export: ({ format, ...query }, { signal }) =>
      exportJournal(
        {
          index: auditIndex,
          clock,
          version: state.views.status().version,
          verify: () => verifyJournal(stateDirectory),
        },
        { format, query },
        signal,
      ),
    tail: ({ after }, { signal }) => tailAudit(audit, stateDirectory, after, signal),
    async verify({ witness }, { signal }) {
      const answer = witness === undefined ? undefined : await askWitness(witness, signal);
      return verifyJournal(stateDirectory, answer);
    },
    alerts: () => alerts.list(),
  };
}

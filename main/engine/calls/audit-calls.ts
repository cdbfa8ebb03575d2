/** The calls of group `audit`: the record searched, followed and verified. */
import type { Audit } from '../../audit/audit.ts';
import type { AuditIndex } from '../../audit/index-store.ts';
import { tailAudit } from '../../audit/tail.ts';
import { verifyAudit } from '../../audit/verify.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { Alerts } from '../containment/alerts.ts';

export interface AuditCallsDeps {
  readonly stateDirectory: string;
  readonly audit: Audit;
  readonly auditIndex: AuditIndex;
  readonly alerts: Pick<Alerts, 'list'>;
}

export function auditCalls({ stateDirectory, audit, auditIndex, alerts }: AuditCallsDeps): EngineHandlers['audit'] {
  return {
    search: (query) => auditIndex.search(query),
    tail: ({ after }, { signal }) => tailAudit(audit, stateDirectory, after, signal),
    async verify() {
      const { ok, count, head, firstBad, gaps, checkpoints } = await verifyAudit(stateDirectory);
      return {
        ok,
        count,
        gaps,
        checkpoints,
        ...(head === undefined ? {} : { head }),
        ...(firstBad === undefined ? {} : { firstBad }),
      };
    },
    alerts: () => alerts.list(),
  };
}

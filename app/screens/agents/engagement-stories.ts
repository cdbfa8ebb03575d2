/** Engagements put together from the journal's records of their steps. Pure. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';

/** One engagement from its proposal on. */
export interface EngagementStory {
  readonly id: string;
  readonly service: string;
  /** The other end, as it was known last. */
  readonly counterparty: string | undefined;
  /** This end is the one that is asked. */
  readonly hosts: boolean;
  readonly isOver: boolean;
  /** Its last step. */
  readonly newest: AuditRecordView;
  /** All that are known, oldest first. */
  readonly steps: readonly AuditRecordView[];
}

/** Those that something happened to last come first. */
export function engagementStories(records: readonly AuditRecordView[]): readonly EngagementStory[] {
  const byId = new Map<string, AuditRecordView[]>();
  for (const record of records) {
    const id = record['engagement'];
    if (typeof id === 'string') byId.set(id, [...(byId.get(id) ?? []), record]);
  }
  return [...byId]
    .flatMap(([id, found]) => {
      const steps = found.toSorted((one, other) => one.seq - other.seq);
      const newest = steps.at(-1);
      return newest === undefined ? [] : [storyOf(id, steps, newest)];
    })
    .sort((one, other) => other.newest.seq - one.newest.seq);
}

function storyOf(id: string, steps: readonly AuditRecordView[], newest: AuditRecordView): EngagementStory {
  const named = steps.findLast((record) => typeof record['counterparty'] === 'string');
  const service = newest['service'];
  return {
    id,
    service: typeof service === 'string' ? service : '',
    counterparty: named?.['counterparty'] as string | undefined,
    hosts: newest['end'] === 'host',
    isOver: newest.kind === 'engagement.closed',
    newest,
    steps,
  };
}

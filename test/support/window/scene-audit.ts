/** The scene's journal as the engine would answer from it: searched, counted over time, exported. */
import type { EngineHandlers } from '../../../main/api/schema.ts';
import type { AuditExportItem, AuditHistogramView, AuditRecordView } from '../../../main/api/record-views.ts';

type Search = Parameters<EngineHandlers['audit']['search']>[0];
const exact = ['kind', 'service', 'identity', 'agent', 'tool', 'session', 'decision'] as const;

/** Newest first, as `records` are. */
export function findRecords(records: readonly AuditRecordView[], query: Search): AuditRecordView[] {
  const { text, since, until, limit = 100 } = query;
  return records
    .filter((record) => exact.every((field) => query[field] === undefined || record[field] === query[field]))
    .filter(({ at }) => (since === undefined || at >= since) && (until === undefined || at <= until))
    .filter((record) => text === undefined || JSON.stringify(record).toLowerCase().includes(text.toLowerCase()))
    .slice(0, limit);
}

export function histogramOf(
  records: readonly AuditRecordView[],
  { buckets, ...query }: Search & { readonly buckets: number },
): AuditHistogramView {
  const found = findRecords(records, { ...query, limit: 100_000 });
  const since = query.since ?? found.at(-1)?.at ?? new Date().toISOString();
  const until = query.until ?? new Date().toISOString();
  const counts = Array.from({ length: buckets }, () => ({ allow: 0, deny: 0, other: 0 }));
  for (const { at, decision } of found) {
    const share = (Date.parse(at) - Date.parse(since)) / Math.max(1, Date.parse(until) - Date.parse(since));
    const into = counts[Math.min(buckets - 1, Math.floor(share * buckets))];
    if (into !== undefined) into[decision === 'allow' || decision === 'deny' ? decision : 'other'] += 1;
  }
  return { since, until, total: found.length, buckets: counts };
}

export async function* exportOf(
  records: readonly AuditRecordView[],
  { format, ...query }: Search & { readonly format: string },
): AsyncGenerator<AuditExportItem> {
  const found = findRecords(records, { ...query, limit: 100_000 }).reverse();
  const text = found.map((record) => `${JSON.stringify(record)}\n`).join('');
  yield await Promise.resolve({ kind: 'lines' as const, text, records: found.length });
  const journal = { ok: true, count: records.length, gaps: 0, checkpoints: 1, signers: [] };
  const exportedAt = new Date().toISOString();
  yield {
    kind: 'manifest',
    manifest: { format, records: found.length, sha256: 'f'.repeat(64), query, exportedAt, journal },
  };
}

/** Calls of an agent, counted by the tool they were of. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';

/** One tool, and what was made of it. */
export interface ToolCount {
  readonly service: string;
  readonly tool: string;
  readonly calls: number;
  readonly denied: number;
  /** Secrets and personal data found in its calls. */
  readonly data: number;
}

/** Most called first. */
export function toolCounts(calls: readonly AuditRecordView[]): readonly ToolCount[] {
  const counts = new Map<string, ToolCount>();
  for (const call of calls) {
    const service = String(call['service'] ?? '');
    const tool = String(call['tool'] ?? call['target'] ?? call['method'] ?? '');
    const key = `${service}\n${tool}`;
    const before = counts.get(key) ?? { service, tool, calls: 0, denied: 0, data: 0 };
    counts.set(key, {
      ...before,
      calls: before.calls + 1,
      denied: before.denied + (call['decision'] === 'deny' ? 1 : 0),
      data: before.data + dataCount(call),
    });
  }
  return [...counts.values()].sort((a, b) => b.calls - a.calls || a.tool.localeCompare(b.tool));
}

/** How many pieces of data the guard found in one call. */
export function dataCount(call: AuditRecordView): number {
  const { data } = call;
  if (!Array.isArray(data)) return 0;
  return data.reduce((sum: number, found: unknown) => {
    const { count } = found as { readonly count?: unknown };
    return sum + (typeof count === 'number' ? count : 1);
  }, 0);
}

/** What models were asked and what that cost, added up from the records of calls. Pure. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';

/** Of one agent and model. */
export interface UsageRow {
  /** The agent, else the identity. */
  readonly who: string;
  readonly model: string;
  readonly requests: number;
  readonly refused: number;
  readonly tokensIn: number;
  readonly tokensOut: number;
  /** By currency; empty where no price was known. */
  readonly cost: Readonly<Record<string, number>>;
  /** Half of the answers were quicker than this; undefined where none was timed. */
  readonly medianMs: number | undefined;
}

/** Of one day, by the clock of this place. */
export interface UsageDay {
  readonly day: string;
  readonly tokens: number;
  readonly cost: Readonly<Record<string, number>>;
  readonly requests: number;
}

/** What the page shows. */
export interface Usage {
  readonly total: UsageRow;
  /** Most tokens first. */
  readonly rows: readonly UsageRow[];
  /** Oldest first, days without a request among them. */
  readonly days: readonly UsageDay[];
}

interface Sum {
  requests: number;
  refused: number;
  tokensIn: number;
  tokensOut: number;
  readonly cost: Record<string, number>;
  readonly durations: number[];
}

/** Records that name no model are passed over. */
export function modelUsage(records: readonly AuditRecordView[]): Usage {
  const total = empty();
  const rows = new Map<string, Sum & { readonly who: string; readonly model: string }>();
  const days = new Map<string, Sum>();
  for (const record of records) {
    const { model, agent, identity, at } = record;
    if (typeof model !== 'string' || model === '') continue;
    const who = typeof agent === 'string' ? agent : typeof identity === 'string' ? identity : '';
    const day = dayOf(new Date(at));
    for (const sum of [total, of(rows, `${who}\n${model}`, { who, model }), of(days, day, {})]) add(sum, record);
  }
  return {
    total: finished({ ...total, who: '', model: '' }),
    rows: [...rows.values()]
      .map(finished)
      .sort((a, b) => b.tokensIn + b.tokensOut - a.tokensIn - a.tokensOut || b.requests - a.requests),
    days: withoutGaps(days),
  };
}

function empty(): Sum {
  return { requests: 0, refused: 0, tokensIn: 0, tokensOut: 0, cost: {}, durations: [] };
}

function of<Named extends object>(sums: Map<string, Sum & Named>, key: string, named: Named): Sum & Named {
  const known = sums.get(key) ?? { ...empty(), ...named };
  sums.set(key, known);
  return known;
}

function add(sum: Sum, record: AuditRecordView): void {
  const { decision, tokensIn, tokensOut, cost, currency, durationMs } = record;
  sum.requests += 1;
  if (decision === 'deny') sum.refused += 1;
  if (typeof tokensIn === 'number') sum.tokensIn += tokensIn;
  if (typeof tokensOut === 'number') sum.tokensOut += tokensOut;
  if (typeof cost === 'number' && typeof currency === 'string') {
    sum.cost[currency] = (sum.cost[currency] ?? 0) + cost;
  }
  if (decision !== 'deny' && typeof durationMs === 'number') sum.durations.push(durationMs);
}

function finished({ durations, ...sum }: Sum & { readonly who: string; readonly model: string }): UsageRow {
  const sorted = [...durations].sort((a, b) => a - b);
  return { ...sum, medianMs: sorted[Math.floor(sorted.length / 2)] };
}

function withoutGaps(days: ReadonlyMap<string, Sum>): readonly UsageDay[] {
  const known = [...days.keys()].sort();
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return [];
  const all: UsageDay[] = [];
  for (const at = new Date(`${first}T12:00:00`); dayOf(at) <= last; at.setDate(at.getDate() + 1)) {
    const day = dayOf(at);
    const { tokensIn, tokensOut, cost, requests } = days.get(day) ?? empty();
    all.push({ day, tokens: tokensIn + tokensOut, cost, requests });
  }
  return all;
}

/** `2026-11-30`, by the clock of this place. */
function dayOf(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

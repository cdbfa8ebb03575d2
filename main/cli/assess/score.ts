/** How a control is scored: each step needs the one below it, from what Culvert does by itself to what is shown everywhere. */
import { defined } from '../../base/defined.ts';
import type { AuditRecordView } from '../../api/record-views.ts';
import type { Evidence, RecordName } from './evidence.ts';

/** What a control is about: the pillars of CISA's maturity model, with governance and visibility as such. */
export type Pillar = 'identity' | 'devices' | 'networks' | 'applications' | 'data' | 'visibility' | 'governance';

/** One question to a deployment, and how the evidence answers it. */
export interface Control {
  readonly id: string;
  readonly pillar: Pillar;
  readonly title: string;
  /** NIST SP 800-207 tenets (T1–T7), CISA pillars and functions, OWASP's agentic (ASI) and MCP lists. */
  readonly maps: readonly string[];
  /** Absent: no product can, and why. */
  readonly notByProduct?: string;
  /** Culvert does it wherever it runs. */
  readonly builtIn?: boolean;
  /** It was set up here. */
  readonly configured?: (evidence: Evidence) => boolean;
  /** Records that show it at work; any of them. */
  readonly shownBy?: readonly RecordName[];
  /** It holds for everything there is. */
  readonly whole?: (evidence: Evidence) => boolean;
  readonly remedy: string;
  readonly effort: 'hours' | 'days' | 'weeks';
  /** What its absence costs: 1 to 3. */
  readonly weight: 1 | 2 | 3;
}

/** A control with its answer. */
export interface AssessedControl {
  readonly id: string;
  readonly pillar: Pillar;
  readonly title: string;
  readonly maps: readonly string[];
  /** 0 to 5; null where no product can say. */
  readonly maturity: 0 | 1 | 2 | 3 | 4 | 5 | null;
  /** Why this much, in words. */
  readonly because: string;
  /** The newest record that shows it. */
  readonly evidence?: { readonly seq: number; readonly at: string; readonly kind: string; readonly device?: string };
  readonly remedy?: string;
  readonly effort?: Control['effort'];
  readonly priority?: 'low' | 'medium' | 'high';
}

/** 0 nothing, 2 by itself, 3 set up, 4 shown at work, 5 everywhere. */
export function assess(control: Control, evidence: Evidence): AssessedControl {
  const { id, pillar, title, maps, notByProduct, remedy, effort, weight } = control;
  const common = { id, pillar, title, maps };
  if (notByProduct !== undefined) return { ...common, maturity: null, because: notByProduct };
  const record = (control.shownBy ?? []).flatMap((name) => evidence.records.get(name) ?? [])[0];
  const { maturity, because } = stepOf(control, evidence, record !== undefined);
  const missing = 5 - maturity;
  const urgency = missing * weight;
  return {
    ...common,
    maturity,
    because,
    ...defined({ evidence: record && pointTo(record) }),
    ...(maturity === 5 ? {} : { remedy, effort, priority: urgency >= 9 ? 'high' : urgency >= 4 ? 'medium' : 'low' }),
  };
}

function stepOf(
  { builtIn, configured, whole }: Control,
  evidence: Evidence,
  shown: boolean,
): { readonly maturity: 0 | 2 | 3 | 4 | 5; readonly because: string } {
  const setUp = configured?.(evidence) ?? builtIn === true;
  if (!setUp) {
    return builtIn === true
      ? { maturity: 2, because: 'Culvert does it by itself; nothing more is set up' }
      : { maturity: 0, because: 'it is not set up' };
  }
  if (!shown) return { maturity: 3, because: 'it is in place; no record shows it at work yet' };
  if (whole?.(evidence) !== true) return { maturity: 4, because: 'the record shows it at work, not yet everywhere' };
  return { maturity: 5, because: 'the record shows it at work, and it holds for everything here' };
}

function pointTo(record: AuditRecordView): NonNullable<AssessedControl['evidence']> {
  const { seq, at, kind } = record;
  const device = record['device'];
  return { seq, at, kind, ...(typeof device === 'string' ? { device } : {}) };
}

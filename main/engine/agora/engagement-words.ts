/**
 * What two ends say of an engagement outside of what the agents say: one question and one answer, a line of JSON each, over a dial of the offered
 * service that says so (`askField` in peer/words). Who asks is what the host knows of any dialler; nothing that is said here names anybody.
 */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { engagementStates } from '../../base/engagement-states.ts';
import { TunnelerError } from '../../base/errors.ts';
import { closeReasons } from '../../base/reason.ts';

/** As Agora's own, and long enough that nobody meets another's. */
export const engagementId = v.pipe(v.string(), v.regex(/^ses_[0-9a-f]{32}$/, 'no id of an engagement'));

/** A new one. */
export function newEngagementId(): string {
  return `ses_${randomBytes(16).toString('hex')}`;
}

/** Is it one? */
export function isEngagementId(text: string): boolean {
  return v.is(engagementId, text);
}

/** What the host is told of an end that came about at the dialling end; all else is somebody's closing. */
export const endsToTell = [
  'max_bytes_exceeded',
  'max_duration_exceeded',
  'idle_timeout',
  'contract_violation',
  'contract_changed',
  'quarantined',
  'policy_revoked',
  'identity_disabled',
  'tunnel_failed',
] as const;
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const reason = v.pipe(v.string(), v.maxLength(1_000));

const question = v.object({
  ask: v.picklist(['propose', 'state', 'close']),
  id: engagementId,
  contract: v.optional(hash),
  reason: v.optional(reason),
  /** Why it ended there. Absent: somebody closed it. */
  ended: v.optional(v.picklist(endsToTell)),
});
/** What the dialling end asks. */
export type EngagementQuestion = v.InferOutput<typeof question>;

const answer = v.union([
  v.object({
    id: engagementId,
    state: v.picklist(engagementStates),
    ended: v.optional(v.picklist([...closeReasons, 'rejected', 'contract_changed'])),
    reason,
    contract: hash,
    /** What the host calls itself. */
    by: v.pipe(v.string(), v.maxLength(512)),
    /** Time it was approved for, where somebody approved it. */
    approvedMs: v.optional(v.pipe(v.number(), v.minValue(0))),
  }),
  v.object({ id: engagementId, state: v.literal('unknown') }),
  v.object({ refused: reason, code: v.optional(v.picklist(['agora.too_often'])) }),
]);
/** What the host answers. */
export type EngagementAnswer = v.InferOutput<typeof answer>;

/** Throws `base.invalid`. */
export function readQuestion(line: string): EngagementQuestion {
  return read(question, line);
}

/** Throws `base.invalid`. */
export function readEngagementAnswer(line: string): EngagementAnswer {
  return read(answer, line);
}

function read<S extends v.GenericSchema>(schema: S, line: string): v.InferOutput<S> {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw new TunnelerError('base.invalid', 'what was said of an engagement is no JSON', { cause: error });
  }
  const parsed = v.safeParse(schema, raw);
  if (parsed.success) return parsed.output;
  throw new TunnelerError('base.invalid', `what was said of an engagement: ${parsed.issues[0].message}`);
}

/** Approvals as clients see them, and what a person answers. */
import * as v from 'valibot';

/** A person's answer, never an agent's: grant or deny, extend or end. `minutes` only shortens what the contract allows. */
export const approvalAnswer = v.strictObject({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  grant: v.boolean(),
  /** Of one call: the same tool is not asked for again while that session lasts. */
  session: v.optional(v.boolean()),
  minutes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(999_999))),
  /** Of one call, with `minutes`: for these tools of its service as well. */
  tools: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(256))), v.minLength(1), v.maxLength(64)),
  ),
  reason: v.optional(v.pipe(v.string(), v.maxLength(1024))),
});

/** An emergency at the dialling end; see `approval.breakGlass` of a contract. */
export const emergency = v.strictObject({
  service: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  reason: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(1024)),
});

/** A person's answer as it comes over the border. */
export type ApprovalAnswer = v.InferOutput<typeof approvalAnswer>;

/** Something that waits for a person's word, or was answered lately. */
export interface ApprovalView {
  readonly id: string;
  /** Sessions under a contract's `approval`, time of a `grantSeconds` that is used up, or one call. */
  readonly kind: 'session' | 'grant' | 'call';
  readonly state: 'pending' | 'granted' | 'denied' | 'expired';
  readonly service: string;
  /** Who asks. */
  readonly identity: string;
  readonly agent: string | null;
  /** What whoever answered said. */
  readonly reason: string | null;
  readonly requestedAt: string;
  /** When the question lapses, or what was granted ends. */
  readonly expiresAt: string | null;
  readonly answeredBy?: string;
  /** Nobody approved it: it was taken in an emergency. */
  readonly brokenGlass?: true;
  /** Of a call granted for some time: tools that it holds for as well. */
  readonly tools?: readonly string[];
  readonly call?: { readonly method: string; readonly target: string; readonly arguments: unknown };
}

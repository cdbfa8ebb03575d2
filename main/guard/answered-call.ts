/** A call that went on and was answered. Made for each of thousands a second, so its fields are set one by one. Pure. */
import type { GuardCall } from './guard.ts';

/** A call that a guard let go on, before its answer is known. */
export interface AllowedCall extends GuardCall {
  readonly decision: 'allow';
  readonly rule: string;
}

/** The call with what its answer says of it. */
export function answeredCall(
  call: AllowedCall,
  durationMs: number,
  failed: boolean,
  facts: unknown = call.arguments,
): GuardCall {
  if (call.observed !== undefined) return { ...call, arguments: facts, durationMs, failed };
  const { protocol, method, target, decision, rule, startedAtMs } = call;
  return { protocol, method, target, decision, rule, startedAtMs, arguments: facts, durationMs, failed };
}

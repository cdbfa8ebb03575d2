/** Asks of each request's head what the keys in it are worth: one that is worth nothing refuses it. Pure. */
import { defined } from '../../base/defined.ts';
import type { Effects } from '../effects.ts';
import type { GuardContext } from '../guard.ts';
import type { RequestHead } from './head.ts';
import { callFor } from './head-check.ts';
import { checkKeys, type CheckedKeys } from './model-key.ts';
import type { OwnAnswer } from './own-answer.ts';
import { refusalAnswer } from './refusal.ts';

/** Refuses a request for its keys, or says what of its head does not go on. */
export type KeyCheck = (
  head: RequestHead,
  nowMs: number,
) => CheckedKeys & { /** Recorded already. */ readonly refused: OwnAnswer | undefined };

/** The check of one session. */
export function keyCheck(out: Effects, context: Pick<GuardContext, 'modelKeys'>): KeyCheck {
  return (head, nowMs) => {
    const keys = checkKeys(head, context.modelKeys);
    if (keys.verdict?.kind !== 'refused') return { ...keys, refused: undefined };
    const { why, id } = keys.verdict;
    const rule = 'guard:http.key';
    out.call({ ...callFor(head, nowMs), reason: why, decision: 'deny', rule, ...defined({ modelKey: id }) });
    return { ...keys, refused: refusalAnswer({ status: 401, rule, why, target: head.target }) };
  };
}

/**
 * The A2A guard: what agents say to each other over JSON-RPC or REST, held to the contract. Pure.
 *
 * Direction: closed. Only the agent's card and messages that were read whole pass; what is no HTTP is a violation, and every other binding of
 * A2A is refused, for nothing in it would be judged.
 */
import type { A2aRules, EngagementContract } from '../../base/engagement.ts';
import type { Reason } from '../../base/reason.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext } from '../guard.ts';
import { JudgedHttp } from '../http/judged-http.ts';
import { A2aCalls } from './calls.ts';
import { A2aHttpJudge } from './http-judge.ts';

export function a2aGuard(rules: A2aRules, contract: EngagementContract, context: GuardContext): Guard {
  const out = new Effects();
  const calls = new A2aCalls(rules, { grantSeconds: contract.grantSeconds, context, out });
  return new JudgedHttp({ kind: 'a2a', judge: new A2aHttpJudge(calls, out), out, held: context.held, notVisible });
}

function notVisible(what: string): Reason {
  return {
    code: 'guard.a2a.not_visible',
    sentence: `the contract sets A2A rules, and what flows is ${what}`,
    next: 'let the agent speak plain HTTP on the overlay, which encrypts end to end itself',
    rule: 'contract:a2a',
  };
}

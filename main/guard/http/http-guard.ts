/**
 * The HTTP guard: methods and paths from the head, models from the body, tokens from the answer. Pure.
 *
 * Direction: closed. What is not HTTP is a violation where the contract sets rules; a body whose model cannot be read is refused where the
 * contract names models; an answer that does not tell its tokens is charged to the budget by estimate.
 */
import type { HttpRules } from '../../base/engagement.ts';
import type { Reason } from '../../base/reason.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext } from '../guard.ts';
import { JudgedHttp } from './judged-http.ts';
import { RulesJudge } from './rules-judge.ts';

/** `data`: what is asked and answered is looked through as well. */
export function httpGuard(rules: HttpRules, context: GuardContext, data?: CompiledDataRules): Guard {
  const out = new Effects();
  const judge = new RulesJudge(rules, context, out, data);
  const binding = data !== undefined || Object.values(rules).some((rule) => rule !== undefined);
  return new JudgedHttp({ kind: 'http', judge, out, held: context.held, ...(binding ? { notVisible } : {}) });
}

function notVisible(what: string): Reason {
  return {
    code: 'guard.http.not_visible',
    sentence: `the contract sets HTTP rules, and what flows is ${what}`,
    next: 'let the service speak plain HTTP on the overlay, which encrypts end to end itself',
    rule: 'contract:http',
  };
}

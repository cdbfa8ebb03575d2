/** Local rules ready to be asked. They can only narrow: an answer of theirs never allows what the controller does not grant. */
import type { Reason } from '../../base/reason.ts';
import type { AuthorizationRequest } from './questions.ts';

/** What local rules say; an allow is no grant, only no objection. */
export type LocalAnswer =
  | {
      readonly kind: 'allow';
      /** Ids of the permits that let it pass; empty where no rule speaks of it. */ readonly rules: readonly string[];
    }
  | { readonly kind: 'deny'; readonly reason: Reason };

/** A set of local rules. Asking never throws: what cannot be evaluated is a deny. */
export interface LocalRules {
  ask(question: AuthorizationRequest): LocalAnswer;
}

/** No local rules: the controller's grant stands as it is. */
export const noLocalRules: LocalRules = { ask: () => ({ kind: 'allow', rules: [] }) };

/** There are rules, and nobody knows what they say: everything is refused until they can be read (fails closed). */
export function unreadableRules(why: string): LocalRules {
  const reason: Reason = {
    code: 'policy.local.unreadable',
    sentence: `the local rules cannot be read, so nothing is allowed: ${why}`,
    next: 'correct them, see: culvert policy check; then: culvert policy reload',
    rule: 'policy.d',
  };
  return { ask: () => ({ kind: 'deny', reason }) };
}

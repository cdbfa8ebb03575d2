/** The identity as its controller keeps it, from the answer that describes it. */
import type * as v from 'valibot';
import type { identityAnswer } from '../controller/answers.ts';
import type { Precedence, ZitiIdentity } from '../model.ts';

/** Costs that are absent are 0, precedences that are absent or unknown `default`. */
export function toIdentity(answer: v.InferOutput<typeof identityAnswer>): ZitiIdentity {
  const precedences = Object.entries(answer.serviceHostingPrecedences).map(([id, value]) => [id, toPrecedence(value)]);
  return {
    id: answer.id,
    name: answer.name,
    appData: answer.appData,
    tags: answer.tags,
    defaultHostingCost: answer.defaultHostingCost ?? 0,
    defaultHostingPrecedence: toPrecedence(answer.defaultHostingPrecedence),
    serviceHostingCosts: answer.serviceHostingCosts,
    serviceHostingPrecedences: Object.fromEntries(precedences) as Record<string, Precedence>,
  };
}

function toPrecedence(text: string | null | undefined): Precedence {
  return text === 'required' || text === 'failed' ? text : 'default';
}

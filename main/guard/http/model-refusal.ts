/** What a contract's list of models says against a request. Pure. */
import type { Glob } from '../../base/glob.ts';
import type { HttpRefusal } from './refusal.ts';

/** A refusal of a request whose target is known anyhow. */
export type Refused = Omit<HttpRefusal, 'target'>;

/** What a contract's list of models says against a request that names these; `mustName`: it has a body, and names none. */
export function refusedModel(
  allowed: readonly Glob[],
  models: readonly string[],
  mustName: boolean,
): Refused | undefined {
  const rule = 'contract:http.models';
  const foreign = models.find((named) => !allowed.some((glob) => glob.matches(named)));
  if (foreign !== undefined) {
    return { status: 404, rule, why: `${foreign} is not among the models allowed`, model: foreign };
  }
  return mustName ? { status: 403, rule, why: 'a request that names no model does not pass' } : undefined;
}

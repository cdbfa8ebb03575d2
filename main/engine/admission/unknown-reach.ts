/** Identities that cannot work claim nothing: where nothing claims a destination, it may be one of their services that was meant. */
import type { App } from '../../apps/app.ts';
import { defined } from '../../base/defined.ts';
import type { Reason } from '../../base/reason.ts';
import type { Policy } from '../../policy/policy.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';

/** An identity as far as its trouble goes. */
type Troubled = Pick<IdentityRunner, 'name' | 'trouble' | 'services' | 'view'>;

/** What was found, with what these identities do not know; undefined where all of them know what they may reach. */
export function unknownReach(found: Reason, identities: readonly Troubled[]): Reason | undefined {
  const troubles = identities.flatMap((runner) => {
    // One that never heard from its controller is not in trouble yet, but claims nothing either.
    const trouble = runner.trouble() ?? (runner.services().length === 0 ? runner.view().reason : undefined);
    return trouble === undefined ? [] : { name: runner.name, ...trouble };
  });
  if (troubles.length === 0) return undefined;
  const unknown = troubles.map(({ name, sentence }) => `what ${name} may reach is not known: ${sentence}`);
  const next = troubles.find((trouble) => trouble.next !== undefined)?.next ?? found.next;
  return {
    code: 'intercept.reach_unknown',
    sentence: [found.sentence, ...unknown].join('; '),
    details: { ...found.details, identity: troubles.map(({ name }) => name).join(', ') },
    ...defined({ next }),
  };
}

/** Who knows whose an identity is. */
export interface LentDeps {
  readonly policy: Pick<Policy, 'lentTo'>;
  readonly facts: (app: App) => Pick<DecisionFacts, 'identity'>;
  /** All that is here is one user's. */
  readonly servesOne: boolean;
}

/** Of these identities those that this program may dial as: others are not its business, in trouble or not. */
export function lentIdentities<I extends Pick<IdentityRunner, 'name' | 'facts'>>(
  app: App,
  identities: readonly I[],
  { policy, facts, servesOne }: LentDeps,
): readonly I[] {
  // Nobody can tell whose a damaged one is.
  const known = identities.filter((runner) => servesOne || runner.facts() !== undefined);
  const names = known.map(({ name }) => name);
  const lent = new Set(policy.lentTo(app, names, facts(app)));
  return known.filter(({ name }) => lent.has(name));
}

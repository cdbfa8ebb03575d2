/** Identities that cannot work claim nothing: where nothing claims a destination, it may be one of their services that was meant. */
import { defined } from '../../base/defined.ts';
import type { Reason } from '../../base/reason.ts';
import type { Identities } from '../identities/identities.ts';

/** What was found, with what is not known; undefined where all identities know what they may reach. */
export function unknownReach(found: Reason, identities: Pick<Identities, 'all'>): Reason | undefined {
  const troubles = identities.all().flatMap((runner) => {
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

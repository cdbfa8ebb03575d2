/** German, complete by type. */
import { flowDe } from './de/flow.ts';
import { frameDe } from './de/frame.ts';
import { hostDe } from './de/host.ts';
import { identitiesDe } from './de/identities.ts';
import { rulesDe } from './de/rules.ts';

export const de = { ...frameDe, ...flowDe, ...identitiesDe, ...rulesDe, ...hostDe };

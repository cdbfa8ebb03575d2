/** German, complete by type. */
import { agentsDe } from './de/agents.ts';
import { deskDe } from './de/desk.ts';
import { fleetDe } from './de/fleet.ts';
import { flowDe } from './de/flow.ts';
import { frameDe } from './de/frame.ts';
import { hostDe } from './de/host.ts';
import { identitiesDe } from './de/identities.ts';
import { rulesDe } from './de/rules.ts';

export const de = { ...frameDe, ...flowDe, ...identitiesDe, ...rulesDe, ...hostDe, ...agentsDe, ...deskDe, ...fleetDe };

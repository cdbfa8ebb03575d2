/** English: the source of keys and parameters. */
import { agentsEn } from './en/agents.ts';
import { deskEn } from './en/desk.ts';
import { fleetEn } from './en/fleet.ts';
import { flowEn } from './en/flow.ts';
import { frameEn } from './en/frame.ts';
import { hostEn } from './en/host.ts';
import { identitiesEn } from './en/identities.ts';
import { rulesEn } from './en/rules.ts';

export const en = { ...frameEn, ...flowEn, ...identitiesEn, ...rulesEn, ...hostEn, ...agentsEn, ...deskEn, ...fleetEn };

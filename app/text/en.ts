/** English: the source of keys and parameters. */
import { flowEn } from './en/flow.ts';
import { frameEn } from './en/frame.ts';
import { hostEn } from './en/host.ts';
import { identitiesEn } from './en/identities.ts';
import { rulesEn } from './en/rules.ts';

export const en = { ...frameEn, ...flowEn, ...identitiesEn, ...rulesEn, ...hostEn };

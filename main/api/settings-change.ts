/** Which settings may be changed by a call, and to what. */
import * as v from 'valibot';
import { text } from './schema-parts.ts';

/**
 * Parts of `culvert.yaml` that a call may change. What names code to load, keys to hand out, or who may command the engine is changed in the
 * file alone, by whoever may write to it.
 */
const changeable = [
  'agents',
  'audit',
  'console',
  'dns',
  'inventory',
  'log',
  'mode',
  'policy',
  'proxy',
  'ranges',
  'tun',
];

const place = v.pipe(
  v.array(v.pipe(text(256), v.notValue('__proto__'))),
  v.minLength(1),
  v.maxLength(8),
  v.check(
    ([part]) => part !== undefined && changeable.includes(part),
    'this setting is changed in culvert.yaml itself',
  ),
  // Rules decide over everything: where they are read from is the file's to say.
  v.check(
    ([part, name]) => !(part === 'policy' && (name === undefined || name === 'directory')),
    'where rules are read from is set in culvert.yaml itself',
  ),
);

/** Changes to the settings file, to be looked at or made. */
export const settingsChange = v.strictObject({
  changes: v.pipe(
    v.array(v.strictObject({ path: place, value: v.optional(v.unknown()) })),
    v.minLength(1),
    v.maxLength(100),
  ),
  apply: v.boolean(),
});

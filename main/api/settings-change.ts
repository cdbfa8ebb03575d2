/** Which settings may be changed by a call, and to what. */
import * as v from 'valibot';
import { text } from './schema-parts.ts';

/**
 * Settings that a call may change, each by its whole name; `*` is the name of an agent. None of them names a file that the engine opens, code
 * to load or run, an address off this machine, keys to hand out, or who may command the engine: those are changed in `culvert.yaml` alone, by
 * whoever may write to it. An agent's `path` is compared with what runs and never opened.
 */
export const changeableSettings = [
  'agents.*.identity',
  'agents.*.path',
  'audit.checkpointEvery',
  'audit.keepFiles',
  'audit.maxFileBytes',
  'audit.onFailure',
  'audit.witness',
  'console.enabled',
  'console.listen',
  'dns.enabled',
  'inventory',
  'log.level',
  'mode',
  'policy.breaker.calls',
  'policy.breaker.denials',
  'policy.breaker.failures',
  'policy.breaker.holdSeconds',
  'policy.breaker.violations',
  'policy.breaker.windowSeconds',
  'policy.detectors.action',
  'policy.detectors.enabled',
  'policy.detectors.learnSeconds',
  'policy.onUnknownApp',
  'policy.unbound',
  'proxy.enabled',
  'proxy.listen',
  'proxy.unmatched',
  'ranges.ipv4',
  'ranges.ipv6',
  'tun.mtu',
] as const;

const changeable = changeableSettings.map((name) => name.split('.'));

/** Never a part as a whole: what stands beside a setting in it would be changed as well. */
function mayChange(path: readonly string[]): boolean {
  return changeable.some(
    (name) => name.length === path.length && name.every((part, at) => part === '*' || part === path[at]),
  );
}

const place = v.pipe(
  v.array(v.pipe(text(256), v.notValue('__proto__'))),
  v.minLength(1),
  v.maxLength(8),
  v.check((path) => mayChange(path), 'this setting is changed in culvert.yaml itself'),
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

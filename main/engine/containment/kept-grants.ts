/** Grants kept on disk: neither a restart nor another boot gives anybody the time anew. */
import { createHash } from 'node:crypto';
import { uptime } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { Grants } from '../../policy/grants.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

const grant = v.object({
  end: v.picklist(['dial', 'host']),
  account: v.string(),
  identity: v.string(),
  serviceId: v.string(),
  service: v.string(),
  terms: v.string(),
  grantedMs: v.number(),
  beganAtMs: v.number(),
  beganSinceBootMs: v.number(),
});
const file = v.object({ version: v.literal(1), grants: v.array(grant) });
const words = { unknown: 'what was granted', removing: 'grants everything anew' };

/** Milliseconds since the machine started, asleep or awake: nobody sets this clock. */
export function sinceBootMs(): number {
  return uptime() * 1000;
}

/** Read what was granted. A damaged file throws `engine.state_unusable`: forgetting it would grant everything anew. */
export function openGrants(deps: { readonly stateDirectory: string; readonly clock: Clock }): Grants {
  const path = join(deps.stateDirectory, 'grants.json');
  return new Grants({
    clock: deps.clock,
    sinceBootMs,
    digest: (text) => createHash('sha256').update(text).digest('hex'),
    kept: readKept(path, file, words)?.grants ?? [],
    save(grants) {
      writeKept(path, { version: 1, grants });
    },
  });
}

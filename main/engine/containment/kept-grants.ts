/** Grants kept on disk: neither a restart nor another boot gives anybody the time anew. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { Grants, type Grant } from '../../policy/grants.ts';

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
    kept: read(path),
    save(grants) {
      writeFileSync(`${path}.tmp`, JSON.stringify({ version: 1, grants }), { mode: 0o600, flush: true });
      renameSync(`${path}.tmp`, path);
    },
  });
}

function read(path: string): readonly Grant[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw damaged(path, error);
  }
  try {
    return v.parse(file, JSON.parse(text)).grants;
  } catch (error) {
    throw damaged(path, error);
  }
}

function damaged(path: string, cause: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `${path} cannot be read, so what was granted is not known`, {
    cause,
    details: { file: path, next: 'mend or remove it; removing it grants everything anew' },
  });
}

/** The witness as this device knows it: whoever answered first under the service's name, held to its key from then on. */
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import { readJsonIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';

const peersFile = v.record(v.string(), v.object({ name: v.string(), publicKey: v.string() }));
/** A witness's name, and the key it is held to. */
export type WitnessPeer = v.InferOutput<typeof peersFile>[string];

/**
 * Remember the key under which `service` countersigns, or hold it to the one that is remembered: the network says who may host the service, and
 * this that it is still the same. Throws `audit.witness_changed`.
 */
export async function holdToKey(stateDirectory: string, service: string, told: WitnessPeer): Promise<void> {
  const path = join(stateDirectory, 'audit-witnesses.json');
  const known = await readPeers(path);
  const before = known[service];
  if (before === undefined) {
    await writeAtomically(path, `${JSON.stringify({ ...known, [service]: told })}\n`);
    return;
  }
  if (before.publicKey === told.publicKey) return;
  throw new TunnelerError('audit.witness_changed', `${service} countersigns with another key than before`, {
    details: {
      service,
      file: path,
      next: 'ask whoever keeps it; if it was set up anew, remove its line from the file',
    },
  });
}

async function readPeers(path: string): Promise<v.InferOutput<typeof peersFile>> {
  return v.parse(peersFile, (await readJsonIfThere(path)) ?? {});
}

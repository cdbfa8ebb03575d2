/** The key a witness countersigns with: Ed25519, as cosignatures ask for, kept sealed and known by its name. */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import { keyNameOf, type NoteSigner } from '../../audit/note.ts';
import { TunnelerError } from '../../base/errors.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import type { Keystores } from '../../identity/keystores.ts';
import { keySigner } from './key-signer.ts';

const file = v.object({
  version: v.literal(1),
  name: v.string(),
  keystore: v.picklist(['file', 'keychain']),
  reference: v.string(),
});

const pathOf = (stateDirectory: string): string => join(stateDirectory, 'audit-witness.json');

/**
 * Open the key, made at the first call: in the keychain where the identities' keys are there, else under the passphrase. Throws
 * `identity.passphrase_*`, `identity.keystore_*`.
 */
export async function openWitnessKey(
  stateDirectory: string,
  keystores: Keystores,
  store: Pick<IdentityStore, 'list'>,
  unlock: KeyUnlock,
): Promise<NoteSigner> {
  const known = await readKnown(stateDirectory);
  if (known !== undefined) {
    return keySigner(known.name, await keystores.keystore(known.keystore).open(known.reference, unlock));
  }
  const inKeychain = (await store.list()).some((one) => one.kind === 'good' && one.record.keystore === 'keychain');
  const keystore = inKeychain ? 'keychain' : 'file';
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const name = `culvert.witness/${keyNameOf(publicKey.export({ type: 'spki', format: 'der' })).slice(0, 32)}`;
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const { reference, key } = await keystores.keystore(keystore).import('witness', pem, unlock);
  await writeAtomically(pathOf(stateDirectory), `${JSON.stringify({ version: 1, name, keystore, reference })}\n`);
  return keySigner(name, key);
}

async function readKnown(stateDirectory: string): Promise<v.InferOutput<typeof file> | undefined> {
  const text = await readIfThere(pathOf(stateDirectory));
  if (text === undefined) return undefined;
  try {
    return v.parse(file, JSON.parse(text));
  } catch (error) {
    throw new TunnelerError('identity.corrupt', "the file that names the witness's key is damaged", {
      cause: error,
      details: {
        file: pathOf(stateDirectory),
        next: 'restore it from a backup: what was countersigned is known by this key',
      },
    });
  }
}

/** The device's key for recordings: its public half seals, its secret half lies in the key store and only reading asks for it. */
import { join } from 'node:path';
import sodium from 'sodium-native';
import { TunnelerError } from '../base/errors.ts';
import { readIfThere } from '../files/read-if-there.ts';
import { writeAtomically } from '../files/write-atomically.ts';
import type { KeyUnlock } from '../identity/identities.ts';
import { openSecretStore, type SecretKeystore, type SecretStore } from '../identity/secrets.ts';

const secretName = 'key';
const publicFile = 'key.pub';

/** The key pair of a device's recordings. */
export interface RecordingKey {
  /** Makes it the first time. Throws `identity.passphrase_missing` and the like where nothing can keep its secret half. */
  publicKey(): Promise<Uint8Array>;
  /** Both halves, for reading. Throws where the key store does not hand out the secret one. */
  open(): Promise<{ readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }>;
}

/** The key of the recordings under `directory`; nothing is made until it is asked for. */
export function recordingKey(
  directory: string,
  parts: { readonly now: () => number; readonly unlock: KeyUnlock; readonly keystore: () => Promise<SecretKeystore> },
): RecordingKey {
  const secrets: SecretStore = openSecretStore(directory, parts.now);
  let made: Promise<Uint8Array> | undefined;

  async function load(): Promise<Uint8Array | undefined> {
    const text = await readIfThere(join(directory, publicFile));
    const key = text === undefined ? undefined : Buffer.from(text.trim(), 'base64');
    if (key === undefined || key.length === sodium.crypto_box_PUBLICKEYBYTES) return key;
    throw new TunnelerError('recording.unreadable', 'the key that recordings are sealed for cannot be read');
  }

  async function make(): Promise<Uint8Array> {
    const known = await load();
    if (known !== undefined) return known;
    const publicKey = Buffer.alloc(sodium.crypto_box_PUBLICKEYBYTES);
    const secretKey = Buffer.alloc(sodium.crypto_box_SECRETKEYBYTES);
    sodium.crypto_box_keypair(publicKey, secretKey);
    await secrets.set(secretName, secretKey.toString('base64'), await parts.keystore(), parts.unlock);
    sodium.sodium_memzero(secretKey);
    await writeAtomically(join(directory, publicFile), `${publicKey.toString('base64')}\n`);
    return publicKey;
  }

  return {
    publicKey() {
      made ??= make();
      // A key store that is locked now may be open at the next session.
      made.catch(() => (made = undefined));
      return made;
    },
    async open() {
      const publicKey = await load();
      if (publicKey === undefined) throw new TunnelerError('recording.unknown', 'nothing was ever recorded here');
      const secretKey = Buffer.from(await secrets.open(secretName, parts.unlock), 'base64');
      return { publicKey, secretKey };
    },
  };
}

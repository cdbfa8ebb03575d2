/**
 * Key store `tpm`: a P-256 or P-384 key made in the TPM that never leaves it. What is kept on disk is the key wrapped by this very TPM,
 * useless anywhere else. Recovery: none by design; after a cleared TPM or a new board the device is enrolled anew.
 */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { derSignature, spkiOfPoint } from '../ecdsa.ts';
import { removeDurably, writeAtomically } from '../../files/write-atomically.ts';
import { noPasswords } from './no-passwords.ts';
import type { Keystore, KeyUnlock, OpenKey } from '../identities.ts';
import {
  createPrimary,
  createSigningKey,
  flush,
  loadKey,
  publicPoint,
  signDigest,
  type TpmAlgorithm,
  type TpmKeyBlobs,
} from '../tpm/commands.ts';
import { openTpm, type TpmAddress, type TpmTransport } from '../tpm/transport.ts';

const hashNames = { ES256: 'sha256', ES384: 'sha384' } as const;
const curveNames = { ES256: 'P-256', ES384: 'P-384' } as const;

const referencePattern = /^tpm:([0-9a-f]{32})$/;
const storedKey = v.object({
  version: v.literal(1),
  algorithm: v.picklist(['ES256', 'ES384']),
  wrappedPrivate: v.pipe(v.string(), v.base64()),
  publicArea: v.pipe(v.string(), v.base64()),
  pinned: v.optional(v.boolean(), false),
});

interface StoredKey {
  readonly algorithm: TpmAlgorithm;
  readonly blobs: TpmKeyBlobs;
  /** The TPM asks for a PIN, and counts wrong ones. */
  readonly pinned: boolean;
}

/**
 * @param directory keeps the wrapped keys, one file each.
 * @param addresses where to look, asked at each use: a TPM may come and go (`TPM2TOOLS_TCTI`, simulators).
 */
export function tpmKeystore(directory: string, addresses: () => readonly TpmAddress[]): Keystore {
  const pathOf = (reference: string): string => {
    const id = referencePattern.exec(reference)?.[1];
    if (id === undefined)
      throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands');
    return join(directory, `${id}.tpm`);
  };

  // TPMs without a resource manager hold three objects: one caller at a time, and everything flushed.
  const queue = new SerialQueue();
  function exclusively<T>(work: (tpm: TpmTransport) => Promise<T>): Promise<T> {
    return queue.run(async () => {
      const tpm = await openTpm(addresses());
      try {
        return await work(tpm);
      } finally {
        await tpm[Symbol.asyncDispose]();
      }
    });
  }

  function opened(
    { algorithm, blobs }: Pick<StoredKey, 'algorithm' | 'blobs'>,
    pin: string,
  ): OpenKey & { readonly kind: 'hardware' } {
    return {
      kind: 'hardware',
      algorithm,
      publicKeySpki: spkiOf(blobs, algorithm),
      sign: (data) =>
        exclusively(async (tpm) => {
          const digest = createHash(hashNames[algorithm]).update(data).digest();
          const { r, s } = await withKey(tpm, blobs, (key) => signDigest(tpm, key, algorithm, pin, digest));
          return derSignature(r, s);
        }),
    };
  }

  return {
    kind: 'tpm',
    async available() {
      try {
        await exclusively(async (tpm) => flush(tpm, await createPrimary(tpm)));
        return { ok: true };
      } catch (error) {
        const failure = toTunnelerError(error, 'identity.keystore_unavailable');
        return {
          ok: false,
          code: failure.code,
          sentence: failure.message,
          next: String(failure.details['next'] ?? ''),
        };
      }
    },
    async create(_name, algorithm, unlock) {
      const pin = unlock.pin ?? '';
      const blobs = await exclusively(async (tpm) => {
        const parent = await createPrimary(tpm);
        try {
          return await createSigningKey(tpm, parent, algorithm, pin);
        } finally {
          await flush(tpm, parent);
        }
      });
      const key = opened({ algorithm, blobs }, pin);
      await selfTest(key);
      const reference = `tpm:${randomBytes(16).toString('hex')}`;
      await writeKey(pathOf(reference), { algorithm, blobs, pinned: pin !== '' });
      return { reference, key };
    },
    import: () =>
      Promise.reject(
        new TunnelerError('base.unsupported', 'a TPM key is made in the TPM; an existing key cannot be moved into it'),
      ),
    ...noPasswords,
    async open(reference, unlock) {
      const stored = await readKey(pathOf(reference));
      const key = opened(stored, pinOf(stored, unlock));
      // A signature proves the PIN once, here: tried again and again at sign-in, a wrong one would lock the TPM.
      if (stored.pinned) await key.sign(randomBytes(32));
      // Loading proves that this is the TPM that made it.
      else await exclusively((tpm) => withKey(tpm, stored.blobs, () => Promise.resolve()));
      return key;
    },
    async erase(reference) {
      await removeDurably(pathOf(reference));
    },
  };
}

/** Empty where the key has none. Throws `identity.passphrase_missing`. */
function pinOf({ pinned }: StoredKey, unlock: KeyUnlock): string {
  if (!pinned) return '';
  const pin = unlock.pin ?? unlock.passphrase;
  if (pin !== undefined) return pin;
  throw new TunnelerError('identity.passphrase_missing', 'the key in the TPM is guarded by a PIN', {
    details: { next: 'hand it over with culvert identity unlock' },
  });
}

async function withKey<T>(tpm: TpmTransport, blobs: TpmKeyBlobs, work: (key: number) => Promise<T>): Promise<T> {
  const parent = await createPrimary(tpm);
  try {
    const key = await loadKey(tpm, parent, blobs);
    try {
      return await work(key);
    } finally {
      await flush(tpm, key);
    }
  } finally {
    await flush(tpm, parent);
  }
}

/** A key that cannot sign is found out before anything is enrolled with it. */
async function selfTest(key: OpenKey & { readonly kind: 'hardware' }): Promise<void> {
  const probe = randomBytes(32);
  const publicKey = createPublicKey({ key: Buffer.from(key.publicKeySpki), format: 'der', type: 'spki' });
  const hash = key.algorithm === 'ES384' ? 'sha384' : 'sha256';
  if (!verify(hash, probe, publicKey, await key.sign(probe))) {
    throw new TunnelerError(
      'identity.keystore_unavailable',
      'the TPM failed its self-test: its signature does not verify',
    );
  }
}

function spkiOf(blobs: TpmKeyBlobs, algorithm: TpmAlgorithm): Uint8Array {
  const { x, y } = publicPoint(blobs.publicArea);
  return spkiOfPoint(curveNames[algorithm], x, y);
}

async function writeKey(path: string, { algorithm, blobs, pinned }: StoredKey): Promise<void> {
  const text = JSON.stringify({
    version: 1,
    algorithm,
    wrappedPrivate: blobs.wrappedPrivate.toString('base64'),
    publicArea: blobs.publicArea.toString('base64'),
    pinned,
  });
  try {
    await writeAtomically(path, `${text}\n`);
  } catch (error) {
    throw new TunnelerError(
      'identity.write_failed',
      `the wrapped key could not be written: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

async function readKey(path: string): Promise<StoredKey> {
  try {
    const stored = v.parse(storedKey, JSON.parse(await readFile(path, 'utf8')));
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
    const { algorithm, pinned } = stored;
    const blobs = { wrappedPrivate: bytes(stored.wrappedPrivate), publicArea: bytes(stored.publicArea) };
    return { algorithm, blobs, pinned };
  } catch (error) {
    throw new TunnelerError('identity.corrupt', 'the wrapped key of this identity cannot be read', {
      cause: error,
      details: { next: 'restore the state directory from a backup of this very machine, or enrol anew' },
    });
  }
}

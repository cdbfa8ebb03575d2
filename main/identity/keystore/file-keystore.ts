/** Key store `file`: each key an envelope of its own under `keys/`, for boxes with neither keychain nor TPM. */
import { mkdir, readFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import { removeDurably, secretDirectoryMode, writeAtomically } from '../../files/write-atomically.ts';
import { openEnvelope, sealEnvelope } from '../envelope.ts';
import type { Keystore, KeyUnlock, OpenKey, OpenPassword } from '../identities.ts';
import { newPrivateKeyPem, readPrivateKeyPem } from './software-key.ts';

const referencePattern = /^file:([0-9a-f]{32})$/;

/** Keys under `directory`. The reference `file:HEX` names the envelope; the passphrase or wrapping key is never stored. */
export function fileKeystore(directory: string): Keystore {
  async function storeKey(privateKeyPem: string, unlock: KeyUnlock): Promise<{ reference: string; key: OpenKey }> {
    return { ...(await store(privateKeyPem, unlock)), key: { kind: 'software', privateKeyPem } };
  }

  async function store(secret: string, unlock: KeyUnlock): Promise<{ reference: string }> {
    const id = randomBytes(16).toString('hex');
    const envelope = await sealEnvelope(Buffer.from(secret), unlock, id);
    try {
      await mkdir(directory, { recursive: true, mode: secretDirectoryMode });
      await writeAtomically(pathOf(id), envelope);
    } catch (error) {
      throw new TunnelerError('identity.write_failed', `the key could not be written: ${(error as Error).message}`, {
        cause: error,
        details: { next: 'free some space or mend the permissions of the state directory, then try again' },
      });
    }
    return { reference: `file:${id}` };
  }

  async function openStored(reference: string, unlock: KeyUnlock): Promise<string> {
    const id = parseReference(reference);
    const text = await readFile(pathOf(id), 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new TunnelerError(
        'identity.corrupt',
        `the key file of this identity cannot be read (${error.code ?? ''})`,
        {
          cause: error,
          details: { next: 'restore the state directory from a backup, or remove the identity and enrol anew' },
        },
      );
    });
    return (await openEnvelope(text, unlock, id)).toString('utf8');
  }

  const pathOf = (id: string): string => join(directory, `${id}.key`);

  return {
    kind: 'file',
    available: () => Promise.resolve({ ok: true }),
    create: (_name, algorithm, unlock) => storeKey(newPrivateKeyPem(algorithm), unlock),
    import: (_name, privateKeyPem, unlock) => storeKey(readPrivateKeyPem(privateKeyPem), unlock),
    keepPassword: (password, unlock) => store(JSON.stringify(password), unlock),
    async open(reference, unlock) {
      const plain = await openStored(reference, unlock);
      return { kind: 'software', privateKeyPem: readPrivateKeyPem(plain) };
    },
    async openPassword(reference, unlock) {
      return readPassword(await openStored(reference, unlock));
    },
    erase: (reference) => removeDurably(pathOf(parseReference(reference))),
  };
}

const password = v.object({ kind: v.literal('password'), username: v.string(), password: v.string() });

/** It was sealed here, so it is well formed or not ours. */
function readPassword(plain: string): OpenPassword {
  try {
    return v.parse(password, JSON.parse(plain));
  } catch {
    // What went wrong would quote the secret.
    throw new TunnelerError('identity.corrupt', 'what is kept in the place of the password is none');
  }
}

function parseReference(reference: string): string {
  const id = referencePattern.exec(reference)?.[1];
  if (id === undefined)
    throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands');
  return id;
}

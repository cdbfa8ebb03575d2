/** Key store `file`: each key an envelope of its own under `keys/`, for boxes with neither keychain nor TPM. */
import { mkdir, readFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';
import { removeDurably, secretDirectoryMode, writeAtomically } from '../atomic-file.ts';
import { openEnvelope, sealEnvelope } from '../envelope.ts';
import type { KeyUnlock, Keystore, OpenKey } from '../identities.ts';
import { newPrivateKeyPem, readPrivateKeyPem } from './software-key.ts';

const referencePattern = /^file:([0-9a-f]{32})$/;

/** Keys under `directory`. The reference `file:HEX` names the envelope; the passphrase or wrapping key is never stored. */
export function fileKeystore(directory: string): Keystore {
  async function store(privateKeyPem: string, unlock: KeyUnlock): Promise<{ reference: string; key: OpenKey }> {
    const id = randomBytes(16).toString('hex');
    const envelope = await sealEnvelope(Buffer.from(privateKeyPem), unlock, id);
    try {
      await mkdir(directory, { recursive: true, mode: secretDirectoryMode });
      await writeAtomically(pathOf(id), envelope);
    } catch (error) {
      throw new TunnelerError('identity.write_failed', `the key could not be written: ${(error as Error).message}`, {
        cause: error,
        details: { next: 'free some space or mend the permissions of the state directory, then try again' },
      });
    }
    return { reference: `file:${id}`, key: { kind: 'software', privateKeyPem } };
  }

  const pathOf = (id: string): string => join(directory, `${id}.key`);

  return {
    kind: 'file',
    available: () => Promise.resolve({ ok: true }),
    create: (_name, algorithm, unlock) => store(newPrivateKeyPem(algorithm), unlock),
    import: (_name, privateKeyPem, unlock) => store(readPrivateKeyPem(privateKeyPem), unlock),
    async open(reference, unlock) {
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
      const plain = await openEnvelope(text, unlock, id);
      return { kind: 'software', privateKeyPem: readPrivateKeyPem(plain.toString('utf8')) };
    },
    erase: (reference) => removeDurably(pathOf(parseReference(reference))),
  };
}

function parseReference(reference: string): string {
  const id = referencePattern.exec(reference)?.[1];
  if (id === undefined)
    throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands');
  return id;
}

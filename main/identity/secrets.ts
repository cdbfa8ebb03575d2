/**
 * Secrets that are no identity's key (a provider's API key): each an envelope of its own under `secrets/`, sealed as software keys are,
 * by passphrase or by a wrapping key in the user's keychain. What is sealed for one name does not open under another.
 */
import { mkdir } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError } from '../base/errors.ts';
import { listIfThere, readIfThere } from '../files/read-if-there.ts';
import { removeDurably, secretDirectoryMode, writeAtomically } from '../files/write-atomically.ts';
import { openEnvelope, sealEnvelope, wrappingKeyBytes } from './envelope.ts';
import type { KeyUnlock } from './identities.ts';
import { systemKeychain, type Keychain } from './keystore/keychain-keystore.ts';

/** Where secrets can be kept. */
export type SecretKeystore = 'file' | 'keychain';

/** What is known of a secret without opening it. */
export interface SecretRecord {
  readonly name: string;
  readonly keystore: SecretKeystore;
  readonly setAt: string;
}

/** The secrets under one directory. */
export interface SecretStore {
  list(): Promise<readonly SecretRecord[]>;
  /** Keep `value` under `name`, in the place of an earlier one. Throws `identity.secret_invalid`, `identity.passphrase_missing`, … */
  set(name: string, value: string, keystore: SecretKeystore, unlock: KeyUnlock): Promise<SecretRecord>;
  /** Throws `identity.secret_unknown`. */
  remove(name: string): Promise<void>;
  /** The value, for the caller's memory only. Throws `identity.secret_unknown`, `identity.passphrase_*`, `identity.keystore_*`. */
  open(name: string, unlock: KeyUnlock): Promise<string>;
}

/** Longer ones are no keys of a provider. */
const maxValueBytes = 16 * 1024;
const suffix = '.json';
const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

const file = v.object({
  version: v.literal(1),
  keystore: v.picklist(['file', 'keychain']),
  /** Where the keychain keeps the wrapping key. */
  account: v.optional(v.string()),
  setAt: v.string(),
  envelope: v.string(),
});
type SecretFile = v.InferOutput<typeof file>;

/** Nothing is opened or made until it is used, and nothing stays open. */
export function openSecretStore(
  stateDirectory: string,
  now: () => number,
  openKeychain: () => Promise<Keychain> = systemKeychain,
): SecretStore {
  const directory = join(stateDirectory, 'secrets');

  const pathOf = (name: string): string => {
    if (!namePattern.test(name)) {
      throw new TunnelerError(
        'identity.secret_invalid',
        `"${name}" cannot name a secret: use letters, digits, ".", "_", "-"`,
      );
    }
    return join(directory, name + suffix);
  };

  const read = async (name: string): Promise<SecretFile> => {
    const text = await readIfThere(pathOf(name)).catch((error: unknown) => {
      throw corrupt(name, error);
    });
    if (text === undefined) throw unknown(name);
    return decode(name, text);
  };

  /** The wrapping key of a secret in the keychain; undefined where a passphrase seals it. */
  const unlockOf = async (name: string, { keystore, account }: SecretFile, given: KeyUnlock): Promise<KeyUnlock> => {
    if (keystore === 'file') return given;
    const wrappingKey = account === undefined ? undefined : await (await openKeychain()).get(account);
    if (wrappingKey !== undefined) return { wrappingKey };
    throw new TunnelerError('identity.keystore_locked', `the keychain does not hand out what opens "${name}"`, {
      details: { next: `unlock the keychain, or set it again: culvert secret set ${name}` },
    });
  };

  const forget = async (account: string | undefined): Promise<void> => {
    if (account !== undefined) await (await openKeychain()).delete(account);
  };

  return {
    async list() {
      const names = await listIfThere(directory);
      const own = names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
      return Promise.all(own.sort().map(async (name) => recordOf(name, await read(name))));
    },

    async set(name, value, keystore, unlock) {
      const path = pathOf(name);
      if (!/^[\t\x20-\x7e]+$/.test(value) || value.length > maxValueBytes) {
        throw new TunnelerError('identity.secret_invalid', 'a secret is one line of ASCII text, of 16 KiB at most');
      }
      const before = await read(name).catch(() => undefined);
      const account = keystore === 'keychain' ? randomBytes(16).toString('hex') : undefined;
      let seal = unlock;
      if (account !== undefined) {
        seal = { wrappingKey: randomBytes(wrappingKeyBytes) };
        await (await openKeychain()).set(account, seal.wrappingKey ?? new Uint8Array());
      }
      const envelope = await sealEnvelope(Buffer.from(value), seal, contextOf(name));
      const made = { version: 1 as const, keystore, account, setAt: new Date(now()).toISOString(), envelope };
      try {
        await mkdir(directory, { recursive: true, mode: secretDirectoryMode });
        await writeAtomically(path, `${JSON.stringify(made)}\n`);
      } catch (error) {
        await forget(account);
        const why = (error as Error).message;
        throw new TunnelerError('identity.write_failed', `the secret could not be written: ${why}`, { cause: error });
      }
      await forget(before?.account);
      return recordOf(name, made);
    },

    async remove(name) {
      const { account } = await read(name);
      await removeDurably(pathOf(name));
      await forget(account);
    },

    async open(name, unlock) {
      const stored = await read(name);
      const plain = await openEnvelope(stored.envelope, await unlockOf(name, stored, unlock), contextOf(name));
      const value = plain.toString('utf8');
      plain.fill(0);
      return value;
    },
  };
}

function contextOf(name: string): string {
  return `secret ${name}`;
}

function recordOf(name: string, { keystore, setAt }: Pick<SecretFile, 'keystore' | 'setAt'>): SecretRecord {
  return { name, keystore, setAt };
}

function decode(name: string, text: string): SecretFile {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw corrupt(name, error);
  }
  const parsed = v.safeParse(file, raw);
  if (!parsed.success) throw corrupt(name, undefined);
  return parsed.output;
}

function unknown(name: string): TunnelerError {
  return new TunnelerError('identity.secret_unknown', `there is no secret "${name}" here`, {
    details: { next: `culvert secret set ${name}` },
  });
}

function corrupt(name: string, cause: unknown): TunnelerError {
  return new TunnelerError('identity.corrupt', `the secret "${name}" cannot be read`, {
    cause,
    details: { next: `set it again: culvert secret set ${name}` },
  });
}

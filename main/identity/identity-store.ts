/** The identities of one state directory: `identities/NAME.json`, each written atomically, keys kept by the key stores. */
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TunnelerError, toTunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isMissing, readIfThere } from '../files/read-if-there.ts';
import { removeDurably, secretDirectoryMode, syncDirectory, writeAtomically } from '../files/write-atomically.ts';
import { decodeIdentityFile, encodeIdentityFile } from './identity-file.ts';
import {
  proofOf,
  type IdentityEntry,
  type IdentityFile,
  type IdentityStore,
  type Keystore,
  type KeystoreKind,
  type KeyUnlock,
  type OpenKey,
  type OpenPassword,
} from './identities.ts';
import { openKeystores, type Keystores } from './keystores.ts';
import { sweepLeftovers } from './sweep.ts';

const suffix = '.json';
const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9._@ -]{0,127}$/;

/** Where identities lie, and the key stores for their keys. */
export interface IdentityStoreDeps {
  readonly stateDirectory: string;
  readonly log: Log;
  /** The caller holds the instance lock: what a crash left is swept. */
  readonly holdsDirectory?: boolean;
  /** PKCS#11 modules that the settings name. */
  readonly pkcs11Modules?: readonly string[] | undefined;
}

/** Open the store, creating its directories (0700). Throws `engine.state_unusable` where that fails. Nothing stays open: no dispose. */
export async function openIdentityStore(deps: IdentityStoreDeps): Promise<IdentityStore> {
  const directory = join(deps.stateDirectory, 'identities');
  const keysDirectory = join(deps.stateDirectory, 'keys');
  try {
    await mkdir(directory, { recursive: true, mode: secretDirectoryMode });
    await mkdir(keysDirectory, { recursive: true, mode: secretDirectoryMode });
  } catch (error) {
    throw new TunnelerError(
      'engine.state_unusable',
      `the state directory cannot be used: ${(error as Error).message}`,
      {
        cause: error,
        details: { directory: deps.stateDirectory },
      },
    );
  }
  if (deps.holdsDirectory === true) await sweepLeftovers({ identities: directory, keys: keysDirectory }, deps.log);
  return new DirectoryIdentityStore(directory, openKeystores(keysDirectory, deps.pkcs11Modules));
}

class DirectoryIdentityStore implements IdentityStore {
  readonly #directory: string;
  readonly #keystores: Keystores;

  constructor(directory: string, keystores: Keystores) {
    this.#directory = directory;
    this.#keystores = keystores;
  }

  async list(): Promise<readonly IdentityEntry[]> {
    const names = (await readdir(this.#directory))
      .filter((file) => file.endsWith(suffix))
      .map((file) => file.slice(0, -suffix.length))
      .sort((a, b) => a.localeCompare(b));
    return Promise.all(
      names.map(async (name): Promise<IdentityEntry> => {
        try {
          return { kind: 'good', record: await this.get(name) };
        } catch (error) {
          return { kind: 'broken', name, error: toTunnelerError(error, 'identity.corrupt') };
        }
      }),
    );
  }

  async get(name: string): Promise<IdentityFile> {
    const text = await readIfThere(this.#path(name)).catch((cause: Error) => {
      throw new TunnelerError('identity.corrupt', `identity "${name}" cannot be read: ${cause.message}`, { cause });
    });
    if (text === undefined) throw unknownIdentity(name);
    return decodeIdentityFile(name, text);
  }

  async add(record: IdentityFile): Promise<void> {
    if (await this.#exists(record.name)) throw existing(record.name);
    await this.#write(record);
  }

  async update(record: IdentityFile, unlock: KeyUnlock): Promise<void> {
    const before = await this.get(record.name);
    await this.#write(record);
    if (before.keyReference !== undefined && before.keyReference !== record.keyReference) {
      await this.keystore(before.keystore).erase(before.keyReference, unlock);
    }
  }

  async rename(name: string, to: string): Promise<void> {
    const from = this.#path(name);
    const target = this.#path(to);
    if (!(await this.#exists(name))) throw unknownIdentity(name);
    if (await this.#exists(to)) throw existing(to);
    await rename(from, target);
    await syncDirectory(this.#directory);
  }

  async remove(name: string, unlock: KeyUnlock): Promise<void> {
    if (!(await this.#exists(name))) throw unknownIdentity(name);
    const entry = (await this.list()).find((candidate) => candidate.kind === 'good' && candidate.record.name === name);
    // The file goes first: a crash in between leaves an orphaned, sealed key, never an identity without one.
    await removeDurably(this.#path(name));
    if (entry?.kind === 'good' && entry.record.keyReference !== undefined) {
      await this.keystore(entry.record.keystore).erase(entry.record.keyReference, unlock);
    }
  }

  keystore(kind: KeystoreKind): Keystore {
    return this.#keystores.keystore(kind);
  }

  async openKey(record: IdentityFile, unlock: KeyUnlock) {
    if (record.keyReference === undefined) {
      throw new TunnelerError('identity.corrupt', `identity "${record.name}" has no key of its own`);
    }
    return this.keystore(record.keystore).open(record.keyReference, unlock);
  }

  async openProof(record: IdentityFile, unlock: KeyUnlock): Promise<OpenKey | OpenPassword | undefined> {
    if (record.keyReference === undefined) return undefined;
    if (proofOf(record) === 'certificate') return this.openKey(record, unlock);
    return this.keystore(record.keystore).openPassword(record.keyReference, unlock);
  }

  async #write(record: IdentityFile): Promise<void> {
    try {
      await writeAtomically(this.#path(record.name), encodeIdentityFile(record));
    } catch (error) {
      throw new TunnelerError(
        'identity.write_failed',
        `identity "${record.name}" could not be written: ${(error as Error).message}`,
        {
          cause: error,
          details: { identity: record.name, next: 'free some space or mend permissions, then try again' },
        },
      );
    }
  }

  async #exists(name: string): Promise<boolean> {
    return stat(this.#path(name)).then(
      () => true,
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    );
  }

  #path(name: string): string {
    if (!namePattern.test(name)) {
      throw new TunnelerError(
        'identity.name_invalid',
        `"${name}" cannot name an identity: use letters, digits, ".", "_", "-", "@"`,
      );
    }
    return join(this.#directory, name + suffix);
  }
}

function unknownIdentity(name: string): TunnelerError {
  return new TunnelerError('identity.unknown', `there is no identity "${name}" here`, {
    details: { next: 'culvert identity list shows those there are' },
  });
}

function existing(name: string): TunnelerError {
  return new TunnelerError('identity.exists', `there is an identity "${name}" already`, {
    details: { next: 'choose another with --name, or remove the old one first' },
  });
}

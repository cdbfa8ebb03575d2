import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fileKeystore } from '../../main/identity/keystore/file-keystore.ts';
import {
  keychainKeystore,
  userKeychain,
  userKeychainAccount,
  type Keychain,
} from '../../main/identity/keystore/keychain-keystore.ts';
import { keystoreConformance } from '../conformance/keystore.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { keepsModes } from '../support/modes.ts';

const temporary = (): string => temporaryDirectory('keys');

/** A keychain in memory; the real ones are exercised under gnome-keyring in test/system. */
function memoryKeychain(): Keychain {
  const entries = new Map<string, Uint8Array>();
  return {
    get: (account) => Promise.resolve(entries.get(account)),
    set: (account, secret) => Promise.resolve(void entries.set(account, Uint8Array.from(secret))),
    delete: (account) => Promise.resolve(void entries.delete(account)),
  };
}

keystoreConformance('file', async () => ({
  keystore: fileKeystore(temporary()),
  unlock: { passphrase: 'correct horse' },
  wrongUnlock: { passphrase: 'battery staple' },
  imports: true,
}));

keystoreConformance('keychain', async () => {
  const keychain = memoryKeychain();
  return {
    keystore: keychainKeystore(fileKeystore(temporary()), () => Promise.resolve(keychain)),
    unlock: {},
    wrongUnlock: { wrappingKey: randomBytes(32) },
    imports: true,
  };
});

const noKeychain = (): Promise<Keychain> => Promise.reject(new Error('the engine has none'));

// A privileged engine and a user's wrapping key: whatever its own keychain holds, it is never asked.
keystoreConformance('keychain of another user', async () => ({
  keystore: keychainKeystore(fileKeystore(temporary()), () =>
    Promise.resolve({ ...memoryKeychain(), get: () => Promise.reject(new Error('asked for what it has not')) }),
  ),
  unlock: { wrappingKey: randomBytes(32), keychainAccount: 'a'.repeat(32) },
  wrongUnlock: { wrappingKey: randomBytes(32) },
  imports: true,
}));

describe('a key that a user handed the wrapping key for', () => {
  it('names its place in that user’s keychain, and is locked without it', async () => {
    const keystore = keychainKeystore(fileKeystore(temporary()), noKeychain);
    const { account, wrappingKey } = await userKeychain(() => Promise.resolve(memoryKeychain())).make();
    const { reference } = await keystore.create('x', 'ES256', { wrappingKey, keychainAccount: account });
    const { reference: rolled } = await keystore.create('x', 'ES256', { wrappingKey, keychainAccount: account });
    expect([reference, rolled].map(userKeychainAccount)).toEqual([account, account]);
    await keystore.erase(rolled, {});
    expect(userKeychainAccount(`keychain:${account}:file:x`)).toBeUndefined();
    await expect(keystore.open(reference, { passphrase: 'p' })).rejects.toMatchObject({
      code: 'identity.keystore_locked',
      details: { next: expect.stringContaining('culvert identity unlock') },
    });
  });
});

describe('file key store on disk', () => {
  it('holds no key in plain and is readable by its owner only', async () => {
    const directory = temporary();
    const { key } = await fileKeystore(directory).create('one', 'ES256', { passphrase: 'p' });
    const [file] = await readdir(directory);
    const path = join(directory, file ?? '');
    const text = await readFile(path, 'utf8');
    expect(key.kind === 'software' && key.privateKeyPem).toContain('PRIVATE KEY');
    expect(text).not.toContain('PRIVATE KEY');
    const body = key.kind === 'software' ? (key.privateKeyPem.split('\n')[1] ?? '') : '';
    expect(text).not.toContain(body);
    if (keepsModes) expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('names a wrong passphrase, a missing one and a damaged file apart', async () => {
    const directory = temporary();
    const keystore = fileKeystore(directory);
    const { reference } = await keystore.create('one', 'ES256', { passphrase: 'right' });
    await expect(keystore.open(reference, { passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'identity.passphrase_wrong',
    });
    await expect(keystore.open(reference, {})).rejects.toMatchObject({ code: 'identity.passphrase_missing' });
    const [file] = await readdir(directory);
    await writeFile(join(directory, file ?? ''), '{"version":1,"kdf":"argon2id"');
    await expect(keystore.open(reference, { passphrase: 'right' })).rejects.toMatchObject({ code: 'identity.corrupt' });
  });

  it('makes no key without a passphrase', async () => {
    const directory = temporary();
    await expect(fileKeystore(directory).create('one', 'ES256', {})).rejects.toMatchObject({
      code: 'identity.passphrase_missing',
    });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('keychain that does not answer', () => {
  it.each([
    ['org.freedesktop.Secret.Error.IsLocked', 'identity.keystore_locked'],
    ['no D-Bus session', 'identity.keystore_unavailable'],
  ])('%s is %s, with the next step', async (message, code) => {
    const broken: Keychain = {
      get: () => Promise.reject(new Error(message)),
      set: () => Promise.reject(new Error(message)),
      delete: () => Promise.reject(new Error(message)),
    };
    const keystore = keychainKeystore(fileKeystore(temporary()), () => Promise.resolve(broken));
    expect(await keystore.available()).toMatchObject({ ok: false, code, next: expect.any(String) });
    await expect(keystore.create('x', 'ES256', {})).rejects.toMatchObject({ code });
  });
});

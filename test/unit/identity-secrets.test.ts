import { cp, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSecretStore, type SecretStore } from '../../main/identity/secrets.ts';
import type { Keychain } from '../../main/identity/keystore/keychain-keystore.ts';
import { keepsModes } from '../support/modes.ts';

const unlock = { passphrase: 'correct horse' };
const code = (wanted: string): Error => expect.objectContaining({ code: wanted }) as Error;

describe('secrets of the hosting side', () => {
  let state: string;
  let store: SecretStore;
  const entries = new Map<string, Uint8Array>();
  const keychain: Keychain = {
    get: (account) => Promise.resolve(entries.get(account)),
    set: (account, secret) => Promise.resolve(void entries.set(account, secret)),
    delete: (account) => Promise.resolve(void entries.delete(account)),
  };

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'culvert-secrets-'));
    entries.clear();
    store = openSecretStore(
      state,
      () => 0,
      () => Promise.resolve(keychain),
    );
  });
  afterEach(() => rm(state, { recursive: true, force: true }));

  it.each(['file', 'keychain'] as const)('are kept in %s, changed and removed, and lie sealed', async (keystore) => {
    expect(await store.list()).toEqual([]);
    await store.set('openai', 'sk-first', keystore, unlock);
    expect(await store.set('openai', 'sk-second', keystore, unlock)).toEqual({
      name: 'openai',
      keystore,
      setAt: '1970-01-01T00:00:00.000Z',
    });
    expect(await store.open('openai', keystore === 'file' ? unlock : {})).toBe('sk-second');
    expect(entries.size).toBe(keystore === 'keychain' ? 1 : 0);
    const path = join(state, 'secrets', 'openai.json');
    expect(await readFile(path, 'utf8')).not.toContain('sk-');
    if (keepsModes) expect((await stat(path)).mode & 0o777).toBe(0o600);
    if (keepsModes) expect((await stat(join(state, 'secrets'))).mode & 0o777).toBe(0o700);
    await store.remove('openai');
    expect(await readdir(join(state, 'secrets'))).toEqual([]);
    expect(entries.size).toBe(0);
    await expect(store.open('openai', unlock)).rejects.toThrow(code('identity.secret_unknown'));
    await expect(store.remove('openai')).rejects.toThrow(code('identity.secret_unknown'));
  });

  it('open to nobody else, and under no other name', async () => {
    await store.set('one', 'sk-one', 'file', unlock);
    await expect(store.open('one', {})).rejects.toThrow(code('identity.passphrase_missing'));
    await expect(store.open('one', { passphrase: 'wrong' })).rejects.toThrow(code('identity.passphrase_wrong'));
    await cp(join(state, 'secrets', 'one.json'), join(state, 'secrets', 'two.json'));
    await expect(store.open('two', unlock)).rejects.toThrow(code('identity.passphrase_wrong'));
    await store.set('held', 'sk-held', 'keychain', unlock);
    entries.clear();
    await expect(store.open('held', unlock)).rejects.toThrow(code('identity.keystore_locked'));
  });

  it('are refused where they could not stand in a header, or their name in a path', async () => {
    for (const value of ['', 'a\r\nHost: evil', 'ключ', 'x'.repeat(17_000)]) {
      await expect(store.set('one', value, 'file', unlock)).rejects.toThrow(code('identity.secret_invalid'));
    }
    for (const name of ['../one', '.one', 'a/b', '']) {
      await expect(store.set(name, 'sk', 'file', unlock)).rejects.toThrow(code('identity.secret_invalid'));
      await expect(store.open(name, unlock)).rejects.toThrow(code('identity.secret_invalid'));
    }
    await expect(store.set('one', 'sk', 'file', {})).rejects.toThrow(code('identity.passphrase_missing'));
    expect(await store.list()).toEqual([]);
  });

  it('that are damaged are said to be, and can be set again', async () => {
    await store.set('one', 'sk-one', 'file', unlock);
    await writeFile(join(state, 'secrets', 'one.json'), '{"version":1}');
    await expect(store.open('one', unlock)).rejects.toThrow(code('identity.corrupt'));
    await store.set('one', 'sk-two', 'file', unlock);
    expect(await store.open('one', unlock)).toBe('sk-two');
  });
});

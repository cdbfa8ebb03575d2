import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { commonFields } from '../../main/engine/enrolment/new-identity.ts';
import { ownUser } from '../../main/files/own-user.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import {
  decodeForeignIdentityFile,
  decodeIdentityFile,
  encodeIdentityFile,
} from '../../main/identity/identity-file.ts';
import type { IdentityFile, IdentityStore } from '../../main/identity/identities.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { keepsModes } from '../support/modes.ts';

const unlock = { passphrase: 'p' };

async function openTemporary(): Promise<{ directory: string; store: IdentityStore }> {
  const directory = temporaryDirectory('identities');
  return { directory, store: await openIdentityStore({ stateDirectory: directory, log: silentLog }) };
}

async function enrolled(store: IdentityStore, name: string): Promise<IdentityFile> {
  const { reference } = await store.keystore('file').create(name, 'ES256', unlock);
  const record: IdentityFile = {
    name,
    enabled: true,
    scope: 'machine',
    keystore: 'file',
    keyReference: reference,
    apis: ['https://ctrl.example:1280'],
    caPem: 'CA',
    certPem: 'CERT',
    jit: false,
    foreign: { configTypes: ['all'] },
  };
  await store.add(record);
  return record;
}

describe('identity store', () => {
  it('gives back what was added, after a restart too', async () => {
    const { directory, store } = await openTemporary();
    const record = await enrolled(store, 'laptop');
    const again = await openIdentityStore({ stateDirectory: directory, log: silentLog });
    expect(await again.get('laptop')).toEqual(record);
    expect((await again.openKey(record, unlock)).kind).toBe('software');
  });

  it('writes 0600 and nothing in plain', async () => {
    const { directory, store } = await openTemporary();
    await enrolled(store, 'laptop');
    for (const folder of ['identities', 'keys']) {
      for (const file of await readdir(join(directory, folder))) {
        const path = join(directory, folder, file);
        if (keepsModes) expect((await stat(path)).mode & 0o777).toBe(0o600);
        expect(await readFile(path, 'utf8')).not.toContain('PRIVATE KEY');
      }
    }
  });

  it('shows a broken identity beside the good ones and lets it be removed', async () => {
    const { directory, store } = await openTemporary();
    await enrolled(store, 'good');
    await writeFile(join(directory, 'identities', 'bad.json'), '{"ztAPI":');
    const entries = await store.list();
    expect(entries.map((entry) => entry.kind)).toEqual(['broken', 'good']);
    expect(entries[0]).toMatchObject({ kind: 'broken', name: 'bad', error: { code: 'identity.corrupt' } });
    await store.remove('bad', unlock);
    expect((await store.list()).map((entry) => entry.kind)).toEqual(['good']);
  });

  it('refuses a second identity of one name, unknown names and names that leave the directory', async () => {
    const { store } = await openTemporary();
    const record = await enrolled(store, 'laptop');
    await expect(store.add(record)).rejects.toMatchObject({ code: 'identity.exists' });
    await expect(store.get('nobody')).rejects.toMatchObject({ code: 'identity.unknown' });
    for (const name of ['../evil', '.hidden', 'a/b', '', 'a\0b']) {
      await expect(store.get(name)).rejects.toMatchObject({ code: 'identity.name_invalid' });
    }
  });

  it('erases the key with the identity', async () => {
    const { directory, store } = await openTemporary();
    await enrolled(store, 'laptop');
    await store.remove('laptop', unlock);
    expect(await readdir(join(directory, 'keys'))).toEqual([]);
    expect(await readdir(join(directory, 'identities'))).toEqual([]);
  });

  it('erases the old key once an update names a new one', async () => {
    const { directory, store } = await openTemporary();
    const record = await enrolled(store, 'laptop');
    const next = await store.keystore('file').create('laptop', 'ES256', unlock);
    await store.update({ ...record, keyReference: next.reference, certPem: 'NEW' }, unlock);
    expect(await readdir(join(directory, 'keys'))).toHaveLength(1);
    expect(await store.get('laptop')).toMatchObject({ certPem: 'NEW', keyReference: next.reference });
  });

  it('renames without touching the key', async () => {
    const { store } = await openTemporary();
    const record = await enrolled(store, 'old');
    await store.rename('old', 'new');
    expect(await store.get('new')).toEqual({ ...record, name: 'new' });
    await expect(store.get('old')).rejects.toMatchObject({ code: 'identity.unknown' });
    expect((await store.openKey(await store.get('new'), unlock)).kind).toBe('software');
  });

  const reopened = (directory: string) =>
    openIdentityStore({ stateDirectory: directory, log: silentLog, holdsDirectory: true });

  it('sweeps what a crash left half written, where nobody else can be writing', async () => {
    const { directory, store } = await openTemporary();
    await enrolled(store, 'laptop');
    await writeFile(join(directory, 'identities', 'laptop.json.abc.tmp'), 'half');
    await openIdentityStore({ stateDirectory: directory, log: silentLog });
    expect((await readdir(join(directory, 'identities'))).length).toBe(2);
    const again = await reopened(directory);
    expect((await again.list()).map((entry) => entry.kind)).toEqual(['good']);
    expect(await readdir(join(directory, 'identities'))).toEqual(['laptop.json']);
  });

  it('sweeps a key that no identity names, and keeps those that one does: staged, broken or set aside', async () => {
    const { directory, store } = await openTemporary();
    const keys = join(directory, 'keys');
    const record = await enrolled(store, 'laptop');
    const make = async (): Promise<string> => (await store.keystore('file').create('x', 'ES256', unlock)).reference;
    const staged = await make();
    await store.update({ ...record, staged: { certPem: 'NEXT', keyReference: staged } }, unlock);
    const broken = await make();
    await writeFile(join(directory, 'identities', 'broken.json'), `{"culvert": {"keyReference": "${broken}"`);
    const aside = await make();
    await writeFile(join(directory, 'identities', 'old.json.bak'), aside);
    await make();
    await writeFile(join(keys, `${'0'.repeat(32)}.tpm`), '{}');
    await writeFile(join(keys, 'README'), 'not ours');
    await reopened(directory);
    const named = [record.keyReference ?? '', staged, broken, aside].map((reference) => `${reference.slice(5)}.key`);
    expect((await readdir(keys)).sort()).toEqual([...named, 'README'].sort());
    expect((await store.openKey(await store.get('laptop'), unlock)).kind).toBe('software');
  });

  it('says so when the directory cannot be written, and keeps the old file', async () => {
    const { directory, store } = await openTemporary();
    const record = await enrolled(store, 'laptop');
    const path = join(directory, 'identities', 'laptop.json');
    const before = await readFile(path, 'utf8');
    await rename(join(directory, 'identities'), join(directory, 'away'));
    await expect(store.add({ ...record, name: 'second' })).rejects.toMatchObject({ code: 'identity.write_failed' });
    await rename(join(directory, 'away'), join(directory, 'identities'));
    expect(await readFile(path, 'utf8')).toBe(before);
    expect((await store.list()).length).toBe(1);
  });
});

describe('whom an identity serves', () => {
  it('is who asked for it where its scope is a user, and nobody in particular else', () => {
    expect(commonFields({ scope: 'user' }, 'mine', 'file', 4242)).toMatchObject({ scope: 'user', ownerUid: 4242 });
    expect(commonFields({}, 'box', 'file', 4242)).not.toHaveProperty('ownerUid');
    // Whoever runs this, on whatever system: a user's identity without its user would be nobody's.
    expect(commonFields({ scope: 'user' }, 'mine', 'keychain').ownerUid).toBe(ownUser());
    expect(ownUser()).toBeDefined();
  });
});

describe('identity file', () => {
  it('keeps fields it does not know', () => {
    const record: IdentityFile = {
      name: 'x',
      enabled: true,
      scope: 'user',
      ownerUid: 1000,
      keystore: 'keychain',
      keyReference: 'keychain:ab:file:cd',
      apis: ['https://a:1', 'https://b:1'],
      caPem: 'CA',
      jit: true,
      foreign: { enableHa: true, somethingNew: { deep: [1] } },
    };
    expect(decodeIdentityFile('x', encodeIdentityFile(record))).toEqual(record);
    const ofWindows = { ...record, ownerUid: 'S-1-5-21-1-2-3-1001' };
    expect(decodeIdentityFile('x', encodeIdentityFile(ofWindows))).toEqual(ofWindows);
  });

  it('reads what the peers write: inline, bare PEM, file and engine references, null lists', () => {
    const text = JSON.stringify({
      ztAPI: 'https://c:1280/edge/client/v1',
      ztAPIs: null,
      id: { key: 'pkcs11://lib?slot=0', cert: 'pem:-----BEGIN CERTIFICATE-----', ca: 'file:///etc/ca.pem' },
      tunneler: 1,
    });
    expect(decodeForeignIdentityFile('x', text)).toEqual({
      apis: ['https://c:1280/edge/client/v1'],
      key: { kind: 'uri', uri: 'pkcs11://lib?slot=0' },
      cert: { kind: 'pem', pem: '-----BEGIN CERTIFICATE-----' },
      ca: { kind: 'path', path: '/etc/ca.pem' },
      foreign: { tunneler: 1 },
    });
  });

  it.each(['', 'null', '[]', '{}', '{"id":{}}', '{"ztAPI":5,"id":{}}', '{"ztAPI":"nonsense","id":{}}'])(
    'refuses %s with a code',
    (text) => {
      expect(() => decodeForeignIdentityFile('x', text)).toThrowError(
        expect.objectContaining({ code: 'identity.corrupt' }) as Error,
      );
    },
  );
});

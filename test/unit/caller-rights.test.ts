/** Paths, modules and PIN sources of a request: read and vouched for by whoever asks, never with the engine's rights. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { withFilesOf, withPinOf } from '../../main/cli/caller-files.ts';
import { importIdentityFile } from '../../main/engine/enrolment/identity-import.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import { parseTokenUri } from '../../main/identity/pkcs11/uri.ts';
import { parseDescriptor } from '../../main/cli/passphrase.ts';
import { requireTrustedModule } from '../../main/identity/pkcs11/trusted-module.ts';
import { MemoryAudit } from '../support/session-world.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const identityFile = (id: Record<string, string>): string =>
  JSON.stringify({ ztAPI: 'https://controller.example:1280/edge/client/v1', id });

it.each(['ca', 'cert', 'key'])(
  'the engine does not read what id.%s of an imported identity refers to',
  async (field) => {
    const directory = temporaryDirectory('rights');
    const secret = join(directory, 'shadow');
    writeFileSync(secret, 'SECRET');
    const store = await openIdentityStore({ stateDirectory: directory, log: silentLog });
    const deps = { store, log: silentLog, audit: new MemoryAudit() };
    for (const reference of [secret, `file://${secret}`]) {
      const request = { source: identityFile({ [field]: reference }), name: 'x', keystore: 'file' };
      await expect(importIdentityFile(request, { passphrase: 'p' }, deps)).rejects.toMatchObject({
        code: 'base.invalid',
      });
    }
    expect(await store.list()).toEqual([]);
  },
);

it('the command line puts in what an identity file refers to', async () => {
  const directory = temporaryDirectory('rights');
  writeFileSync(join(directory, 'ca.pem'), 'CA');
  const sent = await withFilesOf(
    identityFile({ ca: `file://${join(directory, 'ca.pem')}`, cert: 'pem:CERT', key: 'pkcs11://lib?slot=0' }),
  );
  expect(JSON.parse(sent)).toMatchObject({ id: { ca: 'pem:CA', cert: 'pem:CERT', key: 'pkcs11://lib?slot=0' } });
  expect(await withFilesOf('no JSON')).toBe('no JSON');
  await expect(withFilesOf(identityFile({ key: join(directory, 'none') }))).rejects.toMatchObject({
    code: 'cli.usage',
  });
});

it('the command line reads a pin-source; the engine takes none', async () => {
  const directory = temporaryDirectory('rights');
  const file = join(directory, 'pin');
  writeFileSync(file, '12&34\n');
  const uri = await withPinOf(`pkcs11:token=t?module-path=/usr/lib/x.so&pin-source=file:${file}`);
  expect(uri).toBe('pkcs11:token=t?module-path=/usr/lib/x.so&pin-value=12%2634');
  expect(parseTokenUri(uri).pin).toBe('12&34');
  expect(() => parseTokenUri(`pkcs11:token=t?module-path=/usr/lib/x.so&pin-source=${file}`)).toThrowError(
    expect.objectContaining({ code: 'base.invalid' }) as Error,
  );
});

it.runIf(process.platform !== 'win32')(
  'a module is loaded only where root alone could have placed it, or the settings name it',
  () => {
    const directory = temporaryDirectory('rights');
    const inner = join(directory, 'lib');
    mkdirSync(inner);
    const module = join(inner, 'token.so');
    writeFileSync(module, '');
    chmodSync(directory, 0o777);
    const refused = expect.objectContaining({ code: 'identity.keystore_unavailable' }) as Error;
    expect(() => requireTrustedModule(module)).toThrowError(refused);
    expect(() => requireTrustedModule('../token.so')).toThrowError(refused);
    requireTrustedModule(module, [module]);
    requireTrustedModule('p11-kit-proxy.so');
    requireTrustedModule('/bin/sh');
  },
);

it('on Windows a module is loaded only where nobody but the machine could exchange it, or the settings name it', () => {
  const refused = expect.objectContaining({ code: 'identity.keystore_unavailable' }) as Error;
  const module = 'C:\\Tokens\\token.dll';
  const existing = process.platform === 'win32' ? process.execPath : module;
  const changedBy = (sid: string) => ({
    fileRights: () => ({ owner: 'S-1-5-18', grants: [{ sid, mask: 0x1f01ff }] }),
    restrictFile: () => undefined,
  });
  const host = (rights?: ReturnType<typeof changedBy>) => ({ platform: 'win32', rights }) as const;
  requireTrustedModule(module, [], host(changedBy('S-1-5-32-544')));
  const byUsers = host(changedBy('S-1-5-32-545'));
  expect(() => requireTrustedModule(existing, [], byUsers)).toThrowError(refused);
  expect(() => requireTrustedModule(module, [], host())).toThrowError(refused);
  expect(() => requireTrustedModule('x\\token.dll', [], host(changedBy('S-1-5-18')))).toThrowError(refused);
  requireTrustedModule(module, [module], host());
  requireTrustedModule('token.dll', [], host());
});

it('a descriptor that Windows does not hand over is refused with what does work there', () => {
  expect(parseDescriptor('3', '--passphrase-fd', 'linux')).toBe(3);
  expect(parseDescriptor('0', '--passphrase-fd', 'win32')).toBe(0);
  expect(() => parseDescriptor('3', '--passphrase-fd', 'win32')).toThrowError(/CREDENTIALS_DIRECTORY/);
});

/** The PKCS#11 key store on SoftHSM2: keys made on the token, found again, used, destroyed, and a token that goes away. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { pkcs11Keystore } from '../../main/identity/keystore/pkcs11-keystore.ts';
import { formatTokenUri, parseTokenUri } from '../../main/identity/pkcs11/uri.ts';
import { keystoreConformance } from '../conformance/keystore.ts';
import { mustSkip } from '../support/optional.ts';
import { softHsm, softHsmMissing } from '../support/tools.ts';

describe.skipIf(mustSkip(softHsmMissing()))('PKCS#11 (SoftHSM2)', () => {
  let tokens: string;
  const uri = `pkcs11:token=culvert-test?module-path=${softHsm}&pin-value=1234`;

  beforeAll(async () => {
    const home = await mkdtemp(join(tmpdir(), 'culvert-hsm-'));
    tokens = join(home, 'tokens');
    await mkdir(tokens);
    await writeFile(join(home, 'softhsm2.conf'), `directories.tokendir = ${tokens}\nobjectstore.backend = file\n`);
    // The module reads it when it is first loaded in this process.
    process.env['SOFTHSM2_CONF'] = join(home, 'softhsm2.conf');
    execFileSync(
      'softhsm2-util',
      ['--init-token', '--free', '--label', 'culvert-test', '--pin', '1234', '--so-pin', '5678'],
      {
        stdio: 'ignore',
      },
    );
  });

  keystoreConformance('pkcs11', () =>
    Promise.resolve({
      keystore: pkcs11Keystore(),
      unlock: { tokenUri: uri },
      imports: false,
      wrongUnlock: { pin: '9999' },
    }),
  );

  it('makes keys that no tool can take off the token', async () => {
    const { reference } = await pkcs11Keystore().create('x', 'ES256', { tokenUri: uri });
    const { id } = parseTokenUri(reference);
    const listed = execFileSync('pkcs11-tool', [
      '--module',
      softHsm,
      '--token-label',
      'culvert-test',
      '--login',
      '--pin',
      '1234',
      '--list-objects',
      '--type',
      'privkey',
      '--id',
      id ?? '',
    ]);
    expect(listed.toString()).toMatch(/never extractable/);
  });

  it('keeps a PIN only where the user put it into the URI', async () => {
    const silent = `pkcs11:token=culvert-test?module-path=${softHsm}`;
    const { reference } = await pkcs11Keystore().create('x', 'ES384', { tokenUri: silent, pin: '1234' });
    expect(reference).not.toContain('1234');
    await expect(pkcs11Keystore().open(reference, {})).rejects.toMatchObject({
      code: expect.stringMatching(/^identity\./),
    });
    expect(await pkcs11Keystore().open(reference, { passphrase: '1234' })).toMatchObject({ algorithm: 'ES384' });
  });

  it('names a wrong PIN, a token that is not there and a module that is none', async () => {
    const create = (tokenUri: string) => pkcs11Keystore().create('x', 'ES256', { tokenUri });
    await expect(create(uri.replace('1234', '0000'))).rejects.toMatchObject({ code: 'identity.passphrase_wrong' });
    await expect(create(uri.replace('culvert-test', 'other'))).rejects.toMatchObject({
      code: 'identity.token_removed',
    });
    await expect(create(uri.replace(softHsm, '/nowhere.so'))).rejects.toMatchObject({
      code: 'identity.keystore_unavailable',
      details: { next: expect.any(String) },
    });
  });

  it('notices a token pulled out under a key in use, and works again when it is back', async () => {
    const { key } = await pkcs11Keystore().create('x', 'ES256', { tokenUri: uri });
    if (key.kind !== 'hardware') throw new Error('not in hardware');
    await rename(tokens, `${tokens}.away`);
    await mkdir(tokens);
    await expect(key.sign(Buffer.from('data'))).rejects.toMatchObject({ code: expect.stringMatching(/^identity\./) });
    execFileSync('rmdir', [tokens]);
    await rename(`${tokens}.away`, tokens);
    expect((await key.sign(Buffer.from('data'))).length).toBeGreaterThan(60);
  });
});

describe('PKCS#11 URIs', () => {
  it('are read in the standard form and as the peers write them', () => {
    expect(
      parseTokenUri('pkcs11:token=My%20Token;id=%01%ab;object=key?module-path=/usr/lib/x.so&pin-value=12%2034'),
    ).toEqual({
      modulePath: '/usr/lib/x.so',
      token: 'My Token',
      slot: undefined,
      id: '01ab',
      label: 'key',
      pin: '12 34',
    });
    expect(parseTokenUri('pkcs11:///usr/lib/x.so?slot=0&pin=1234&id=0F&label=k')).toMatchObject({
      modulePath: '/usr/lib/x.so',
      slot: 0,
      id: '0f',
      label: 'k',
      pin: '1234',
    });
  });

  it('survive a round trip', () => {
    const uri = { modulePath: '/a b/c.so', token: 't;u', slot: 3, id: '00ff', label: 'ö', pin: 'p&q' };
    expect(parseTokenUri(formatTokenUri(uri))).toEqual(uri);
  });

  it.each([
    '',
    'pkcs12:x',
    'pkcs11://',
    'pkcs11:token',
    'pkcs11:token=%zz?module-path=x',
    'pkcs11:slot-id=many?module-path=x',
  ])('refuse %s', (text) => {
    expect(() => parseTokenUri(text)).toThrowError(expect.objectContaining({ code: 'base.invalid' }) as Error);
  });
});

/** The TPM key store on a TPM 2.0 in software (swtpm): the same commands, the same refusals, no hardware. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tpmKeystore } from '../../main/identity/keystore/tpm-keystore.ts';
import { tpmAddresses } from '../../main/identity/tpm/transport.ts';
import { keystoreConformance } from '../conformance/keystore.ts';
import { softTpmMissing, startSoftTpm, type SoftTpm } from '../support/soft-tpm.ts';
import { mustSkip } from '../support/optional.ts';
import { addonMissing } from '../support/tools.ts';

describe.skipIf(mustSkip(softTpmMissing() ?? addonMissing()))('TPM 2.0 (swtpm)', () => {
  let tpm: SoftTpm;
  let state: string;
  const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'culvert-tpm-'));

  beforeAll(async () => {
    state = await temporary();
    tpm = await startSoftTpm(state);
  });
  afterAll(() => tpm.stop());

  const open = async (directory?: string) =>
    tpmKeystore(directory ?? (await temporary()), () => tpmAddresses({ TPM2TOOLS_TCTI: tpm.tcti }));

  keystoreConformance('tpm', async () => ({ keystore: await open(), unlock: {}, imports: false }));

  it('makes P-384 keys too', async () => {
    const { key } = await (await open()).create('x', 'ES384', {});
    expect(key).toMatchObject({ kind: 'hardware', algorithm: 'ES384' });
  });

  it('opens a key after the TPM restarted', async () => {
    const directory = await temporary();
    const { reference } = await (await open(directory)).create('x', 'ES256', {});
    await tpm.stop();
    tpm = await startSoftTpm(state);
    const key = await (await open(directory)).open(reference, {});
    expect(key.kind === 'hardware' && (await key.sign(Buffer.from('data'))).length).toBeGreaterThan(60);
  });

  it('keeps nothing another TPM could use, and says whose key it is not', async () => {
    const directory = await temporary();
    const { reference } = await (await open(directory)).create('x', 'ES256', {});
    const [file] = await readdir(directory);
    expect(await readFile(join(directory, file ?? ''), 'utf8')).not.toContain('PRIVATE');
    const other = await startSoftTpm(await temporary());
    try {
      const elsewhere = tpmKeystore(directory, () => tpmAddresses({ TPM2TOOLS_TCTI: other.tcti }));
      await expect(elsewhere.open(reference, {})).rejects.toMatchObject({ code: 'identity.corrupt' });
    } finally {
      await other.stop();
    }
  });

  it('refuses a wrong PIN, then names the lockout, and works again once it is cleared', async () => {
    const keystore = await open();
    const { reference } = await keystore.create('x', 'ES256', { pin: '1234' });
    const sign = async (pin: string): Promise<Uint8Array> => {
      const key = await keystore.open(reference, { pin });
      if (key.kind !== 'hardware') throw new Error('not in hardware');
      return key.sign(Buffer.from('data'));
    };
    await expect(sign('0000')).rejects.toMatchObject({ code: 'identity.passphrase_wrong' });
    expect((await sign('1234')).length).toBeGreaterThan(60);
    const codes = new Set<string>();
    for (let attempt = 0; attempt < 40 && !codes.has('identity.tpm_lockout'); attempt += 1) {
      await sign('0000').catch((error: { code: string }) => codes.add(error.code));
    }
    expect([...codes]).toContain('identity.tpm_lockout');
    // A key without a PIN is not shut out by somebody else's guessing.
    expect((await keystore.create('free', 'ES256', {})).key.kind).toBe('hardware');
    execFileSync('tpm2_dictionarylockout', ['--clear-lockout'], {
      env: { ...process.env, TPM2TOOLS_TCTI: tpm.tcti },
      stdio: 'ignore',
    });
    expect((await sign('1234')).length).toBeGreaterThan(60);
  }, 60_000);
});

describe('a TPM that is not there', () => {
  it('is named, with the next step', async () => {
    const keystore = tpmKeystore(tmpdir(), () => tpmAddresses({ TCTI: 'swtpm:host=127.0.0.1,port=1' }));
    expect(await keystore.available()).toMatchObject({
      ok: false,
      code: 'identity.keystore_unavailable',
      next: expect.stringContaining('TPM2TOOLS_TCTI'),
    });
  });

  it('is looked for where the TPM tools look', () => {
    expect(tpmAddresses({ TPM2TOOLS_TCTI: 'device:/dev/tpm1', TCTI: 'swtpm' })).toEqual([
      { kind: 'device', path: '/dev/tpm1' },
    ]);
    expect(tpmAddresses({ TCTI: 'swtpm' })).toEqual([{ kind: 'swtpm', host: '127.0.0.1', port: 2321 }]);
    expect(tpmAddresses({ TCTI: 'swtpm:path=/run/tpm.sock' })).toEqual([{ kind: 'swtpm', path: '/run/tpm.sock' }]);
    expect(tpmAddresses({})).toEqual([
      { kind: 'device', path: '/dev/tpmrm0' },
      { kind: 'device', path: '/dev/tpm0' },
    ]);
    expect(() => tpmAddresses({ TCTI: 'tabrmd:bus_type=session' })).toThrowError(/tabrmd/);
  });
});

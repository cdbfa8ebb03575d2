/** One engine, many identities, each with a trouble of its own: every one is named with the next step, none is lost, and the good one works. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import type { IdentityView } from '../../main/api/views.ts';
import type { IdentityFile } from '../../main/identity/identities.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import { tpmKeystore } from '../../main/identity/keystore/tpm-keystore.ts';
import { tpmAddresses } from '../../main/identity/tpm/transport.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { selfSigned } from '../support/self-signed.ts';
import { softKeyringMissing, startSoftKeyring, type SoftKeyring } from '../support/soft-keyring.ts';
import { softTpmMissing, startSoftTpm, type SoftTpm } from '../support/soft-tpm.ts';
import { findTool, softHsm, softHsmMissing, toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

const day = 86_400_000;
/** Programs under it see another time, OpenSSL included. */
const fakeTime = findTool('faketime');

const missing = openZitiMissing() ?? softKeyringMissing() ?? softTpmMissing() ?? softHsmMissing();

describe.skipIf(mustSkip(missing))('trouble (OpenZiti)', () => {
  let network: RealNetwork;
  let home: string;
  let state: string;
  let env: Record<string, string>;
  let engine: RunningCulvert;
  let keyring: SoftKeyring;
  let tpm: SoftTpm;

  beforeAll(async () => {
    network = await openRealNetwork();
    home = await mkdtemp(join(tmpdir(), 'culvert-trouble-'));
    state = join(home, 'state');
    await writeFile(join(home, 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
    await writeFile(join(home, 'pin'), '2468\n', { mode: 0o600 });
    await mkdir(join(home, 'tokens'));
    await writeFile(
      join(home, 'softhsm2.conf'),
      `directories.tokendir = ${join(home, 'tokens')}\nobjectstore.backend = file\n`,
    );
    env = { CREDENTIALS_DIRECTORY: home, SOFTHSM2_CONF: join(home, 'softhsm2.conf') };
    const initialised = ['--init-token', '--free', '--label', 'edge', '--pin', '1234', '--so-pin', '5678'];
    execFileSync('softhsm2-util', initialised, { env: { ...process.env, ...env }, stdio: 'ignore' });

    await enrol('good', 'file', env);
    await enrol('pulled', `pkcs11:token=edge?module-path=${softHsm}&pin-value=1234`, env);
    keyring = await startSoftKeyring();
    await enrol('keychained', 'keychain', { ...env, ...keyring.env });
    tpm = await startSoftTpm(await mkdtemp(join(home, 'tpm-')));
    Object.assign(env, { TPM2TOOLS_TCTI: tpm.tcti });
    await enrol('besieged', 'tpm', env, ['--pin-fd', '3']);
    await besiege();
    await craft();
    keyring.lock();
    await rename(join(home, 'tokens'), join(home, 'pulled-out'));
    await mkdir(join(home, 'tokens'));
    engine = await startCulvert(['run', '--mode', 'host', '--state', state], {
      env: { ...env, ...keyring.env },
    });
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await keyring?.[Symbol.asyncDispose]();
    await tpm?.stop();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function enrol(
    name: string,
    keystore: string,
    environment: Record<string, string>,
    more: readonly string[] = [],
  ): Promise<void> {
    const { jwt } = await network.admin.createIdentity(uniqueName(name));
    const token = join(home, `${name}.jwt`);
    await writeFile(token, jwt);
    await culvertJson(['enroll', token, '--name', name, '--keystore', keystore, '--state', state, ...more], {
      env: environment,
      within: ['sh', '-c', `exec "$@" 3<'${join(home, 'pin')}'`, 'sh'],
    });
  }

  /** Somebody guesses the PIN until the TPM refuses to listen. */
  async function besiege(): Promise<void> {
    const store = tpmKeystore(join(state, 'keys'), () => tpmAddresses(env));
    const { keyReference = '' } = await (
      await openIdentityStore({ stateDirectory: state, log: silentLog })
    ).get('besieged');
    const codes = new Set<string>();
    for (let guess = 0; guess < 40 && !codes.has('identity.tpm_lockout'); guess += 1) {
      await store
        .open(keyReference, { pin: `wrong ${guess}` })
        .catch((error: { code: string }) => codes.add(error.code));
    }
  }

  /** Identities as time and administrators would leave them. */
  async function craft(): Promise<void> {
    const store = await openIdentityStore({ stateDirectory: state, log: silentLog });
    const good = await store.get('good');
    const unlock = { passphrase: 'correct horse' };
    const kept = async (name: string, keyPem: string, opens: typeof unlock, change: Partial<IdentityFile>) => {
      const { reference } = await store.keystore('file').import(name, keyPem, opens);
      await store.add({ ...good, name, keyReference: reference, ...change });
    };
    const key = await store.openKey(good, unlock);
    const keyPem = key.kind === 'software' ? key.privateKeyPem : '';
    const past = { notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) };
    const expired = await selfSigned('127.0.0.1', past);
    await kept('expired', expired.key, unlock, { certPem: expired.cert });
    await kept('rehomed', keyPem, unlock, { caPem: (await selfSigned('127.0.0.1')).cert });
    await kept('mistyped', keyPem, { passphrase: 'another one' }, {});
  }

  async function view(name: string): Promise<IdentityView | undefined> {
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
    return rows.find((row) => row.name === name);
  }

  const troubles = [
    ['expired', 'unauthenticated', ['identity.certificate_expired'], /clock.*enrol again/],
    ['rehomed', 'degraded', ['ziti.controller.certificate'], /controller|tried again/],
    ['mistyped', 'locked', ['identity.passphrase_wrong'], /identity unlock mistyped/],
    ['pulled', 'locked', ['identity.token_removed', 'identity.keystore_unavailable'], /token/],
    ['keychained', 'locked', ['identity.keystore_locked'], /unlock the keychain/],
    ['besieged', 'locked', ['identity.tpm_lockout'], /wait for its recovery time, or clear it/],
  ] as const;

  for (const [name, wanted, codes, next] of troubles) {
    test(`${name}: ${codes[0]}, with what to do about it`, async () => {
      await until(async () => (await view(name))?.state === wanted, 20_000);
      const { reason } = (await view(name)) ?? {};
      expect(codes).toContain(reason?.code);
      expect(reason?.next).toMatch(next);
    }, 40_000);
  }

  test('the good one works among them all, and none is lost', async () => {
    await until(async () => (await view('good'))?.state === 'ready', 20_000);
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
    expect(rows.map(({ name }) => name).sort()).toEqual(['good', ...troubles.map(([name]) => name)].sort());
  }, 40_000);

  test('the token put back, the keychain unlocked, the lockout over and the right passphrase bring theirs to work', async () => {
    await rm(join(home, 'tokens'), { recursive: true });
    await rename(join(home, 'pulled-out'), join(home, 'tokens'));
    await unlocked('pulled', {});
    await keyring.unlock();
    await unlocked('keychained', {});
    const clear = { ...process.env, TPM2TOOLS_TCTI: tpm.tcti };
    execFileSync('tpm2_dictionarylockout', ['--clear-lockout'], { env: clear, stdio: 'ignore' });
    await unlocked('besieged', { CREDENTIALS_DIRECTORY: await credential('2468') });
    await unlocked('mistyped', { CREDENTIALS_DIRECTORY: await credential('another one') });
  }, 60_000);

  async function unlocked(name: string, environment: Record<string, string>): Promise<void> {
    await culvertJson(['identity', 'unlock', name, '--state', state], { env: environment });
    await until(async () => (await view(name))?.state === 'ready', 20_000);
  }

  async function credential(passphrase: string): Promise<string> {
    const directory = await mkdtemp(join(home, 'credentials-'));
    await writeFile(join(directory, 'culvert-passphrase'), `${passphrase}\n`);
    return directory;
  }

  test('without any keychain, one is asked for by name', async () => {
    const { jwt } = await network.admin.createIdentity(uniqueName('nowhere'));
    await writeFile(join(home, 'nowhere.jwt'), jwt);
    const asked = ['enroll', join(home, 'nowhere.jwt'), '--keystore', 'keychain', '--state', join(home, 'nowhere')];
    const ran = await culvert([...asked, '--json'], {
      env: { DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(home, 'no-bus')}` },
    });
    expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'identity.keystore_unavailable' } });
  });

  for (const [where, shift] of [
    ['ahead', '+30y'],
    ['behind', '-3y'],
  ] as const) {
    test.skipIf(mustSkip(toolsMissing('faketime')))(
      `a clock years ${where} is named as that`,
      async () => {
        const elsewhere = join(home, where);
        for (const part of ['identities', 'keys'])
          await cp(join(state, part), join(elsewhere, part), { recursive: true });
        await using _engine = await startCulvert(['run', '--mode', 'host', '--state', elsewhere], {
          env: { ...env, LD_PRELOAD: fakeTime ?? '', FAKETIME: shift, FAKETIME_DONT_FAKE_MONOTONIC: '1' },
        });
        const seen = async (): Promise<IdentityView | undefined> =>
          (await culvertJson<IdentityView[]>(['identity', 'list', '--state', elsewhere])).find(
            ({ name }) => name === 'good',
          );
        await until(async () => (await seen())?.state === 'degraded', 20_000);
        expect((await seen())?.reason).toMatchObject({ code: 'ziti.controller.clock_skew' });
        expect((await seen())?.reason?.next).toMatch(/set this device's clock/);
      },
      60_000,
    );
  }
});

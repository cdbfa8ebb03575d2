/** One engine, many identities, each with a trouble of its own: every one is named with the next step, none is lost, and the good one works. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative } from 'node-tun';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import type { IdentityView } from '../../main/contract/views.ts';
import type { IdentityRecord } from '../../main/identity/identities.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import { culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { selfSigned } from '../support/self-signed.ts';
import { softKeyringMissing, startSoftKeyring } from '../support/soft-keyring.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

const softHsm = '/usr/lib/softhsm/libsofthsm2.so';
const withoutToken = existsSync(softHsm) && loadNative().ok ? undefined : 'SoftHSM2 or the native addon is missing';
const day = 86_400_000;

describe.skipIf(mustSkip(openZitiMissing() ?? softKeyringMissing() ?? withoutToken))('trouble (OpenZiti)', () => {
  let network: RealNetwork;
  let home: string;
  let state: string;
  let env: Record<string, string>;
  let engine: RunningCulvert;

  beforeAll(async () => {
    network = await openRealNetwork();
    home = await mkdtemp(join(tmpdir(), 'culvert-trouble-'));
    state = join(home, 'state');
    await writeFile(join(home, 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
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
    {
      await using keyring = await startSoftKeyring();
      await enrol('keychained', 'keychain', { ...env, ...keyring.env });
    }
    await craft();
    await rename(join(home, 'tokens'), join(home, 'pulled-out'));
    await mkdir(join(home, 'tokens'));
    engine = await startCulvert(['run', '--mode', 'host', '--state', state], {
      env: { ...env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(home, 'no-bus')}` },
    });
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function enrol(name: string, keystore: string, environment: Record<string, string>): Promise<void> {
    const { jwt } = await network.admin.createIdentity(uniqueName(name));
    const token = join(home, `${name}.jwt`);
    await writeFile(token, jwt);
    await culvertJson(['enroll', token, '--name', name, '--keystore', keystore, '--state', state], {
      env: environment,
    });
  }

  /** Identities as time and administrators would leave them. */
  async function craft(): Promise<void> {
    const store = await openIdentityStore({ stateDirectory: state, log: silentLog });
    const good = await store.get('good');
    const unlock = { passphrase: 'correct horse' };
    const kept = async (name: string, keyPem: string, opens: typeof unlock, change: Partial<IdentityRecord>) => {
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
    ['keychained', 'locked', ['identity.keystore_unavailable', 'identity.keystore_locked'], /keychain|Secret Service/],
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

  test('the token put back and the right passphrase bring theirs to work', async () => {
    await rm(join(home, 'tokens'), { recursive: true });
    await rename(join(home, 'pulled-out'), join(home, 'tokens'));
    await culvertJson(['identity', 'unlock', 'pulled', '--state', state], {
      env: { SOFTHSM2_CONF: env['SOFTHSM2_CONF'] ?? '' },
    });
    await until(async () => (await view('pulled'))?.state === 'ready', 20_000);
    const other = join(home, 'credentials');
    await mkdir(other);
    await writeFile(join(other, 'culvert-passphrase'), 'another one\n');
    await culvertJson(['identity', 'unlock', 'mistyped', '--state', state], { env: { CREDENTIALS_DIRECTORY: other } });
    await until(async () => (await view('mistyped'))?.state === 'ready', 20_000);
  }, 60_000);
});

/** Identities from the command line that are more than a token and a certificate: passwords that outlive a session, and files to take elsewhere. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentityView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert } from '../support/culvert.ts';
import { GoPeer } from '../support/go-peer.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import type { RealAdmin } from '../support/real-admin.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

describe.skipIf(mustSkip(openZitiMissing()))('identities for years (OpenZiti)', () => {
  let network: RealNetwork;
  let home: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    network = await openRealNetwork();
    home = await mkdtemp(join(tmpdir(), 'culvert-life-'));
    await writeFile(join(home, 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
    env = { CREDENTIALS_DIRECTORY: home };
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function identity(state: string, name: string): Promise<IdentityView | undefined> {
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
    return rows.find((row) => row.name === name);
  }

  async function reaches(state: string, name: string, wanted: IdentityView['state']): Promise<void> {
    await until(async () => (await identity(state, name))?.state === wanted, 30_000);
  }

  test('a username and its password sign in again after a restart, and a new password is asked for by name', async () => {
    const username = uniqueName('ada');
    const { id, jwt } = await network.admin.createIdentity(username, { enrolment: `updb:${username}` });
    const state = join(home, 'password');
    const token = join(home, 'password.jwt');
    await writeFile(token, jwt);
    const enrol = ['enroll', token, '--name', 'ada', '--keystore', 'file', '--username', username, '--state', state];
    expect(await culvertJson(enrol, { env, input: 'enchantress of numbers\n' })).toMatchObject({ keystore: 'file' });
    expect(await mentions(state, 'enchantress')).toEqual([]);

    const run = ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', state];
    for (const life of ['first', 'second']) {
      await using _engine = await startCulvert(run, { env });
      await reaches(state, 'ada', 'ready');
      expect(await identity(state, 'ada'), life).toMatchObject({ proof: 'password', keystore: 'file' });
    }

    const { api } = network.admin as RealAdmin;
    const [authenticator] = await api.list(`identities/${id}/authenticators`);
    await api.call('PATCH', `authenticators/${String(authenticator?.['id'])}`, { password: 'note G, revised' });
    await using engine = await startCulvert(run, { env });
    await reaches(state, 'ada', 'login-required');
    expect((await identity(state, 'ada'))?.reason).toMatchObject({ code: 'ziti.controller.unauthenticated' });
    expect((await identity(state, 'ada'))?.reason?.next).toContain('culvert identity login ada');
    await culvertJson(['identity', 'login', 'ada', '--state', state], { input: 'not it\n' });
    await reaches(state, 'ada', 'login-required');
    await culvertJson(['identity', 'login', 'ada', '--state', state], { input: 'note G, revised\n' });
    await reaches(state, 'ada', 'ready');
    expect(await mentions(state, 'revised')).toEqual([]);
    expect(engine.errors()).not.toContain('revised');
    // One envelope: those of passwords before are gone.
    expect((await readdir(join(state, 'keys'))).length).toBe(1);
  }, 120_000);

  test('a username that exists already signs in by the network address alone', async () => {
    const username = uniqueName('grace');
    const { jwt } = await network.admin.createIdentity(username, { enrolment: `updb:${username}` });
    const state = join(home, 'by-address');
    const token = join(home, 'grace.jwt');
    await writeFile(token, jwt);
    const input = 'first compiler\n';
    const options = ['--keystore', 'file', '--username', username, '--state'];
    await culvertJson(['enroll', token, '--name', 'one', ...options, join(home, 'elsewhere')], { env, input });
    // Nobody vouches for a network of its own; who enrols says which certificate it must be.
    const vouched = ['--fingerprint', await fingerprintOf(network.controllerUrl)];
    await culvertJson(['enroll', network.controllerUrl, ...vouched, '--name', 'grace', ...options, state], {
      env,
      input,
    });
    await using _engine = await startCulvert(['run', '--mode', 'host', '--state', state], { env });
    await reaches(state, 'grace', 'ready');
  }, 60_000);

  test('an exported identity works in the Go tunneler, unknown fields and all', async () => {
    const { admin } = network;
    const { id, jwt } = await admin.createIdentity(uniqueName('exported'));
    const serviceId = await admin.createService({
      name: uniqueName('exported'),
      configs: { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: 9 } },
    });
    await admin.createServicePolicy({ type: 'Bind', services: [serviceId], identities: [id] });
    const state = join(home, 'export');
    const token = join(home, 'export.jwt');
    const file = join(home, 'exported.json');
    await writeFile(token, jwt);
    await culvertJson(['enroll', token, '--name', 'box', '--keystore', 'file', '--state', state], { env });
    await culvertJson(['identity', 'export', 'box', file, '--state', state], { env });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await culvert(['identity', 'export', 'box', file, '--state', state, '--json'], { env });
    expect(again.code).toBe(1);
    expect(again.err).toContain('identity.write_failed');

    await using peer = await GoPeer.of(file);
    peer.host();
    await until(async () => (await admin.terminators(serviceId)).length > 0, 30_000);

    const content = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(join(home, 'foreign.json'), JSON.stringify({ ...content, enableHa: true }));
    const back = join(home, 'imported');
    const source = join(home, 'foreign.json');
    await culvertJson(['identity', 'import', source, '--name', 'box', '--keystore', 'file', '--state', back], { env });
    await culvertJson(['identity', 'export', 'box', join(home, 'round.json'), '--state', back], { env });
    const round = JSON.parse(await readFile(join(home, 'round.json'), 'utf8')) as Record<string, unknown>;
    expect(round).toMatchObject({ ztAPI: content['ztAPI'], enableHa: true });
  }, 90_000);
});

/** Files below a directory that hold `text`. */
async function mentions(directory: string, text: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1')));
  return files.filter((_file, index) => contents[index]?.includes(text));
}

/** SHA-256 of the certificate that a server shows. */
function fingerprintOf(origin: string): Promise<string> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

/** What members of the socket's group may do at an engine of root, beside its own user, a stranger, an agent and root of a neighbouring namespace; all real. */
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schema } from '../../main/api/schema.ts';
import { culvert, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { openEmbeddedNetwork } from '../support/embedded-network.ts';
import type { Network } from '../support/network.ts';
import { mustSkip } from '../support/optional.ts';
import { openPrivateService } from '../support/private-service.ts';
import { rootMissing, toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';

const execute = promisify(execFile);
const group = 'users';
/** Users that every Debian has. */
const ada = host('/etc/passwd', 'games');
const bob = host('/etc/passwd', 'news');
const eve = host('/etc/passwd', 'man');
const gid = host('/etc/group', group);

function host(file: string, name: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  return Number(line?.split(':')[2] ?? -1);
}

const member = (uid: number): string[] => ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
const stranger = ['setpriv', `--reuid=${eve}`, `--regid=${eve}`, '--clear-groups'];
/** Root in namespaces of its own, which the host knows as the user that made them. */
const neighbour = [...member(bob), 'unshare', '--user', '--map-root-user', '--net'];

function missing(): string | undefined {
  const lacking = rootMissing() ?? toolsMissing('setpriv', 'curl', 'unshare');
  if (lacking !== undefined) return lacking;
  if ([ada, bob, eve, gid].some((id) => id < 0)) return 'this host has not the users for it';
  const source = fileURLToPath(new URL('../../package.json', import.meta.url));
  const [command = '', ...rest] = [...stranger, process.execPath, '-e', `require('node:fs').readFileSync('${source}')`];
  return spawnSync(command, rest).status === 0 ? undefined : 'other users may not read the program';
}

/** Makes calls at a socket, one after another, and prints what each came to; run as whoever shall ask. */
const asking = `
  const [path, ...calls] = process.argv.slice(1);
  const socket = require('node:net').connect(path).on('error', ({ code }) => console.log(JSON.stringify([code])));
  const told = [];
  let held = '';
  const next = () => socket.write(JSON.stringify({ id: told.length + 1, ...JSON.parse(calls[told.length]) }) + '\\n');
  socket.on('data', (bytes) => {
    held += bytes;
    for (let end = held.indexOf('\\n'); end >= 0; end = held.indexOf('\\n')) {
      const line = JSON.parse(held.slice(0, end));
      held = held.slice(end + 1);
      if (line.id !== undefined && line.id !== told.length + 1) continue;
      if (line.id !== undefined) told.push(line.error?.code ?? line.result ?? null);
      if (told.length < calls.length) next();
      else console.log(JSON.stringify(told)), socket.destroy();
    }
  });`;

/** A call, and what it asks. */
type Asked = readonly [call: string, request?: unknown];

/** Every call of the schema that members have no part in. */
const forOthers: readonly Asked[] = Object.entries(schema).flatMap(([group, calls]) =>
  Object.entries(calls)
    .filter(([, { type, own }]) => type === 'call' && !(own as readonly string[]).includes('member'))
    .map(([name]): Asked => [`${group}.${name}`]),
);

describe.skipIf(mustSkip(missing()))('the group of the socket', () => {
  let network: Network;
  let home: string;
  let state: string;
  let hosted: AsyncDisposable;
  let engine: RunningCulvert;
  const env = (): Record<string, string> => ({ CREDENTIALS_DIRECTORY: join(home, 'credentials'), HOME: home });

  beforeAll(async () => {
    network = await openEmbeddedNetwork('both');
    home = await mkdtemp(join(tmpdir(), 'culvert-group-'));
    chmodSync(home, 0o755);
    state = join(home, 'state');
    for (const directory of ['state', 'credentials']) mkdirSync(join(home, directory), { mode: 0o755 });
    chmodSync(state, 0o700);
    writeFileSync(join(home, 'credentials', 'culvert-passphrase'), 'x');
    const agents = 'agents: { robot: { path: "**/robot", identity: laptop } }';
    writeFileSync(join(state, 'culvert.yaml'), `socket: { group: ${group} }\n${agents}\n`);
    copyFileSync('/bin/sh', join(home, 'robot'));
    chmodSync(join(home, 'robot'), 0o755);
    hosted = await openPrivateService(network, home, env());
    engine = await run();
  }, 120_000);

  const run = (): Promise<RunningCulvert> =>
    startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', state], { env: env() });

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await hosted?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function asks(within: readonly string[], ...calls: readonly Asked[]): Promise<readonly unknown[]> {
    const socket = join(state, 'engine.sock');
    const sent = calls.map(([call, request]) => JSON.stringify({ call, request }));
    const [command = '', ...rest] = [...within, process.execPath, '-e', asking, socket, ...sent];
    const { stdout } = await execute(command, rest, { timeout: 60_000 });
    return JSON.parse(stdout) as unknown[];
  }

  /** What a program of the user gets, empty where it is refused. */
  async function fetches(uid: number): Promise<string> {
    const through = ['--socks5-hostname', String(engine.ready['proxy']), 'http://private.dark/'];
    const [command = '', ...rest] = [...member(uid), 'curl', '-s', '--max-time', '10', ...through];
    return execute(command, rest).then(
      ({ stdout }) => stdout,
      () => '',
    );
  }

  const root = ['env'];

  test('a member has an identity of their own, which serves them alone', async () => {
    const enrol = [
      'enroll',
      join(home, 'hers.jwt'),
      '--name',
      'hers',
      '--keystore',
      'file',
      '--state',
      state,
      '--json',
    ];
    const ran = await culvert(enrol, { env: env(), within: member(ada) });
    expect(JSON.parse(ran.out)).toMatchObject({ scope: 'user', owner: String(ada) });
    await until(async () => (await fetches(ada)) === 'for ada', 30_000);
    expect(await fetches(bob)).toBe('');
    const [sessions] = await asks(member(ada), ['session.list']);
    expect(sessions).toContainEqual(expect.objectContaining({ identity: 'hers', service: 'private' }));
  }, 90_000);

  test.each([
    ['another member', (): readonly string[] => member(bob)],
    ['a member that is root in namespaces of their own', (): readonly string[] => neighbour],
  ])(
    '%s sees and touches nothing of it',
    async (_who, within) => {
      const told = await asks(
        within(),
        ...(['identity.list', 'service.list', 'session.list', 'app.list', 'quarantine.list'] as const).map(
          (call): Asked => [call],
        ),
        ...(['disable', 'remove', 'export', 'lock', 'renew'] as const).map((verb): Asked => [
          `identity.${verb}`,
          { name: 'hers' },
        ]),
        ['quarantine.add', { subject: 'identity:hers' }],
      );
      expect(told).toEqual([[], [], [], [], [], ...Array.from({ length: 6 }, () => 'engine.forbidden')]);
    },
    60_000,
  );

  test('a member commands nothing that is the engine’s', async () => {
    expect(forOthers.length).toBeGreaterThan(30);
    expect(await asks(member(ada), ...forOthers)).toEqual(forOthers.map(() => 'engine.forbidden'));
  }, 60_000);

  test('a member cuts off what is theirs, and who runs the engine lets it back in', async () => {
    const subject = 'identity:hers';
    expect(await asks(member(ada), ['quarantine.add', { subject }], ['quarantine.release', { subject }])).toEqual([
      expect.objectContaining({ subject }),
      'engine.forbidden',
    ]);
    expect(await fetches(ada)).toBe('');
    expect(await asks(root, ['quarantine.release', { subject }])).toEqual([null]);
    await until(async () => (await fetches(ada)) === 'for ada', 30_000);
  }, 90_000);

  test('an agent of a member does not what the member may', async () => {
    const mayNot: readonly Asked[] = [
      ['identity.disable', { name: 'hers' }],
      ['identity.export', { name: 'hers' }],
      ['quarantine.add', { subject: 'identity:hers' }],
      ['state.snapshot'],
    ];
    const told = await asks([...member(ada), join(home, 'robot'), '-c', '"$@"; exit $?', 'robot'], ...mayNot);
    expect(told).toEqual(mayNot.map(() => 'engine.not_permitted'));
  }, 60_000);

  test('who is not of the group does not get as far as the socket', async () => {
    expect(await asks(stranger, ['engine.status'])).toEqual(['EACCES']);
  }, 60_000);

  test('a member is no reader of recordings', async () => {
    const asked: readonly Asked[] = [
      ['record.list'],
      ['record.show', { session: 'x' }],
      ['record.export', { session: 'x' }],
    ];
    expect(await asks(member(ada), ...asked)).toEqual(asked.map(() => 'engine.forbidden'));
  }, 60_000);

  test('where the settings let members look at everything, they look, and touch nothing; who reads recordings is named', async () => {
    await engine[Symbol.asyncDispose]();
    writeFileSync(
      join(state, 'culvert.yaml'),
      `socket: { group: ${group}, observe: all }\nrecordings: { readers: ["${bob}"] }\n`,
    );
    engine = await run();
    const [identities, sessions, disabled] = await asks(
      member(bob),
      ['identity.list'],
      ['audit.search', {}],
      ['identity.disable', { name: 'hers' }],
    );
    expect(identities).toEqual([expect.objectContaining({ name: 'hers' })]);
    expect(sessions).not.toBe('engine.forbidden');
    expect(disabled).toBe('engine.forbidden');
    // The one whom the settings name reads recordings; root is not named.
    const show: Asked = ['record.show', { session: 'x' }];
    expect(await asks(member(bob), show)).toEqual(['recording.unknown']);
    expect(await asks(member(ada), show)).toEqual(['recording.not_reader']);
    expect(await asks(root, show)).toEqual(['recording.not_reader']);
  }, 90_000);
});

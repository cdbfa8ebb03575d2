/** Two users of one host and a privileged engine: a user's identity is opened by that user, serves that user alone, and is shut at logout. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentityView } from '../../main/api/views.ts';
import { culvert, culvertJson, culvertProgram, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { openEmbeddedNetwork } from '../support/embedded-network.ts';
import type { Network } from '../support/network.ts';
import { mustSkip } from '../support/optional.ts';
import { softKeyringMissing, startSoftKeyring, type SoftKeyring } from '../support/soft-keyring.ts';
import { until } from '../support/until.ts';
import { rootMissing, toolsMissing } from '../support/tools.ts';
import { openPrivateService } from '../support/private-service.ts';

const execute = promisify(execFile);
const group = 'users';
/** Users that every Debian has; `ada` enrols, `bob` looks on. */
const ada = host('/etc/passwd', 'games');
const bob = host('/etc/passwd', 'news');
const gid = host('/etc/group', group);

function host(file: string, name: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  return Number(line?.split(':')[2] ?? -1);
}

const as = (uid: number): string[] => ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];

function missing(): string | undefined {
  const lacking = rootMissing() ?? toolsMissing('setpriv', 'curl');
  if (lacking !== undefined) return lacking;
  if (ada < 0 || bob < 0 || gid < 0) return 'this host has not the users for it';
  const source = fileURLToPath(new URL('../../package.json', import.meta.url));
  const [command = '', ...rest] = [...as(bob), process.execPath, '-e', `require('node:fs').readFileSync('${source}')`];
  return spawnSync(command, rest).status === 0 ? softKeyringMissing() : 'other users may not read the program';
}

describe.skipIf(mustSkip(missing()))('identities of scope user', () => {
  let network: Network;
  let home: string;
  let state: string;
  let keyring: SoftKeyring;
  let hosted: AsyncDisposable;
  let engine: RunningCulvert;
  const shells: ChildProcess[] = [];

  beforeAll(async () => {
    network = await openEmbeddedNetwork('both');
    home = await mkdtemp(join(tmpdir(), 'culvert-users-'));
    await chmod(home, 0o755);
    state = join(home, 'state');
    await mkdir(state, { mode: 0o700 });
    await mkdir(join(home, 'credentials'));
    await writeFile(join(home, 'credentials', 'culvert-passphrase'), 'x');
    await writeFile(join(state, 'culvert.yaml'), `socket: { group: ${group} }\n`);
    keyring = await startSoftKeyring({ uid: ada, gid });
    hosted = await openPrivateService(network, home, { CREDENTIALS_DIRECTORY: join(home, 'credentials') });
    engine = await run();
  }, 90_000);

  afterAll(async () => {
    for (const shell of shells) shell.kill('SIGKILL');
    await engine?.[Symbol.asyncDispose]();
    await hosted?.[Symbol.asyncDispose]();
    await keyring?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  const run = (): Promise<RunningCulvert> =>
    startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', state]);

  async function hers(): Promise<IdentityView | undefined> {
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
    return rows.find(({ name }) => name === 'hers');
  }

  /** What a program of the user gets, empty where it is refused. */
  async function fetches(uid: number): Promise<string> {
    const asked = [
      '-s',
      '--max-time',
      '10',
      '--socks5-hostname',
      String(engine.ready['proxy']),
      'http://private.dark/',
    ];
    const [command = '', ...rest] = [...as(uid), 'curl', ...asked];
    return execute(command, rest).then(
      ({ stdout }) => stdout,
      () => '',
    );
  }

  /** A login: a shell with a session of its own, in which one verb is run. It stays until it is ended. */
  async function logIn(uid: number, verb: readonly string[]): Promise<ChildProcess> {
    const script = '"$@"; echo "exit $?"; exec sleep 600';
    const program = [process.execPath, await culvertProgram(), ...verb, '--state', state, '--json'];
    const [command = '', ...rest] = [...as(uid), 'sh', '-c', script, 'sh', ...program];
    const shell = spawn(command, rest, { detached: true, env: { ...process.env, ...keyring.env }, stdio: 'pipe' });
    shells.push(shell);
    let said = '';
    shell.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    shell.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('exit '), 20_000);
    expect(said).toContain('exit 0');
    return shell;
  }

  test('a user enrols into their own keychain at an engine of root, and it serves their programs alone', async () => {
    const enrol = ['enroll', join(home, 'hers.jwt'), '--name', 'hers', '--keystore', 'keychain', '--state', state];
    const view = await culvertJson<IdentityView>(enrol, { within: as(ada), env: keyring.env });
    expect(view).toMatchObject({ keystore: 'keychain', scope: 'user', owner: String(ada) });
    await until(async () => (await hers())?.state === 'ready', 20_000);
    await until(async () => (await fetches(ada)) === 'for ada', 20_000);
    expect(await fetches(bob)).toBe('');
  }, 60_000);

  test('after a restart it is locked until that user unlocks it; nobody else may act on it', async () => {
    await engine[Symbol.asyncDispose]();
    engine = await run();
    expect(await hers()).toMatchObject({ state: 'locked', reason: { code: 'identity.keystore_locked' } });
    expect((await hers())?.reason?.next).toContain('identity unlock');
    for (const verb of [
      ['unlock', 'hers'],
      ['export', 'hers', join(home, 'stolen.json')],
      ['remove', 'hers'],
    ]) {
      const ran = await culvert(['identity', ...verb, '--state', state, '--json'], {
        within: as(bob),
        env: keyring.env,
      });
      expect(ran.code, verb[0]).toBe(1);
    }
    expect(await fetches(ada)).toBe('');
    const shell = await logIn(ada, ['identity', 'unlock', 'hers']);
    await until(async () => (await hers())?.state === 'ready', 20_000);
    await until(async () => (await fetches(ada)) === 'for ada', 20_000);
    expect(await fetches(bob)).toBe('');
    const stolen = ['identity', 'export', 'hers', join(home, 'stolen.json'), '--state', state, '--json'];
    const ran = await culvert(stolen, { within: as(bob) });
    expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'engine.forbidden' } });

    // Logged out.
    shell.kill('SIGKILL');
    await until(async () => (await hers())?.state === 'locked', 10_000);
    expect(await fetches(ada)).toBe('');
  }, 90_000);

  test('removed by its user, it leaves nothing in the keychain or on the disk', async () => {
    const remove = ['identity', 'remove', 'hers', '--state', state];
    await culvertJson(remove, { within: as(ada), env: keyring.env });
    expect(await hers()).toBeUndefined();
    const search = [...as(ada), 'secret-tool', 'search', '--all', 'service', 'culvert'];
    const found = spawnSync(search[0] ?? '', search.slice(1), { env: { ...process.env, ...keyring.env } });
    expect(found.stdout.toString()).not.toContain('secret =');
  }, 30_000);
});

/** Who may use and command an engine, with real users, agents and neighbours: processes and namespaces of this host, no stand-ins. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { SessionView } from '../../main/api/views.ts';
import {
  culvert,
  culvertJson,
  culvertProgram,
  startCulvert,
  type Ran,
  type RunningCulvert,
} from '../support/culvert.ts';
import { openEmbeddedNetwork } from '../support/embedded-network.ts';
import type { Network } from '../support/network.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';
import { openPrivateService } from '../support/private-service.ts';

const execute = promisify(execFile);

/** Users that every Debian has. */
const ada = uidOf('games');
const bob = uidOf('news');

function uidOf(name: string): number {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  return Number(line?.split(':')[2] ?? -1);
}

const as = (uid: number): string[] => ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];

function missing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'two users of a host need root on Linux';
  if (ada < 0 || bob < 0) return 'this host has not the users for it';
  const source = fileURLToPath(new URL('../../package.json', import.meta.url));
  const [command = '', ...rest] = [...as(bob), process.execPath, '-e', `require('node:fs').readFileSync('${source}')`];
  return spawnSync(command, rest).status === 0 ? undefined : 'other users may not read the program';
}

describe.skipIf(mustSkip(missing()))('an engine that an ordinary user runs', () => {
  let network: Network;
  let home: string;
  let state: string;
  let hosted: AsyncDisposable;
  let engine: RunningCulvert | undefined;
  const living: ChildProcess[] = [];
  const env = (): Record<string, string> => ({ CREDENTIALS_DIRECTORY: join(home, 'credentials'), HOME: home });

  beforeAll(async () => {
    network = await openEmbeddedNetwork('both');
    home = await mkdtemp(join(tmpdir(), 'culvert-authority-'));
    chmodSync(home, 0o755);
    state = join(home, 'state');
    for (const directory of ['state', 'credentials']) mkdirSync(join(home, directory), { mode: 0o755 });
    writeFileSync(join(home, 'credentials', 'culvert-passphrase'), 'x');
    writeFileSync(join(state, 'culvert.yaml'), 'agents: { robot: { path: "**/robot", identity: laptop } }\n');
    chmodSync(state, 0o700);
    chownSync(state, ada, ada);
    copyFileSync('/bin/sh', join(home, 'robot'));
    chmodSync(join(home, 'robot'), 0o755);
    hosted = await openPrivateService(network, home, env());
    await culvertJson(['enroll', join(home, 'hers.jwt'), '--name', 'hers', '--keystore', 'file', '--state', state], {
      env: env(),
      within: as(ada),
    });
    const run = ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--forward', 'private:0', '--state', state];
    engine = await startCulvert(run, { env: env(), within: as(ada) });
    await until(async () => (await fetches(ada)) === 'for ada', 30_000);
  }, 120_000);

  afterAll(async () => {
    for (const child of living) child.kill('SIGKILL');
    await engine?.[Symbol.asyncDispose]();
    await hosted?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  /** What a program of the user gets, empty where it is refused. */
  async function fetches(uid: number, ...way: string[]): Promise<string> {
    const through =
      way.length > 0 ? way : ['--socks5-hostname', String(engine?.ready['proxy']), 'http://private.dark/'];
    const [command = '', ...rest] = [...as(uid), 'curl', '-s', '--max-time', '10', ...through];
    return execute(command, rest).then(
      ({ stdout }) => stdout,
      () => '',
    );
  }

  const hers = (...verb: string[]): Promise<Ran> =>
    culvert([...verb, '--state', state, '--json'], { env: env(), within: as(ada) });

  /** The same verb, by a program of the agent's. */
  async function byRobot(...verb: string[]): Promise<Ran> {
    const script = '"$@"; exit $?';
    const within = [...as(ada), join(home, 'robot'), '-c', script, 'robot'];
    return culvert([...verb, '--state', state, '--json'], { env: env(), within });
  }

  const codeOf = ({ err }: Ran): unknown => (JSON.parse(err) as { error: { code: string } }).error.code;

  test('serves that user alone, at the proxy and at a forwarded port, and records whom it refused', async () => {
    const [{ port = 0 } = {}] = engine?.ready['forwards'] as { port: number }[];
    expect(await fetches(ada, `http://127.0.0.1:${port}/`)).toBe('for ada');
    for (const stranger of [bob, 0]) {
      expect(await fetches(stranger)).toBe('');
      expect(await fetches(stranger, `http://127.0.0.1:${port}/`)).toBe('');
    }
    const denied = JSON.parse((await hers('audit', 'search', '--decision', 'deny')).out) as AuditRecordView[];
    expect(denied.filter((record) => record['code'] === 'policy.identity.not_yours').length).toBeGreaterThanOrEqual(4);
    const foreign = await culvert(['status', '--state', state, '--json'], { env: env(), within: as(bob) });
    expect(foreign.code).toBe(1);
  }, 60_000);

  test('keeps its memory to itself: no core dump, no debugger of that user', async () => {
    const pid = engine?.pid ?? 0;
    expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m);
    const [command = '', ...rest] = [...as(ada), 'sh', '-c'];
    // PR_SET_DUMPABLE: the files that a debugger goes by are root's.
    for (const file of ['mem', 'environ', 'maps']) {
      const read = spawnSync(command, [...rest, `head -c 1 /proc/${pid}/${file}`], { encoding: 'utf8' });
      expect(read.stderr, file).toContain('Permission denied');
    }
  });

  test('an agent looks at itself and commands nothing; its person does', async () => {
    expect((await hers('quarantine', 'add', 'app:robot')).code).toBe(0);
    expect((await byRobot('status')).code).toBe(0);
    expect(JSON.parse((await byRobot('sessions')).out) as SessionView[]).toEqual([]);
    for (const verb of [
      ['quarantine', 'release', 'app:robot'],
      ['identity', 'export', 'hers', join(home, 'stolen.json')],
      ['identity', 'remove', 'hers'],
      ['policy', 'reload'],
      ['console'],
      ['audit', 'search'],
      ['audit', 'verify'],
    ]) {
      const ran = await byRobot(...verb);
      expect([ran.code, codeOf(ran)], verb.join(' ')).toEqual([1, 'engine.not_permitted']);
    }
    expect((await hers('quarantine', 'release', 'app:robot')).code).toBe(0);
  }, 90_000);

  test('nor does an agent work on the state directory once the engine is gone, nor over it with an engine of its own', async () => {
    await engine?.[Symbol.asyncDispose]();
    engine = undefined;
    expect(codeOf(await byRobot('identity', 'list'))).toBe('engine.not_permitted');
    expect(codeOf(await byRobot('identity', 'remove', 'hers'))).toBe('engine.not_permitted');
    const program = await culvertProgram();
    const script = '"$@" & wait';
    const run = [process.execPath, program, 'run', '--mode', 'proxy', '--state', state];
    const [command = '', ...rest] = [...as(ada), join(home, 'robot'), '-c', script, 'robot', ...run];
    const started = spawn(command, rest, { env: { ...process.env, ...env() }, stdio: 'ignore', detached: true });
    living.push({ kill: () => process.kill(-(started.pid ?? 0), 'SIGKILL') } as unknown as ChildProcess);
    await until(async () => (await hers('status')).code === 0, 30_000);
    expect(codeOf(await byRobot('policy', 'reload'))).toBe('engine.not_permitted');
    expect(JSON.parse((await hers('identity', 'list')).out)).toHaveLength(1);
    expect((await hers('policy', 'reload')).code).toBe(0);
  }, 90_000);
});

describe.skipIf(mustSkip(missing()))('a listener of the tunnel', () => {
  const here = `culvert-weak-${process.pid}`;
  const neighbour = `culvert-peer-${process.pid}`;
  let listener: ChildProcess | undefined;

  afterAll(async () => {
    listener?.kill('SIGKILL');
    for (const name of [here, neighbour]) await execute('ip', ['netns', 'del', name]).catch(() => undefined);
  });

  test('answers nobody who comes by another interface, though the host has the address', async () => {
    const script = `
      ip netns add ${here} && ip netns add ${neighbour}
      ip -n ${here} link set lo up
      ip -n ${here} tuntap add dev tunnel mode tun && ip -n ${here} addr add 100.64.7.1/24 dev tunnel
      ip -n ${here} link set tunnel up
      ip -n ${here} link add lan type veth peer name lan netns ${neighbour}
      ip -n ${here} addr add 192.0.2.1/24 dev lan && ip -n ${here} link set lan up
      ip -n ${neighbour} addr add 192.0.2.2/24 dev lan && ip -n ${neighbour} link set lan up
      ip -n ${neighbour} route add 100.64.7.0/24 via 192.0.2.1`;
    await execute('sh', ['-ec', script]);
    const addon = fileURLToPath(new URL('../../native/index.js', import.meta.url));
    const serve = `
      const net = require('node:net');
      const { native } = require(${JSON.stringify(addon)}).loadNative();
      const bound = net.createServer().listen({ fd: native.listenOnDevice('100.64.7.1', 'tunnel', 16) }, () =>
        net.createServer().listen(0, '100.64.7.1', function () {
          console.log(JSON.stringify([bound.address().port, this.address().port]));
        }));`;
    listener = spawn('ip', ['netns', 'exec', here, process.execPath, '-e', serve], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line = await new Promise<string>((resolve) =>
      listener?.stdout?.once('data', (data: Buffer) => resolve(data.toString())),
    );
    const [bound, plain] = JSON.parse(line) as [number, number];
    const connects = (port: number): Promise<boolean> => {
      const dial = `require('node:net').connect(${port}, '100.64.7.1').on('connect', () => process.exit(0)).on('error', () => process.exit(1))`;
      return execute('ip', ['netns', 'exec', neighbour, process.execPath, '-e', dial]).then(
        () => true,
        () => false,
      );
    };
    expect(await connects(plain)).toBe(true);
    expect(await connects(bound)).toBe(false);
  }, 60_000);
});

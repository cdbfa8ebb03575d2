import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { loadNative } from 'node-tun';
import { afterEach, describe, expect, it } from 'vitest';
import { createLinuxAppFinder } from '../../main/apps/app-finder.linux.ts';
import type { AppFinder } from '../../main/apps/app.ts';
import type { LinuxAppFinderDeps } from '../../main/apps/app-finder.linux.ts';
import { agentRules, recognise } from '../../main/apps/recognise.ts';
import { recogniseAgents } from '../../main/apps/open-app-finder.ts';
import { containerOf, parseCgroup, parseStat } from '../../main/apps/process-facts.linux.ts';
import { findSocketRow } from '../../main/apps/socket-table.linux.ts';
import type { Endpoint } from '../../main/base/flow.ts';
import { canonicalAddress } from '../../main/base/ip.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';

const linux = process.platform === 'linux';
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function temporary(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'culvert-apps-')));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A program that connects to a port given as its last argument and stays. */
const client = `
  const net = require('node:net');
  const socket = net.connect(Number(process.argv.at(-1)), process.env.TO ?? '127.0.0.1');
  socket.on('error', () => process.exit(1));
  socket.on('close', () => process.exit(0));
  process.stdin.resume().on('end', () => process.exit(0));
`;

/** As many files as this process may have, 18,000 at most. */
const openMany = `
  const { openSync } = require('node:fs');
  try {
    while (openSync('/dev/null') < 18_000);
  } catch {}
`;
const toldAndStaying = `
  process.send('open');
  process.stdin.resume().on('end', () => process.exit(0));
`;

async function run(
  file: string,
  args: string[],
  options: { env?: Record<string, string>; uid?: number } = {},
): Promise<ChildProcess> {
  const { env, uid } = options;
  const child = spawn(file, args, {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}

function open(deps: LinuxAppFinderDeps): AppFinder {
  const finder = createLinuxAppFinder(deps);
  cleanUps.push(() => finder[Symbol.dispose]());
  return finder;
}

interface Accepted {
  readonly source: Endpoint;
  readonly via: Endpoint;
}

/** Waits for one connection that `start` makes to a port of ours. */
async function accept(start: (port: number) => Promise<unknown>, host = '127.0.0.1'): Promise<Accepted> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const connection = once(server, 'connection') as Promise<[Socket]>;
  await start((server.address() as AddressInfo).port);
  const [socket] = await connection;
  cleanUps.push(() => socket.destroy());
  const end = (address = '', port = 0): Endpoint => ({ address: canonicalAddress(address) ?? '', port });
  return { source: end(socket.remoteAddress, socket.remotePort), via: end(socket.localAddress, socket.localPort) };
}

const flowOf = ({ source, via }: Accepted) =>
  ({ protocol: 'tcp', source, via, destination: { hostname: 'x.dark', port: 80 } }) as const;

const native = loadNative();
const finders: [string, LinuxAppFinderDeps][] = [['by /proc alone', { log: silentLog, clock: systemClock }]];
if (native.ok) finders.push(['with the addon', { log: silentLog, clock: systemClock, native: native.native }]);

describe.runIf(linux).each(finders)('the owner of a loopback connection, %s', (_name, deps) => {
  it('is found with its executable, script, user and parents', async () => {
    const directory = temporary();
    const script = join(directory, 'agent.cjs');
    writeFileSync(script, client);
    symlinkSync(script, join(directory, 'link.cjs'));
    let child: ChildProcess | undefined;
    const accepted = await accept(async (port) => {
      child = await run(process.execPath, ['--no-warnings', join(directory, 'link.cjs'), String(port)]);
    });
    const app = await open(deps).find(flowOf(accepted));
    expect(app).toMatchObject({
      attribution: 'exact',
      pid: child?.pid,
      path: realpathSync(process.execPath),
      script,
      uid: userInfo().uid,
      user: userInfo().username,
    });
    expect(app.parents[0]?.pid).toBe(process.pid);
    expect(app.cgroup).toMatch(/^\//);
  });

  it('is told apart from the same program started again, and from another with the same port on another address', async () => {
    const finder = open(deps);
    const pids: (number | undefined)[] = [];
    for (let i = 0; i < 3; i += 1) {
      let child: ChildProcess | undefined;
      const accepted = await accept(async (port) => {
        child = await run(process.execPath, ['-e', client, String(port)]);
      });
      const app = await finder.find(flowOf(accepted));
      expect(app.pid).toBe(child?.pid);
      expect(app.script).toBeUndefined();
      pids.push(app.pid);
    }
    expect(new Set(pids).size).toBe(3);
  });

  it('is found where it holds tens of thousands of descriptors itself, its own connection among the first', async () => {
    let child: ChildProcess | undefined;
    const accepted = await accept(async (port) => {
      child = await run(process.execPath, [
        '-e',
        `${client}; socket.on('connect', () => { ${openMany} });`,
        String(port),
      ]);
    });
    const descriptors = (): number => readdirSync(`/proc/${child?.pid}/fd`).length;
    await expect.poll(descriptors, { timeout: 10_000 }).toBeGreaterThan(5_000);
    const app = await open(deps).find(flowOf(accepted));
    expect(app).toMatchObject({ attribution: 'exact', pid: child?.pid });
  });

  it('is found beside programs that hold tens of thousands of descriptors', async () => {
    let child: ChildProcess | undefined;
    const accepted = await accept(async (port) => {
      child = await run(process.execPath, ['-e', client, String(port)]);
    });
    // Younger than the program looked for: the youngest are searched first.
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const hoarder = spawn(process.execPath, ['-e', `${openMany} ${toldAndStaying}`], {
          stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
        });
        cleanUps.push(() => hoarder.kill('SIGKILL'));
        await once(hoarder, 'message');
      }),
    );
    const finder = open(deps);
    expect(await finder.find(flowOf(accepted))).toMatchObject({ attribution: 'exact', pid: child?.pid });
  });

  it('is found over IPv6, and on a dual-stack socket that speaks IPv4', async () => {
    const finder = open(deps);
    for (const [host, to] of [
      ['::1', '::1'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
    ] as const) {
      let child: ChildProcess | undefined;
      const accepted = await accept(async (port) => {
        child = await run(process.execPath, ['-e', client, String(port)], { env: { TO: to } });
      }, host);
      expect(await finder.find(flowOf(accepted))).toMatchObject({ attribution: 'exact', pid: child?.pid });
    }
  });

  it('is found for UDP, connected or not', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanUps.push(() => socket.close());
    const { port } = socket.address();
    const flow = {
      protocol: 'udp',
      source: { address: '127.0.0.1', port },
      destination: { address: '10.9.9.9', port: 53 },
    } as const;
    expect(await open(deps).find(flow)).toMatchObject({ attribution: 'exact', pid: process.pid });
  });

  it('is unknown where there is no such socket', async () => {
    const nobody = { source: { address: '127.0.0.1', port: 1 }, via: { address: '127.0.0.1', port: 2 } };
    expect(await open(deps).find(flowOf(nobody))).toEqual({ attribution: 'unknown', parents: [] });
  });

  it.runIf(userInfo().uid === 0)('of another user is found as that user', async () => {
    const accepted = await accept((port) => run(process.execPath, ['-e', client, String(port)], { uid: 65534 }));
    const app = await open(deps).find(flowOf(accepted));
    expect(app).toMatchObject({ attribution: 'exact', uid: 65534 });
  });

  it('is found for many connections at a time, by few walks over the descriptors', async () => {
    const finder = open(deps);
    const flows: ReturnType<typeof flowOf>[] = [];
    for (let i = 0; i < 4; i += 1) {
      flows.push(flowOf(await accept((port) => run(process.execPath, ['-e', client, String(port)]))));
    }
    const found = await Promise.all(Array.from({ length: 400 }, (_, i) => finder.find(flows[i % flows.length]!)));
    expect(found.map(({ attribution }) => attribution)).toEqual(found.map(() => 'exact'));
    expect(new Set(found.map(({ pid }) => pid)).size).toBe(4);
  });
});

describe.runIf(linux)('identifying an executable', () => {
  it('gives the SHA-256 of what really runs, also after the file was replaced or removed', async () => {
    const directory = temporary();
    const copy = join(directory, 'program');
    copyFileSync(process.execPath, copy);
    const expected = createHash('sha256').update(readFileSync(copy)).digest('hex');
    const accepted = await accept((port) => run(copy, ['-e', client, String(port)]));
    const finder = open({ log: silentLog, clock: systemClock });
    const app = await finder.find(flowOf(accepted));
    expect(app.path).toBe(copy);
    expect(app.hash).toBeUndefined();
    rmSync(copy);
    writeFileSync(copy, 'something else');
    const identified = await finder.identify(app);
    expect(identified.hash).toBe(expected);
    expect(identified.parents[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect((await finder.find(flowOf(accepted))).hash).toBe(expected);
  });

  it('binds agents by path, by hash, and what they start along with them', async () => {
    const directory = temporary();
    mkdirSync(join(directory, 'bin'));
    const agent = join(directory, 'bin', 'my-agent');
    copyFileSync(process.execPath, agent);
    const other = join(directory, 'bin', 'other');
    copyFileSync(process.execPath, other);
    const hash = createHash('sha256').update(readFileSync(agent)).digest('hex');
    const byPath = agentRules({ one: { path: agent, identity: 'agent-one' }, two: { path: other } });
    const byHash = agentRules({ hashed: { hash } });
    const bare = open({ log: silentLog, clock: systemClock });

    const own = flowOf(await accept((port) => run(agent, ['-e', client, String(port)])));
    expect((await recogniseAgents(bare, () => byPath).find(own)).agent).toBe('one');
    expect((await recogniseAgents(bare, () => byHash).find(own)).agent).toBe('hashed');

    const shell = `const c = require('child_process').spawn(${JSON.stringify(process.execPath)}, ['-e', ${JSON.stringify(client)}, process.argv.at(-1)], {stdio: 'inherit'}); process.on('exit', () => c.kill()); c.on('exit', () => process.exit()); process.stdin.resume();`;
    const started = flowOf(await accept((port) => run(agent, ['-e', shell, String(port)])));
    const app = await bare.find(started);
    expect(app.path).toBe(realpathSync(process.execPath));
    expect(recognise(app, byPath)).toMatchObject({ agent: 'one', identity: 'agent-one', rule: 'agents.one' });
    expect(recognise(app, byPath)?.byParent).toBe(app.parents[0]?.pid);
  });
});

describe('reading /proc', () => {
  it('takes fields behind a name that tries to look like fields', () => {
    const rest = Array.from({ length: 30 }, (_, i) => String(i)).join(' ');
    expect(parseStat(`7 (evil) 9 (x) S 42 ${rest}`)).toMatchObject({ parentPid: 42, startTime: '17' });
    expect(parseStat('')).toBeUndefined();
  });

  it('knows control groups of both generations, and containers', () => {
    const id = 'a'.repeat(64);
    expect(parseCgroup('12:pids:/x\n0::/user.slice/app.scope\n')).toBe('/user.slice/app.scope');
    expect(parseCgroup(`3:cpu:/docker/${id}\n`)).toBe(`/docker/${id}`);
    expect(parseCgroup('')).toBeUndefined();
    expect(containerOf(`/docker/${id}`)).toBe(id);
    expect(containerOf(`/system.slice/docker-${id}.scope`)).toBe(id);
    expect(containerOf(`/kubepods/pod1/cri-containerd-${id}.scope`)).toBe(id);
    expect(containerOf('/user.slice')).toBeUndefined();
  });

  it('finds rows by both ends, and UDP sockets by the best fit', () => {
    const header =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'.padEnd(149) +
      '\n';
    const row = (ends: string, uid: number, inode: number): string =>
      `   0: ${ends} 01 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;
    const tcp =
      header +
      row('0100007F:C350 0100007F:0438', 1000, 11) +
      row('0100007F:C350 0200007F:0438', 1001, 12) +
      row('0100007F:0438 0100007F:C350', 0, 13);
    const local = { address: '127.0.0.1', port: 50_000 };
    expect(findSocketRow(tcp, 'tcp', { local, remote: { address: '127.0.0.2', port: 1080 } })).toEqual({
      uid: 1001,
      inode: 12,
    });
    expect(findSocketRow(tcp, 'tcp', { local, remote: { address: '127.0.0.3', port: 1080 } })).toBeUndefined();
    const udp =
      header +
      row('00000000:C350 00000000:0000', 5, 21) +
      row('0100007F:C350 00000000:0000', 6, 22) +
      row('0100007F:C350 0700140A:0035', 7, 23);
    expect(findSocketRow(udp, 'udp', { local, remote: { address: '10.20.0.7', port: 53 } })?.inode).toBe(23);
    expect(findSocketRow(udp, 'udp', { local, remote: { address: '10.20.0.8', port: 53 } })?.inode).toBe(22);
    expect(findSocketRow(udp, 'udp', { local: { address: '10.0.0.1', port: 50_000 }, remote: undefined })?.inode).toBe(
      21,
    );
    const six = header + row('0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:0438', 9, 31);
    expect(findSocketRow(six, 'tcp', { local, remote: { address: '127.0.0.1', port: 1080 } })?.inode).toBe(31);
    expect(findSocketRow(header, 'tcp', { local, remote: local })).toBeUndefined();
  });
});

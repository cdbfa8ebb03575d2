/** An agent stays itself, whatever it does to its name, its parents and its sockets; nobody else becomes it. Real processes throughout. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { loadNative } from 'node-tun';
import { afterEach, describe, expect, it } from 'vitest';
import { createLinuxAppFinder } from '../../main/apps/app-finder.linux.ts';
import type { AncestryReader, App, AppFinder } from '../../main/apps/app.ts';
import { Lineage, origins, type Image } from '../../main/apps/lineage.ts';
import { recogniseAgents } from '../../main/apps/open-app-finder.ts';
import { Processes } from '../../main/apps/processes.linux.ts';
import { agentRules } from '../../main/apps/recognise.ts';
import { systemClock } from '../../main/base/clock.ts';
import type { Endpoint } from '../../main/base/flow.ts';
import { canonicalAddress } from '../../main/base/ip.ts';
import { silentLog } from '../../main/base/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { isUnix } from '../support/modes.ts';

const native = loadNative();
const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) => existsSync(path));
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const connecting = (port: string): string => `
  const socket = require('node:net').connect(${port}, '127.0.0.1');
  socket.on('error', () => process.exit(1));
  socket.on('close', () => process.exit(0));`;
const nodeClient = connecting('Number(process.argv.at(-1))');
const pythonClient = `
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
s.recv(1)
`;

class Scene {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), 'culvert-lineage-')));
  readonly agent = this.write('agent.cjs', nodeClient);
  /** Of the finder made last. */
  ancestry: AncestryReader | undefined;

  constructor() {
    cleanUps.push(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** A finder that knows the agent, as the engine's own does. `told`: by the kernel; else it looks through `/proc`. */
  finder(told = true, agent: string = this.agent): AppFinder {
    const addon = told && native.ok ? { native: native.native } : {};
    const finder = createLinuxAppFinder({ log: silentLog, clock: systemClock, ...addon });
    cleanUps.push(() => finder[Symbol.dispose]());
    this.ancestry = finder.ancestry;
    const rules = agentRules({ mine: { path: agent, identity: 'mine-id' } });
    return recogniseAgents(finder, () => rules);
  }
}

function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  cleanUps.push(() => child.kill('SIGKILL'));
  return child;
}

type Seen = Parameters<AppFinder['find']>[0];

/** The one connection that `begin` makes to a port of ours. */
async function connection(begin: (port: string) => unknown): Promise<Seen> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const came = once(server, 'connection') as Promise<[Socket]>;
  await begin(String((server.address() as AddressInfo).port));
  const [socket] = await came;
  socket.on('error', () => undefined);
  cleanUps.push(() => socket.destroy());
  const end = (address = '', port = 0): Endpoint => ({ address: canonicalAddress(address) ?? '', port });
  return {
    protocol: 'tcp',
    source: end(socket.remoteAddress, socket.remotePort),
    via: end(socket.localAddress, socket.localPort),
    destination: { hostname: 'x.dark', port: 80 },
  };
}

const ownerOf = async (finder: AppFinder, begin: (port: string) => unknown): Promise<App> =>
  finder.find(await connection(begin));

const isAgent = { agent: 'mine', attribution: 'exact' };

/** A `/proc` of files, as the kernel would have them at that moment. */
class ProcTree {
  readonly root = mkdtempSync(join(tmpdir(), 'culvert-proc-'));
  readonly cgroups = join(this.root, 'cgroups');

  constructor() {
    cleanUps.push(() => rmSync(this.root, { recursive: true, force: true }));
    writeFileSync(join(this.root, 'uptime'), '100.00 100.00\n');
  }

  put(
    pid: number,
    {
      parent,
      stack,
      code = '1000',
      cmdline,
      environ = '',
      exe = '/usr/bin/node',
      since = 9950,
      ids = 0,
      unit,
    }: {
      parent: number;
      stack: number;
      code?: string;
      cmdline: string;
      environ?: string;
      exe?: string;
      /** When it started, in hundredths of a second. */
      since?: number;
      ids?: number;
      unit?: string;
    },
  ): void {
    const directory = join(this.root, String(pid));
    mkdirSync(directory, { recursive: true });
    const zeros = (count: number): string => Array.from({ length: count }, () => '0').join(' ');
    // Fields 3 to 28 of proc_pid_stat(5).
    const fields = `S ${parent} ${pid} ${pid} ${zeros(15)} ${since} ${zeros(3)} ${code} ${code} ${stack}`;
    writeFileSync(join(directory, 'stat'), `${pid} (node) ${fields} ${zeros(20)}`);
    writeFileSync(join(directory, 'cmdline'), cmdline);
    writeFileSync(join(directory, 'environ'), environ);
    rmSync(join(directory, 'exe'), { force: true });
    symlinkSync(exe, join(directory, 'exe'));
    writeFileSync(join(directory, 'status'), `Uid:\t${ids}\t${ids}\t${ids}\t${ids}\n`);
    if (unit === undefined) return;
    writeFileSync(join(directory, 'cgroup'), `0::${unit}\n`);
    mkdirSync(join(this.cgroups, unit), { recursive: true });
    appendFileSync(join(this.cgroups, unit, 'cgroup.procs'), `${pid}\n`);
  }

  /** The kernel's word on which boot this is; undefined: it is hidden. */
  boot(id: string | undefined): void {
    const directory = join(this.root, 'sys/kernel/random');
    mkdirSync(directory, { recursive: true });
    if (id === undefined) rmSync(join(directory, 'boot_id'));
    else writeFileSync(join(directory, 'boot_id'), `${id}\n`);
  }

  processes(keptFile?: string): Processes {
    const processes = new Processes({
      keptFile,
      procRoot: this.root,
      passwdPath: '/etc/passwd',
      cgroupRoot: this.cgroups,
      clock: new ManualClock(),
      log: silentLog,
      enginePid: 1,
    });
    cleanUps.push(() => processes[Symbol.dispose]());
    return processes;
  }
}

describe.runIf(isUnix)('a program that is looked at while it starts, where the kernel does not tell', () => {
  const titled = 'node (worker 1)\0\0\0';
  const command = '/usr/bin/node\0/opt/cli.mjs\0';

  it('is its starter’s until it executes something: what that has overwritten is not held against it', () => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0' });
    tree.put(10, { parent: 1, stack: 500, cmdline: titled });
    const processes = tree.processes();
    tree.put(11, { parent: 10, stack: 500, cmdline: titled });
    expect(processes.ancestry(11)?.app.parents).toMatchObject([{ pid: 10 }, { pid: 1 }]);
    tree.put(11, { parent: 10, stack: 900, cmdline: command });
    const app = processes.ancestry(11)?.app;
    expect(app).toMatchObject({ script: '/opt/cli.mjs', parents: [{ pid: 10 }, { pid: 1 }] });
    expect(app).not.toHaveProperty('doubt');
  });

  it('is not doubted for arguments that the kernel had not laid out yet', () => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0' });
    tree.put(10, { parent: 1, stack: 500, cmdline: '/usr/bin/node\0/opt/starter.mjs\0' });
    const processes = tree.processes();
    tree.put(11, { parent: 10, stack: 800, code: '0', cmdline: '' });
    expect(processes.ancestry(11)?.app).toMatchObject({ script: '/opt/starter.mjs' });
    tree.put(11, { parent: 10, stack: 790, cmdline: command });
    const first = processes.ancestry(11)?.app;
    expect(first).toMatchObject({ script: '/opt/cli.mjs', parents: [{ pid: 10 }, { pid: 1 }] });
    tree.put(11, { parent: 10, stack: 700, code: '0', cmdline: '' });
    expect(processes.ancestry(11)?.app).toEqual(first);
    tree.put(11, { parent: 10, stack: 690, cmdline: '/usr/bin/node\0/opt/next.mjs\0' });
    expect(processes.ancestry(11)?.app).toMatchObject({
      script: '/opt/next.mjs',
      parents: [{ pid: 11, script: '/opt/cli.mjs' }, { pid: 10 }, { pid: 1 }],
    });
  });

  it('is not its starter’s for the place of its stack alone, which it may choose', () => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0' });
    tree.put(10, { parent: 1, stack: 500, cmdline: '/usr/bin/node\0/opt/trusted.mjs\0' });
    const processes = tree.processes();
    tree.put(11, { parent: 10, stack: 500, cmdline: '/usr/bin/node\0/opt/other.mjs\0' });
    expect(processes.ancestry(11)?.app).toMatchObject({ script: '/opt/other.mjs' });
    tree.put(12, {
      parent: 10,
      stack: 500,
      cmdline: '/usr/bin/node\0/opt/trusted.mjs\0',
      environ: 'LD_PRELOAD=/x.so\0',
    });
    expect(processes.ancestry(12)?.app).toMatchObject({ doubt: 'injected' });
  });

  it('is looked at again once it shows something else, wherever its stack begins', () => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0' });
    tree.put(10, { parent: 1, stack: 500, cmdline: '/usr/bin/node\0/opt/trusted.mjs\0' });
    const processes = tree.processes();
    tree.put(11, { parent: 10, stack: 500, cmdline: '/usr/bin/node\0/opt/trusted.mjs\0' });
    expect(processes.ancestry(11)?.app).toMatchObject({ script: '/opt/trusted.mjs' });
    tree.put(11, { parent: 10, stack: 500, cmdline: '/usr/bin/node\0/opt/other.mjs\0' });
    expect(processes.ancestry(11)?.app).toMatchObject({ script: '/opt/other.mjs' });
  });

  it('is doubted where it has wiped its arguments itself', () => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0' });
    tree.put(11, { parent: 1, stack: 900, cmdline: '' });
    expect(tree.processes().ancestry(11)?.app.doubt).toBe('program');
  });
});

describe.runIf(process.platform === 'linux' && native.ok)('a bound agent stays itself', () => {
  it('when it gives itself another name', async () => {
    const scene = new Scene();
    const agent = scene.write('titled.cjs', `process.title = 'innocent'; ${nodeClient}`);
    const app = await ownerOf(scene.finder(true, agent), (port) => start(process.execPath, [agent, port]));
    expect(app).toMatchObject({ ...isAgent, script: agent });
  });

  it('when it forks twice, leaves its session and ends', async () => {
    const scene = new Scene();
    const agent = scene.write(
      'leaving.cjs',
      `const { spawn } = require('node:child_process');
       const script = ${JSON.stringify(`( setsid sh -c '( exec "$@" ) & exit 0' sh "$@" ) & exit 0`)};
       spawn('/bin/sh', ['-c', script, 'sh', process.execPath, '-e', ${JSON.stringify(nodeClient)}, process.argv.at(-1)],
         { detached: true, stdio: 'ignore' }).unref();
       process.exit(0);`,
    );
    const finder = scene.finder(true, agent);
    const flow = await connection((port) => start(process.execPath, [agent, port]));
    const app = await finder.find(flow);
    expect(app).toMatchObject({ ...isAgent, path: realpathSync(process.execPath) });
    expect(app.parents.map(({ script }) => script)).toContain(agent);
    process.kill(app.pid ?? 0, 'SIGKILL');
  });

  it('when it executes another program in its own place', async () => {
    const scene = new Scene();
    const plain = scene.write('plain.cjs', nodeClient);
    const agent = scene.write('shell-agent.sh', `read _; exec ${process.execPath} ${plain} "$1"\n`);
    const finder = scene.finder(true, agent);
    const app = await ownerOf(finder, async (port) => {
      const child = spawn('/bin/sh', [agent, port], { stdio: ['pipe', 'ignore', 'inherit'] });
      cleanUps.push(() => child.kill('SIGKILL'));
      await once(child, 'spawn');
      // A program that is gone at once may be gone before it could be looked at.
      const { ancestry } = scene;
      await expect.poll(async () => (await ancestry?.read(child.pid ?? 0))?.app.script).toBe(agent);
      child.stdin.end('\n');
    });
    expect(app).toMatchObject(isAgent);
    expect(app.parents[0]).toMatchObject({ pid: app.pid, script: agent });
  });

  it.runIf(python !== undefined)('when it hands its socket to a program that it starts', async () => {
    const scene = new Scene();
    const agent = scene.write(
      'handing.py',
      `import socket, subprocess, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
subprocess.Popen(["/bin/sleep", "60"], pass_fds=[s.fileno()])
import os; os._exit(0)
`,
    );
    const finder = scene.finder(true, agent);
    const flow = await connection((port) => start(python ?? '', [agent, port]));
    await expect.poll(async () => (await finder.find(flow)).path).toMatch(/sleep$|coreutils$/);
    const app = await finder.find(flow);
    expect(app).toMatchObject(isAgent);
    process.kill(app.pid ?? 0, 'SIGKILL');
  });
});

describe.runIf(process.platform === 'linux' && native.ok)('nobody else becomes a bound agent', () => {
  const injected = { agent: 'mine', attribution: 'inferred', doubt: 'injected' };

  it('by code that is loaded before its script', async () => {
    const scene = new Scene();
    const finder = scene.finder();
    const other = scene.write('other.cjs', '');
    const begin = (args: string[], env: NodeJS.ProcessEnv = {}) =>
      ownerOf(finder, (port) => start(process.execPath, [...args, scene.agent, port], env));
    expect(await begin(['-r', other])).toMatchObject(injected);
    expect(await begin([`--require=${other}`])).toMatchObject(injected);
    expect(await begin(['--import', other])).toMatchObject(injected);
    expect(await begin([], { NODE_OPTIONS: `--require ${other}` })).toMatchObject(injected);
    expect(await begin([], { NODE_OPTIONS: '--max-old-space-size=512' })).toMatchObject(isAgent);
    expect(await begin([], { LD_LIBRARY_PATH: scene.directory })).toMatchObject(injected);
    expect(await begin([], { LD_LIBRARY_PATH: '/usr/lib' })).toMatchObject(isAgent);
  });

  it.runIf(python !== undefined)('by modules that its interpreter finds first', async () => {
    const scene = new Scene();
    const agent = scene.write('agent.py', pythonClient);
    const finder = scene.finder(true, agent);
    const begin = (env: NodeJS.ProcessEnv) => ownerOf(finder, (port) => start(python ?? '', [agent, port], env));
    expect(await begin({ PYTHONPATH: scene.directory })).toMatchObject(injected);
    expect(await begin({})).toMatchObject(isAgent);
  });

  it.runIf(python !== undefined)('by a socket that both hold: it is not certain then who asks', async () => {
    const scene = new Scene();
    const outsider = scene.write(
      'outsider.py',
      `import socket, subprocess, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
child = subprocess.Popen([sys.argv[1], sys.argv[2], sys.argv[3]], pass_fds=[s.fileno()])
child.wait()
`,
    );
    const finder = scene.finder();
    // The agent's own connection goes elsewhere and only keeps it alive.
    const elsewhere = createServer();
    elsewhere.listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    cleanUps.push(() => elsewhere.close());
    const accepted = once(elsewhere, 'connection') as Promise<[Socket]>;
    const busy = String((elsewhere.address() as AddressInfo).port);
    const flow = await connection((port) => start(python ?? '', [outsider, process.execPath, scene.agent, busy, port]));
    const [held] = await accepted;
    cleanUps.push(() => held.destroy());
    expect(await finder.find(flow)).toMatchObject({ agent: 'mine', attribution: 'inferred', doubt: 'holders' });
  });
});

describe.runIf(process.platform === 'linux' && native.ok)('what cannot be known', () => {
  it('is an interpreter whose arguments were overwritten before anybody looked', async () => {
    const scene = new Scene();
    const titled = scene.write('titled.cjs', `process.title = 'x'.repeat(400); ${nodeClient}`);
    const flow = await connection((port) => start(process.execPath, [titled, port]));
    expect(await scene.finder().find(flow)).toMatchObject({ attribution: 'unknown', doubt: 'program' });
    expect(await scene.finder(false).find(flow)).toMatchObject({ attribution: 'unknown', doubt: 'program' });
  });

  it('is never exact where arguments alone name a script', async () => {
    const scene = new Scene();
    const flow = await connection((port) => start(process.execPath, [scene.agent, port]));
    const doubt = { agent: 'mine', attribution: 'inferred', doubt: 'arguments' };
    expect(await scene.finder().find(flow)).toMatchObject(doubt);
  });

  it('is not what has just started, where the kernel does not tell of executions', async () => {
    const scene = new Scene();
    const finder = scene.finder(false);
    expect(await ownerOf(finder, (port) => start(process.execPath, [scene.agent, port]))).toMatchObject(isAgent);
    const inline = await ownerOf(finder, (port) => start(process.execPath, ['-e', nodeClient, port]));
    expect(inline).toMatchObject({ attribution: 'exact' });
  });

  it('is not an interpreter that runs no file, where it was seen from its start', async () => {
    const scene = new Scene();
    const finder = scene.finder();
    const inline = await ownerOf(finder, (port) => start(process.execPath, ['-e', nodeClient, port]));
    expect(inline).toMatchObject({ attribution: 'exact' });
    expect(inline.agent).toBeUndefined();
    if (python === undefined) return;
    const other = await ownerOf(finder, (port) => start(python, ['-c', pythonClient, port]));
    expect(other).toMatchObject({ attribution: 'exact' });
  });

  it('is an orphan whose birth nobody saw and that leads a session of its own', async () => {
    // Between two looks, which come when the clock says so: this one's never turns.
    const finder = createLinuxAppFinder({
      log: silentLog,
      clock: { ...systemClock, every: () => ({ [Symbol.dispose]: () => undefined }) },
    });
    cleanUps.push(() => finder[Symbol.dispose]());
    // What starts in this hundredth of a second still counts as there before.
    const looked = Math.floor(uptime() * 100);
    await expect.poll(() => Math.floor(uptime() * 100), { interval: 5 }).toBeGreaterThan(looked + 1);
    const onceAdopted =
      'until read -r _ _ _ by _ < /proc/$$/stat; [ "$by" = 1 ] || ! readlink "/proc/$by/exe" | grep -Eq "sh$"; do sleep 0.02; done';
    const connect = 'exec 3<>/dev/tcp/127.0.0.1/$0; read <&3';
    const leave = `setsid sh -c '( exec setsid "$@" ) & exit 0' sh "$@" & exit 0`;
    const flow = await connection((port) =>
      start('/bin/sh', ['-c', leave, 'sh', '/bin/bash', '-c', `${onceAdopted}; ${connect}`, port]),
    );
    const app = await recogniseAgents(finder, () => agentRules()).find(flow);
    expect(app).toMatchObject({ attribution: 'unknown', doubt: 'lineage' });
    process.kill(app.pid ?? 0, 'SIGKILL');
  });
});

describe('what was learnt', () => {
  it.runIf(isUnix)(
    'is known to whoever looks next: an orphan stays its starter’s, and a process what it ran before',
    () => {
      const keptFile = join(realpathSync(mkdtempSync(join(tmpdir(), 'culvert-kept-'))), 'processes.json');
      cleanUps.push(() => rmSync(join(keptFile, '..'), { recursive: true, force: true }));
      const tree = new ProcTree();
      const old = { stack: 1, since: 10 };
      tree.boot('one');
      tree.put(1, { ...old, parent: 0, cmdline: '/sbin/init\0', exe: '/sbin/init' });
      tree.put(20, { ...old, parent: 1, stack: 2, cmdline: 'agent\0', exe: '/opt/agent' });
      tree.put(21, { ...old, parent: 20, stack: 3, cmdline: 'job\0', exe: '/usr/bin/job' });
      tree.put(22, { ...old, parent: 1, stack: 4, cmdline: 'agent\0', exe: '/opt/agent' });
      const first = tree.processes(keptFile);
      expect(first.ancestry(21)?.app.parents).toMatchObject([{ path: '/opt/agent' }, { pid: 1 }]);
      tree.put(21, { ...old, parent: 1, stack: 3, cmdline: 'job\0', exe: '/usr/bin/job' });
      tree.put(22, { ...old, parent: 1, stack: 5, cmdline: 'plain\0', exe: '/usr/bin/plain' });
      rmSync(join(tree.root, '20'), { recursive: true });
      expect(first.ancestry(22)?.app).toMatchObject({
        path: '/usr/bin/plain',
        parents: [{ path: '/opt/agent' }, { pid: 1 }],
      });
      first[Symbol.dispose]();

      const next = tree.processes(keptFile);
      expect(next.ancestry(21)).toMatchObject({
        whole: true,
        app: { parents: [{ pid: 20, path: '/opt/agent' }, { pid: 1 }] },
      });
      expect(next.ancestry(22)?.app.parents).toMatchObject([{ pid: 22, path: '/opt/agent' }, { pid: 1 }]);
      // Without it nobody can tell, nor where it is of another boot, or nobody knows which boot this is.
      expect(tree.processes().ancestry(21)?.app.parents).toMatchObject([{ pid: 1 }]);
      for (const other of ['two', undefined]) {
        tree.boot(other);
        expect(tree.processes(keptFile).ancestry(21)?.app.parents).toMatchObject([{ pid: 1 }]);
      }
      tree.boot('one');
      // Another process under that number is not it.
      tree.put(21, { ...old, since: 20, parent: 1, stack: 9, cmdline: 'job\0', exe: '/usr/bin/job' });
      expect(tree.processes(keptFile).ancestry(21)?.app.parents).toMatchObject([{ pid: 1 }]);
    },
  );
});

describe('a container that starts while nobody tells of processes', () => {
  const service = '/system.slice/containerd.service';
  const shim = {
    parent: 1,
    stack: 3,
    cmdline: 'containerd-shim\0',
    exe: '/usr/bin/containerd-shim-runc-v2',
    since: 20_000,
  };
  const contained = { parent: 50, stack: 4, cmdline: '/srv/app\0', exe: '/srv/app', since: 20_001 };
  const host = (): { tree: ProcTree; processes: Processes } => {
    const tree = new ProcTree();
    tree.put(1, { parent: 0, stack: 1, cmdline: '/sbin/init\0', exe: '/sbin/init', since: 1 });
    const containerd = { parent: 1, stack: 2, cmdline: 'containerd\0', exe: '/usr/bin/containerd', since: 100 };
    tree.put(40, { ...containerd, unit: service });
    return { tree, processes: tree.processes() };
  };

  it.runIf(isUnix)('descends from its engine, though what watches over it was let go', () => {
    const { tree, processes } = host();
    tree.put(50, { ...shim, unit: service });
    tree.put(51, { ...contained, unit: '/system.slice/docker-1.scope' });
    expect(processes.ancestry(51)).toMatchObject({
      whole: true,
      app: { path: '/srv/app', parents: [{ pid: 50 }, { pid: 40 }, { pid: 1 }] },
    });
  });

  it('is nobody’s where what watches over it is not root’s, not in a service of the system, or something else', () => {
    for (const other of [
      { ids: 1000, unit: service },
      { unit: '/user.slice/user-1000.slice/user@1000.service/app.slice/engine.service' },
      { unit: service, exe: '/usr/bin/job' },
    ]) {
      const { tree, processes } = host();
      // Older than it in the same place: so it is not its service's first itself.
      tree.put(45, { ...contained, parent: 40, unit: other.unit });
      tree.put(50, { ...shim, since: 20_002, ...other });
      tree.put(51, { ...contained, unit: '/system.slice/docker-1.scope' });
      expect(processes.ancestry(51)?.whole, JSON.stringify(other)).toBe(false);
    }
  });
});

describe('lineage', () => {
  const image = (path: string): Image => ({ path, script: undefined, doubt: undefined });
  const chain = (lineage: Lineage, pid: number): (string | undefined)[] => {
    const run = lineage.get(pid);
    return run === undefined ? [] : [run, ...origins(run)].map(({ path }) => path);
  };

  it('keeps what a process was, and what its starter was, when both have gone on', () => {
    const lineage = new Lineage();
    const first = lineage.seen(1, '1', image('/init'), undefined, true);
    const agent = lineage.executed(lineage.forked(10, '10', first), image('/agent'));
    lineage.executed(lineage.forked(11, '11', agent), image('/sh'));
    lineage.exited(10);
    lineage.sweep(() => true);
    const sh = lineage.get(11);
    if (sh !== undefined) lineage.executed(sh, image('/curl'));
    expect(chain(lineage, 11)).toEqual(['/curl', '/sh', '/agent', '/init']);
    expect(chain(lineage, 10)).toEqual([]);
    expect(lineage.get(11)?.whole).toBe(true);
  });

  it('does not grow for ever, and forgets no program that stands in it', () => {
    const lineage = new Lineage();
    let run = lineage.executed(lineage.seen(1, '1', image('/init'), undefined, true), image('/agent'));
    for (let pid = 2; pid < 5_000; pid += 1) run = lineage.executed(lineage.forked(pid, `${pid}`, run), image('/sh'));
    const programs = [...origins(run)].map(({ path }) => path);
    expect(programs.length).toBeLessThan(70);
    expect(new Set(programs)).toEqual(new Set(['/sh', '/agent', '/init']));
    expect(run.whole).toBe(true);
  });
});

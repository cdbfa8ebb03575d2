/** Network namespaces that a test makes and removes itself, and programs run inside them. Nothing here touches the host's own network. */
import { build } from 'esbuild';
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { addonMissing, rootMissing, toolsMissing } from '../../support/tools.ts';
import type { TunEntryStatus } from '../../../main/net/tun-entry.ts';
import type { StandInService, TunHostSettings } from './tun-host.ts';

/** Why these tests cannot run here; undefined where they can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
  return (
    rootMissing() ??
    addonMissing() ??
    toolsMissing('ip', 'unshare', 'nft', 'iptables', 'dig', 'curl', 'iperf3', 'tcpdump', 'nc')
  );
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let made = 0;

export class Namespace implements Disposable {
  readonly name: string;
  readonly #children = new Set<ChildProcess>();
  readonly #folder: string;

  /** Make one, with loopback up and a resolv.conf of its own (`ip netns exec` mounts it over /etc/resolv.conf). */
  constructor(resolvConf = 'nameserver 127.0.0.9\noptions timeout:1 attempts:1\n') {
    made += 1;
    this.name = `culvert-${process.pid}-${made}`;
    this.#folder = `/etc/netns/${this.name}`;
    must('ip', ['netns', 'add', this.name]);
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(this.resolvConfPath, resolvConf);
    must('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
  }

  /** The file that programs inside see as /etc/resolv.conf. */
  get resolvConfPath(): string {
    return join(this.#folder, 'resolv.conf');
  }

  resolvConf(): string {
    return readFileSync(this.resolvConfPath, 'utf8');
  }

  /** Addresses, routes and interfaces, as text to compare. */
  network(): string {
    return ['addr', 'route', '-6 route', 'rule']
      .map((what) => must('ip', ['-n', this.name, '-o', ...what.split(' ')]))
      .join('')
      .replace(/valid_lft \S+ preferred_lft \S+| tentative/g, '');
  }

  ip(...args: readonly string[]): string {
    return must('ip', ['-n', this.name, ...args]);
  }

  /** Run to the end. */
  run(command: string, args: readonly string[], timeoutMs = 20_000): Promise<Ran> {
    return new Promise((resolve) => {
      execFile(
        'ip',
        ['netns', 'exec', this.name, command, ...args],
        { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
          resolve({ code, stdout, stderr });
        },
      );
    });
  }

  /** Start and leave running; ended with the namespace at the latest. */
  spawn(command: string, args: readonly string[]): ChildProcess {
    // `ip netns exec` replaces itself, so the pid is the program's own.
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
    // What those have left running; nobody else is in a namespace of ours.
    const left = spawnSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
    if (left.length > 0) spawnSync('kill', ['-9', ...left]);
    spawnSync('ip', ['netns', 'delete', this.name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Join two namespaces by a veth pair, with these addresses (`10.1.0.1/24`). */
export function link(a: Namespace, addressA: string, b: Namespace, addressB: string): void {
  must('ip', ['link', 'add', 'veth0', 'netns', a.name, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', b.name]);
  a.ip('address', 'add', addressA, 'dev', 'veth0');
  b.ip('address', 'add', addressB, 'dev', 'veth0');
  a.ip('link', 'set', 'veth0', 'up');
  b.ip('link', 'set', 'veth0', 'up');
}

function must(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

export interface TunHostStatus {
  readonly status: TunEntryStatus;
  readonly admitted: number;
  readonly open: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly cpuMs: number;
  /** Why the interface failed, if it did. */
  readonly failure?: { readonly code: string };
  /** Of the flow asked about last. */
  readonly owner?: { readonly uid: number; readonly pids: readonly number[] } | null;
}

/** The TUN host program, running in a namespace. */
export class TunHost implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly ready: TunEntryStatus;
  readonly #lines: AsyncIterator<string>;
  readonly #log: string[];

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, ready: TunEntryStatus, log: string[]) {
    this.process = child;
    this.#lines = lines;
    this.ready = ready;
    this.#log = log;
  }

  /** @param within a command that sets something up and then runs the rest of its arguments in its own place. */
  static async start(
    namespace: Namespace,
    settings: TunHostSettings,
    within: readonly string[] = [],
  ): Promise<TunHost> {
    const command = [...within, process.execPath, '--expose-gc', await tunHostProgram(), JSON.stringify(settings)];
    const child = namespace.spawn(command[0] ?? '', command.slice(1));
    const log: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text));
    if (child.stdout === null) throw new Error('no output');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) throw new Error(`the TUN host did not start:\n${log.join('')}`);
    return new TunHost(child, lines, (JSON.parse(first.value) as { ready: TunEntryStatus }).ready, log);
  }

  async #ask(command: Readonly<Record<string, unknown>>): Promise<TunHostStatus> {
    this.process.stdin?.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error(`the TUN host has ended:\n${this.log()}`);
    return JSON.parse(answer.value) as TunHostStatus;
  }

  status(): Promise<TunHostStatus> {
    return this.#ask({ do: 'status' });
  }

  /** The status after the garbage is collected. */
  collect(): Promise<TunHostStatus> {
    return this.#ask({ do: 'collect' });
  }

  setServices(services: readonly StandInService[]): Promise<TunHostStatus> {
    return this.#ask({ do: 'services', services });
  }

  setPrefixes(prefixes: readonly string[], bypass: readonly string[] = []): Promise<TunHostStatus> {
    return this.#ask({ do: 'prefixes', prefixes, bypass });
  }

  resetAll(): Promise<TunHostStatus> {
    return this.#ask({ do: 'reset' });
  }

  log(): string {
    return this.#log.join('');
  }

  /** Lines a healthy run does not have. */
  complaints(): readonly string[] {
    return this.log()
      .split('\n')
      .filter((line) => line !== '' && !line.includes('"level":"info"'));
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    return new Promise((resolve) => {
      if (this.process.exitCode !== null || this.process.signalCode !== null) resolve();
      else this.process.once('exit', () => resolve());
      this.process.kill(signal);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill('SIGTERM');
  }
}

let program: Promise<string> | undefined;

/** The program, bundled once; it must lie below the checkout so that the addon is found. */
function tunHostProgram(): Promise<string> {
  program ??= bundle('tun-host.ts');
  return program;
}

async function bundle(file: string): Promise<string> {
  // From the checkout's root, for the benchmark has this module bundled elsewhere.
  const folder = join(process.cwd(), '.cache');
  mkdirSync(folder, { recursive: true });
  const out = join(mkdtempSync(join(folder, 'system-')), 'program.mjs');
  await build({
    entryPoints: [join(process.cwd(), 'test', 'system', 'support', file)],
    outfile: out,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
  process.once('exit', () => rmSync(join(out, '..'), { recursive: true, force: true }));
  return out;
}

/** A folder of its own for a journal. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'culvert-system-'));
}

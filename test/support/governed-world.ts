/**
 * A governed host on a network under test: one engine that hosts, one device whose programs are governed, both as `culvert` runs them, and
 * curl under several names to play those programs.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { ServiceView, SessionView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert, type Ran, type RunningCulvert } from './culvert.ts';
import type { Network } from './network.ts';
import { until } from './until.ts';

export interface GovernedService {
  /** Loopback port behind it; absent: nobody hosts it here. */
  readonly target?: number;
  /** A function is given what a contract may call an identity: its name at the controller, and its id. */
  readonly contract?: unknown;
  /** Intercepted under this name instead of its own. */
  readonly address?: string;
  /** Names of the device's identities that may dial it. */
  readonly dial: readonly string[];
}

export interface WorldSpec {
  /** Enrolled on the device under these names. */
  readonly identities: readonly string[];
  /** By name; NAME is intercepted as `NAME.dark:80`, unless it says otherwise. */
  readonly services: Readonly<Record<string, GovernedService>>;
  /** How the device's engine takes flows in; default `proxy`. In `tun` only inside a namespace made for it. */
  readonly mode?: 'proxy' | 'tun';
  /** The device's `culvert.yaml`, asked for once the home directory is known. */
  readonly config?: (home: string) => string;
  /** The same for the engine that hosts. */
  readonly hostConfig?: (home: string) => string;
  /** Files beside it, in the home directory. */
  readonly hostFiles?: Readonly<Record<string, string>>;
  /** Secrets of the engine that hosts, by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Files of the device's `policy.d`. */
  readonly policies?: Readonly<Record<string, string>>;
}

export class GovernedWorld implements AsyncDisposable {
  readonly home: string;
  /** The controller's ids: identities and services by name, dial policies as `NAME.dial`. */
  readonly ids: Record<string, string> = {};
  readonly #env: Readonly<Record<string, string>>;
  readonly #running: AsyncDisposable[] = [];
  #box: RunningCulvert | undefined;
  #mode: 'proxy' | 'tun' = 'proxy';
  #device: RunningCulvert | undefined;

  private constructor(home: string) {
    this.home = home;
    this.#env = { CREDENTIALS_DIRECTORY: join(home, 'credentials') };
  }

  /** Everything enrolled, hosted and running when it resolves. */
  static async open(network: Network, spec: WorldSpec): Promise<GovernedWorld> {
    const world = new GovernedWorld(await mkdtemp(join(tmpdir(), 'culvert-governed-')));
    try {
      world.#mode = spec.mode ?? 'proxy';
      await world.#arrange(network, spec);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get deviceState(): string {
    return join(this.home, 'device');
  }

  get boxState(): string {
    return join(this.home, 'box');
  }

  /** The name at the controller of an identity of this world. */
  static controllerName(name: string, home: string): string {
    return `${name}-${home.slice(-6)}`;
  }

  /** `host:port` of the device's proxy. */
  get proxy(): string {
    return String(this.#device?.ready['proxy']);
  }

  run(args: readonly string[], state = this.deviceState): Promise<Ran> {
    return culvert([...args, '--state', state], { env: this.#env });
  }

  json<T>(args: readonly string[], state = this.deviceState): Promise<T> {
    return culvertJson<T>([...args, '--state', state], { env: this.#env });
  }

  /** What the engine that hosts has said so far. */
  hostOutput(): string {
    return `${this.#box?.errors() ?? ''}${JSON.stringify(this.#box?.lines())}`;
  }

  /** Keep a secret on the engine that hosts. */
  async keep(name: string, value: string): Promise<void> {
    const args = ['secret', 'set', name, '--keystore', 'file', '--state', this.boxState];
    const { code, err } = await culvert(args, { env: this.#env, input: `${value}\n` });
    if (code !== 0) throw new Error(err);
  }

  async sessions(service?: string): Promise<readonly SessionView[]> {
    const rows = await this.json<SessionView[]>(['sessions']);
    return rows.filter((row) => service === undefined || row.service === service);
  }

  /** The latest session of a service. */
  async newest(service: string): Promise<SessionView> {
    const last = (await this.sessions(service)).at(-1);
    if (last === undefined) throw new Error(`no session of ${service}`);
    return last;
  }

  /** Newest first. */
  records(kind: string, ...filters: readonly string[]): Promise<AuditRecordView[]> {
    return this.json<AuditRecordView[]>(['audit', 'search', '--kind', kind, ...filters]);
  }

  /** Stop the device's engine and start it again, with another `culvert.yaml` where one is given. */
  async restart(config?: string): Promise<void> {
    await this.#device?.[Symbol.asyncDispose]();
    if (config !== undefined) await writeFile(join(this.deviceState, 'culvert.yaml'), config);
    await this.#startDevice();
  }

  /** Copy curl to `name` below the home directory: a program of its own, by path and by hash. */
  async program(name: string): Promise<{ readonly path: string; readonly hash: string }> {
    return copyCurl(join(this.home, 'bin', name));
  }

  /** Ask `http://SERVICE.dark/PATH` as a program does, through the proxy. */
  async ask(program: string, service: string, path = '', more: readonly string[] = []): Promise<Answer> {
    const url = `http://${service}.dark/${path}`;
    const asked = await start(program, [
      '-sS',
      '--max-time',
      '20',
      '-w',
      '\n%{http_code}',
      '-x',
      this.#http(),
      ...more,
      url,
    ]).done;
    const cut = asked.out.lastIndexOf('\n');
    return {
      status: Number(asked.out.slice(cut + 1)),
      body: asked.out.slice(0, cut),
      code: asked.code,
      err: asked.err,
    };
  }

  /** Ask and go on reading: `done` resolves when the answer ends or is cut. */
  hold(program: string, service: string, path = 'hold'): Started {
    return start(program, ['-sSN', '--max-time', '60', '-x', this.#http(), `http://${service}.dark/${path}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#device?.[Symbol.asyncDispose]();
    for (const one of this.#running.reverse()) await one[Symbol.asyncDispose]();
    await rm(this.home, { recursive: true, force: true });
  }

  #http(): string {
    return `http://${this.proxy}`;
  }

  async #arrange(network: Network, spec: WorldSpec): Promise<void> {
    const { home, ids } = this;
    const { admin } = network;
    await mkdir(join(home, 'credentials'));
    await writeFile(join(home, 'credentials', 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
    const box = this.boxState;
    for (const [name, state] of [
      ...spec.identities.map((one) => [one, this.deviceState] as const),
      ['box', box] as const,
    ]) {
      const { id, jwt } = await admin.createIdentity(GovernedWorld.controllerName(name, home));
      ids[name] = id;
      await writeFile(join(home, `${name}.jwt`), jwt);
      await this.json(['enroll', join(home, `${name}.jwt`), '--name', name, '--keystore', 'file'], state);
    }
    const namesOf = (name: string): readonly string[] => [GovernedWorld.controllerName(name, home), ids[name] ?? ''];
    const contractOf = (contract: unknown): unknown =>
      typeof contract === 'function' ? (contract as (names: typeof namesOf) => unknown)(namesOf) : contract;
    for (const [name, { target, contract, address, dial }] of Object.entries(spec.services)) {
      const service = await admin.createService({
        name,
        configs: {
          'intercept.v1': {
            protocols: ['tcp'],
            addresses: [address ?? `${name}.dark`],
            portRanges: [{ low: 80, high: 80 }],
          },
          ...(target === undefined ? {} : { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: target } }),
          ...(contract === undefined ? {} : { 'culvert.contract.v1': contractOf(contract) }),
        },
      });
      ids[name] = service;
      ids[`${name}.dial`] = await admin.createServicePolicy({
        type: 'Dial',
        services: [service],
        identities: dial.map((identity) => ids[identity] ?? ''),
      });
      if (target !== undefined) {
        await admin.createServicePolicy({ type: 'Bind', services: [service], identities: [ids['box'] ?? ''] });
      }
    }
    if (spec.hostConfig !== undefined) await writeFile(join(box, 'culvert.yaml'), spec.hostConfig(home));
    for (const [file, text] of Object.entries(spec.hostFiles ?? {})) await writeFile(join(home, file), text);
    for (const [name, value] of Object.entries(spec.secrets ?? {})) await this.keep(name, value);
    this.#box = await startCulvert(['run', '--mode', 'host', '--state', box], { env: this.#env });
    this.#running.push(this.#box);
    const hosted = Object.values(spec.services).filter(({ target }) => target !== undefined).length;
    await until(async () => {
      const services = await this.json<ServiceView[]>(['services'], box);
      return services.length === hosted && services.every((service) => (service.hosted?.terminators ?? 0) > 0);
    }, 60_000);
    if (spec.config !== undefined) await writeFile(join(this.deviceState, 'culvert.yaml'), spec.config(home));
    for (const [file, text] of Object.entries(spec.policies ?? {})) {
      await mkdir(join(this.deviceState, 'policy.d'), { recursive: true });
      await writeFile(join(this.deviceState, 'policy.d', file), text);
    }
    await this.#startDevice();
  }

  async #startDevice(): Promise<void> {
    const entry = this.#mode === 'tun' ? [] : ['--proxy-listen', '127.0.0.1:0'];
    const args = ['run', '--mode', this.#mode, ...entry, '--state', this.deviceState];
    this.#device = await startCulvert(args, { env: this.#env });
  }
}

export interface Answer extends Omit<Ran, 'out'> {
  readonly status: number;
  readonly body: string;
}

export interface Started {
  out(): string;
  readonly done: Promise<Ran>;
  stop(): void;
}

/** Run a program of this host; it ends by itself, or with `stop`. */
export function start(program: string, args: readonly string[]): Started {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const done = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return { out: () => out, done, stop: () => void child.kill('SIGKILL') };
}

/** An executable of its own: what is behind the last segment of an ELF file changes its hash and nothing else. */
export async function copyCurl(path: string): Promise<{ readonly path: string; readonly hash: string }> {
  await mkdir(join(path, '..'), { recursive: true });
  await copyFile('/usr/bin/curl', path);
  await appendFile(path, path);
  await chmod(path, 0o755);
  return {
    path,
    hash: createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  };
}

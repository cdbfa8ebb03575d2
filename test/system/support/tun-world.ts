/**
 * Run inside a network namespace of its own: a network, an engine that hosts, an engine in `tun` mode, and what applications find behind the
 * services. Findings go out as JSON lines; the test outside reads them.
 */
import { execFile } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceView } from '../../../main/api/views.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../../support/culvert.ts';
import { openEmbeddedNetwork } from '../../support/embedded-network.ts';
import type { Network } from '../../support/network.ts';
import { openRealNetwork } from '../../support/real-network.ts';
import { until } from '../../support/until.ts';

export function say(finding: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(finding)}\n`);
}

/** Run a program; its standard output, or its failure, never an exception. */
export function run(
  command: string,
  args: readonly string[],
  timeoutMs = 15_000,
): Promise<{ code: number; out: string; ms: number }> {
  const start = performance.now();
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out: stdout + stderr, ms: performance.now() - start });
    });
  });
}

/** One finding: what `body` returns, or why it failed. */
export async function check(name: string, body: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    const detail = await body();
    say({ check: name, ok: true, ms: Math.round(performance.now() - start), detail });
  } catch (error) {
    say({ check: name, ok: false, ms: Math.round(performance.now() - start), detail: (error as Error).message });
  }
}

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** The finding that an engine's log has neither warnings nor errors but these. */
export function noWarnings(log: string, expected: readonly string[] = []): Promise<void> {
  const events = log
    .split('\n')
    .filter((line) => /"level":"(warn|error)"/.test(line))
    .filter((line) => !expected.some((event) => line.includes(`"event":"${event}"`)));
  return check('no unexpected warning in the log', async () => expectThat(events.length === 0, events.join('\n')));
}

/** Servers on 127.0.0.1 that the hosting engine leads to. */
export interface Backends {
  readonly http: number;
  readonly echo: number;
  readonly udp: number;
  close(): void;
}

async function openBackends(): Promise<Backends> {
  const http = createHttpServer((_request, response) => response.end('hello from the dark\n'));
  const sockets = new Set<Socket>();
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => udp.send(message, from.port, from.address));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', 4096, resolve));
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  return {
    http: (http.address() as AddressInfo).port,
    echo: (echo.address() as AddressInfo).port,
    udp: udp.address().port,
    close() {
      for (const socket of sockets) socket.destroy();
      http.close();
      echo.close();
      udp.close();
    },
  };
}

/** A `host.v1` that leads to a server of this machine. */
export const target = (protocol: string, port: number) => ({ protocol, address: '127.0.0.1', port });

/** One service of a world: what is intercepted, and the host config behind it; nobody hosts one without. */
export interface WorldService {
  readonly addresses: readonly string[];
  readonly ports: readonly [number, number];
  readonly protocols?: readonly string[];
  readonly host?: Readonly<Record<string, unknown>>;
  readonly contract?: Readonly<Record<string, unknown>>;
  /** Who may dial it; default `device`. */
  readonly dialer?: string;
  /** Who hosts it; default `box`. */
  readonly hoster?: string;
}

export interface World {
  readonly network: Network;
  readonly backends: Backends;
  /** A path below this world's own directory; an engine's state lies at its identity's name. */
  at(name: string): string;
  readonly env: Readonly<Record<string, string>>;
  /** Ids of dial policies by service. */
  readonly policies: Readonly<Record<string, string>>;
  /** Start one engine more; ended with the world. */
  start(
    state: string,
    mode: 'tun' | 'host',
    env?: Readonly<Record<string, string>>,
    within?: readonly string[],
  ): Promise<RunningCulvert>;
}

/** Where the network listens, for engines that are elsewhere. */
export interface WorldOptions {
  readonly kind: string;
  readonly address?: string;
  /** What that is called; the system must know it. */
  readonly name?: string;
  readonly services: (backends: Backends) => Readonly<Record<string, WorldService>>;
  readonly dialers?: readonly string[];
}

/** Open a world, let `scenario` happen in it, take it down. */
export async function withWorld(options: WorldOptions, scenario: (world: World) => Promise<void>): Promise<void> {
  const { address } = options;
  const network: Network =
    options.kind === 'OpenZiti'
      ? await openRealNetwork(address, options.name)
      : await openEmbeddedNetwork('both', address === undefined ? {} : { listen: `${address}:0` });
  const home = await mkdtemp(join(tmpdir(), 'culvert-tun-'));
  const backends = await openBackends();
  const running: RunningCulvert[] = [];
  try {
    const at = (name: string): string => join(home, name);
    await mkdir(at('credentials'));
    await writeFile(at('credentials/culvert-passphrase'), 'x\n');
    const env = { CREDENTIALS_DIRECTORY: at('credentials') };
    const services = options.services(backends);
    const policies = await arrange(network, services, options.dialers ?? ['device'], at, env);
    const start: World['start'] = async (state, mode, more = {}, within = []) => {
      const args = ['run', '--mode', mode, '--state', at(state)];
      const engine = await startCulvert(args, { env: { ...env, ...more }, within });
      running.push(engine);
      return engine;
    };
    await start('box', 'host');
    const hosted = Object.values(services).filter(
      ({ host, hoster }) => host !== undefined && hoster === undefined,
    ).length;
    await until(async () => {
      const rows = await culvertJson<ServiceView[]>(['services', '--state', at('box')]);
      return rows.filter((row) => (row.hosted?.terminators ?? 0) > 0).length === hosted;
    }, 60_000);
    await scenario({ network, backends, at, env, policies, start });
  } finally {
    for (const engine of running.reverse()) await engine[Symbol.asyncDispose]();
    // Shown where a check failed.
    for (const engine of running) process.stderr.write(`${engine.errors().slice(-6000)}\n--\n`);
    backends.close();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }
}

/** Identities, services and policies; everyone enrolled. */
async function arrange(
  network: Network,
  services: Readonly<Record<string, WorldService>>,
  dialers: readonly string[],
  at: (name: string) => string,
  env: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { admin } = network;
  const ids = new Map<string, string>();
  for (const name of ['box', ...dialers]) {
    const { id, jwt } = await admin.createIdentity(name);
    ids.set(name, id);
    await writeFile(at(`${name}.jwt`), jwt);
    const enrolled = await culvert(['enroll', at(`${name}.jwt`), '--keystore', 'file', '--state', at(name)], { env });
    expectThat(enrolled.code === 0, `enrolment of ${name}: ${enrolled.err}`);
  }
  const policies: Record<string, string> = {};
  for (const [name, service] of Object.entries(services)) {
    const [low, high] = service.ports;
    const { addresses, protocols = ['tcp'], host, contract } = service;
    const id = await admin.createService({
      name,
      configs: {
        'intercept.v1': { protocols, addresses, portRanges: [{ low, high }] },
        ...(host === undefined ? {} : { 'host.v1': host }),
        ...(contract === undefined ? {} : { 'culvert.contract.v1': contract }),
      },
    });
    const dialer = ids.get(service.dialer ?? 'device') ?? '';
    policies[name] = await admin.createServicePolicy({ type: 'Dial', services: [id], identities: [dialer] });
    await admin.createServicePolicy({
      type: 'Bind',
      services: [id],
      identities: [ids.get(service.hoster ?? 'box') ?? ''],
    });
  }
  return policies;
}

/** Wait until an engine in `tun` mode sees so many services. */
export async function seesServices(world: World, state: string, count: number): Promise<void> {
  await until(
    async () => (await culvertJson<ServiceView[]>(['services', '--state', world.at(state)])).length === count,
    30_000,
  );
}

/** The last word of a scenario's program: what it started besides ends with it. */
export async function scenarioMain(body: () => Promise<void>): Promise<void> {
  await body().catch((error: unknown) => {
    say({ check: 'scenario', ok: false, detail: (error as Error).stack ?? String(error) });
    process.exitCode = 1;
  });
  process.exit();
}

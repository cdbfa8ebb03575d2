/**
 * The matrix of MCP: every client with every server by every way through Culvert, each cell by what its client saw and what its server did.
 * Clients and servers are programs of their own, whatever they are made with; they say what happened as JSON.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { defined } from '../../main/base/defined.ts';
import { Child } from './child.ts';
import type { McpWorld } from './mcp-world.ts';
import { until } from './until.ts';

/** What is asked of each cell. */
export const steps = [
  'tools',
  'prompts',
  'resources',
  'call',
  'refusal',
  'progress',
  'cancel',
  'elicitation',
  'subscription',
  'large',
] as const;
/** One of them. */
export type Step = (typeof steps)[number];
/** How a client gets to a dark service: by its name, by a bridge to one, or by the door to all. */
export const ways = ['transparent', 'connect', 'serve'] as const;
/** One of them. */
export type Way = (typeof ways)[number];
type Era = 'handshake' | 'stateless';

/** What a kit does not offer at all, in words, by step; `handshake`: only to clients that begin with one. */
type Lacks = Readonly<Partial<Record<Step, string>>>;

/** A server, and the service it is behind. */
export interface MatrixServer {
  readonly name: string;
  readonly service: string;
  readonly command: readonly string[];
  /** The transport of 2024: an event stream beside POSTs. */
  readonly older?: true;
  /** It also speaks without a handshake. */
  readonly stateless?: true;
  readonly lacks?: Lacks;
  /** What it lacks besides where a client begins with a handshake. */
  readonly lacksWithHandshake?: Lacks;
  /** The same where one begins without. */
  readonly lacksWithoutHandshake?: Lacks;
  /** What does not work between it and a client, by the client's name, without Culvert either. */
  readonly lacksWith?: Readonly<Record<string, Lacks>>;
  /** It answers by events, however large. */
  readonly events?: true;
  readonly env?: Readonly<Record<string, string>>;
}

/** A client; it is started with where to go, what stands before the names of tools, the service's name, and `after`. */
export interface MatrixClient {
  readonly name: string;
  readonly command: readonly string[];
  readonly after?: readonly string[];
  readonly eras: readonly Era[];
  /** It speaks the transport of 2024. */
  readonly older: boolean;
  readonly lacks?: Lacks;
  /** What it lacks where a server's events come to it as they are. */
  readonly lacksOfEvents?: Lacks;
  readonly env?: Readonly<Record<string, string>>;
}

/** Who takes part. */
export interface Matrix {
  readonly clients: readonly MatrixClient[];
  readonly servers: readonly MatrixServer[];
}

/** One cell that is to be run. */
export interface PlannedCell {
  readonly client: MatrixClient;
  readonly server: MatrixServer;
  readonly way: Way;
}

/** Every client with every server by every way. */
export function allCells({ clients, servers }: Matrix): readonly PlannedCell[] {
  return servers.flatMap((server) => ways.flatMap((way) => clients.map((client) => ({ client, server, way }))));
}

/** What became of one cell: why a step did not hold, or is not asked for. */
export interface Cell {
  readonly client: string;
  readonly server: string;
  readonly way: Way;
  /** Why there is no such cell. */
  readonly none?: string;
  readonly held: readonly Step[];
  readonly lacking: Lacks;
  readonly failed: Lacks;
}

const contract = (service: string): object => ({
  mcp: { deny: ['delete_*', 'secret_plan', `doc://${service}/private`] },
});
const largeBytes = 12 * 1024 * 1024;
const cellTimeoutMs = 180_000;

/** A server at work, and what it said it did. */
export class RunningServer implements AsyncDisposable {
  readonly of: MatrixServer;
  readonly port: number;
  readonly #child: Child;

  private constructor(of: MatrixServer, port: number, child: Child) {
    this.of = of;
    this.port = port;
    this.#child = child;
  }

  static async start(server: MatrixServer, directory: string): Promise<RunningServer> {
    const [file = '', ...args] = server.command;
    const child = new Child(file, args, {
      logFile: join(directory, `${server.service}.log`),
      ...defined({ env: server.env }),
    });
    await until(() => {
      if (!child.running) throw new Error(`${server.name} ended:\n${child.output().slice(-2000)}`);
      return /\{"port": ?(\d+)\}/.test(child.output());
    }, 60_000);
    return new RunningServer(server, Number(/\{"port": ?(\d+)\}/.exec(child.output())?.[1]), child);
  }

  /** Everything since `from`, a length of the text before. */
  told(from = 0): string {
    return this.#child.output().slice(from);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}

/** The services of a world for these servers. */
export function servicesFor(servers: readonly RunningServer[]): Parameters<typeof McpWorld.open>[0] {
  return Object.fromEntries(
    servers.map(({ port, of: { service } }) => [service, { target: port, contract: contract(service) }]),
  );
}

/** How a cell is called. */
export function cellName(client: MatrixClient, server: MatrixServer, way: Way): string {
  return `${client.name} with ${server.name}, ${way}`;
}

/** Run one cell. */
export async function runCell(world: McpWorld, client: MatrixClient, server: RunningServer, way: Way): Promise<Cell> {
  const { name, service, older, stateless } = server.of;
  const cell = { client: client.name, server: name, way };
  const isStateless = stateless === true && (way === 'serve' || client.eras.includes('stateless'));
  const none = whyNone(client, server.of, way);
  if (none !== undefined) return { ...cell, none, held: [], lacking: {}, failed: {} };
  const lacking: Lacks = {
    ...client.lacks,
    ...server.of.lacks,
    ...(isStateless ? server.of.lacksWithoutHandshake : server.of.lacksWithHandshake),
    ...(way === 'transparent' && server.of.events === true ? client.lacksOfEvents : {}),
    ...(way === 'transparent' ? server.of.lacksWith?.[client.name] : {}),
  };
  const host = `http://${service}.dark`;
  const verb = way === 'connect' ? ['connect', service] : ['serve'];
  const where =
    way === 'transparent'
      ? older === true
        ? { sse: `${host}/sse` }
        : { url: `${host}/mcp` }
      : await world.command(...verb);
  const prefix = way === 'serve' ? `${service}__` : '';
  const from = server.told().length;
  // What a kit does not offer would be waited for in vain.
  const skipped = { MATRIX_SKIP: Object.keys(lacking).join() };
  const told = await ask(client, [JSON.stringify(where), prefix, service], skipped);
  const failed: Partial<Record<Step, string>> = {};
  for (const step of steps) {
    if (lacking[step] !== undefined) continue;
    const why = told instanceof Error ? told.message : misses(step, told[step], prefix, service);
    if (why !== undefined) failed[step] = why;
  }
  if (lacking.cancel === undefined && failed.cancel === undefined) {
    await until(() => server.told(from).includes('"cancelled"'), 15_000).catch(() => {
      failed.cancel = 'the server was not told';
    });
  }
  if (server.told(from).includes('delete_all')) failed.refusal = 'it ran';
  const held = steps.filter((step) => lacking[step] === undefined && failed[step] === undefined);
  return { ...cell, held, lacking, failed };
}

function whyNone(client: MatrixClient, server: MatrixServer, way: Way): string | undefined {
  if (way !== 'transparent') {
    const onlyStateless = !client.eras.includes('handshake');
    return way === 'connect' && onlyStateless && server.stateless !== true ? 'no era in common' : undefined;
  }
  if (server.older === true && !client.older) return 'it does not speak the transport of 2024';
  const inCommon = client.eras.includes('handshake') || server.stateless === true;
  return inCommon ? undefined : 'no era in common';
}

type Told = Readonly<Record<string, unknown>>;

function ask(
  { command, after = [], env }: MatrixClient,
  task: readonly string[],
  more: Readonly<Record<string, string>>,
): Promise<Told | Error> {
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    execFile(
      file,
      [...args, ...task, ...after],
      { timeout: cellTimeoutMs, maxBuffer: 1 << 26, env: { ...process.env, ...env, ...more } },
      (error, stdout, stderr) => {
        const line = stdout.split('\n').findLast((one) => one.startsWith('{'));
        if (line !== undefined) resolve(JSON.parse(line) as Told);
        else resolve(new Error(`${error?.message.split('\n')[0] ?? 'said nothing'}: ${stderr.trim().slice(-600)}`));
      },
    );
  });
}

/** Why what a client saw is not what it should have seen. */
function misses(step: Step, seen: unknown, prefix: string, service: string): string | undefined {
  const names = (...all: string[]): string[] => all.map((name) => `${prefix}${name}`).sort();
  const same = (expected: unknown): string | undefined => {
    const [is, should] = [JSON.stringify(sorted(seen)), JSON.stringify(expected)];
    return is === should ? undefined : `${(is ?? 'nothing').slice(0, 300)}, not ${should}`;
  };
  switch (step) {
    case 'tools':
      return same(names('ask', 'big', 'count', 'search', 'slow', 'touch'));
    case 'prompts':
      return same(names('greet'));
    case 'resources':
      return same([`doc://${service}/public`]);
    case 'call':
      return same('search:3');
    case 'refusal':
      return /unknown tool/i.test(String(seen)) ? undefined : String(seen).slice(0, 300);
    case 'progress':
      return same([1, 2, 3, '3']);
    case 'cancel':
      return same(true);
    case 'elicitation':
      return same('accept me');
    case 'subscription':
      return same(`doc://${service}/public`);
    case 'large':
      return same(largeBytes);
  }
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? [...value].sort() : value;
}

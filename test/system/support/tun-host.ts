/**
 * A program for a network namespace: a real TUN entry whose corridor is a stand-in. What a destination leads to is given as data, so that a
 * test sees the network alone. Commands come as JSON lines on stdin, answers go as JSON lines to stdout, the log to stderr.
 */
import { createInterface } from 'node:readline';
import { loadNative } from 'node-tun';
import { systemClock } from '../../../main/base/clock.ts';
import { TunnelerError } from '../../../main/base/errors.ts';
import type { Admission, FlowRequest, RefusalAnswer } from '../../../main/base/flow.ts';
import { parseCidr } from '../../../main/base/ip.ts';
import type { Log } from '../../../main/base/log.ts';
import type { Reason } from '../../../main/base/reason.ts';
import type { ByteStream } from '../../../main/base/stream.ts';
import { connectTcp } from '../../../main/sockets/connect-tcp.ts';
import { connectUdp } from '../../../main/sockets/connect-udp.ts';
import { tcpStream } from '../../../main/sockets/tcp-stream.ts';
import { openTunEntry } from '../../../main/net/tun-entry.ts';
import type { TunEntryConfig } from '../../../main/net/tun-entry.ts';

export interface StandInService {
  /** A name, or a prefix. */
  readonly at: string;
  readonly to?: { readonly host: string; readonly port: number };
  /** Echoed by the stand-in itself, so that nothing but the TUN is in the way. */
  readonly echo?: boolean;
  readonly refuse?: RefusalAnswer;
  readonly delayMs?: number;
}

export interface TunHostSettings {
  readonly journalDir: string;
  readonly config?: TunEntryConfig;
  readonly services: readonly StandInService[];
  /** Look up who owns each flow's socket while it is held. */
  readonly owners?: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as TunHostSettings;
let services = settings.services;
const joined = new Set<ByteStream>();
const native = loadNative();
let admitted = 0;
let failure: Reason | undefined;
let owner: unknown;

function line(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function logger(bound: Readonly<Record<string, unknown>>): Log {
  const write =
    (level: string) =>
    (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const error = fields['error'];
      const text =
        error instanceof Error ? { error: `${error.message} ${JSON.stringify((error as TunnelerError).details)}` } : {};
      process.stderr.write(`${JSON.stringify({ level, event, ...bound, ...fields, ...text })}\n`);
    };
  return {
    trace: () => undefined,
    debug: () => undefined,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => logger({ ...bound, ...fields }),
  };
}

function serviceOf(request: FlowRequest): StandInService | undefined {
  const { hostname, address = '' } = request.destination;
  return services.find(({ at }) => {
    if (at.startsWith('*.')) return hostname?.endsWith(at.slice(1)) === true;
    return at === hostname || (hostname === undefined && parseCidr(at)?.contains(address) === true);
  });
}

async function admit(request: FlowRequest, options: { readonly signal: AbortSignal }): Promise<Admission> {
  admitted += 1;
  const reason: Reason = { code: 'policy.refused', sentence: 'the stand-in says so' };
  if (native.ok && settings.owners === true) {
    const { source, destination } = request;
    const socket = native.native.socketOwner(
      request.protocol,
      source.address,
      source.port,
      destination.address ?? '',
      destination.port,
    );
    const held = socket === null ? [] : [...(await native.native.socketHolders([socket.inode]))];
    owner = socket === null ? null : { uid: socket.uid, pids: held.filter((_, index) => index % 2 === 1) };
  }
  const service = serviceOf(request);
  if (service === undefined) return { kind: 'refused', reason, answer: 'reset' };
  if (service.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, service.delayMs));
  if (service.echo === true) return { kind: 'dialled', join: echo, abandon: () => undefined };
  const { to } = service;
  if (to === undefined) return { kind: 'refused', reason, answer: service.refuse ?? 'reset' };
  const dial = { ...to, timeoutMs: 5_000, clock: systemClock, signal: options.signal };
  try {
    const remote = request.protocol === 'tcp' ? tcpStream(await connectTcp(dial)) : await connectUdp(dial);
    return { kind: 'dialled', join: (local) => join(local, remote), abandon: () => remote.reset() };
  } catch (error) {
    const refused = error instanceof TunnelerError && error.code === 'sockets.refused';
    return { kind: 'refused', reason, answer: refused ? 'reset' : 'host-unreachable' };
  }
}

/** Both ways, each side waiting for the other. */
function join(local: ByteStream, remote: ByteStream): void {
  joined.add(local);
  const carry = (from: ByteStream, to: ByteStream): void => {
    from.start({
      data: (chunk) => {
        if (!to.write(chunk)) from.pause();
      },
      end: () => to.end(),
      drain: () => to.resume(),
      closed: (error) => {
        joined.delete(local);
        if (error !== undefined) to.reset();
      },
    });
  };
  carry(local, remote);
  carry(remote, local);
}

function echo(local: ByteStream): void {
  joined.add(local);
  local.start({
    data: (chunk) => {
      if (!local.write(chunk)) local.pause();
    },
    end: () => local.end(),
    drain: () => local.resume(),
    closed: () => joined.delete(local),
  });
}

interface Command {
  readonly do: 'services' | 'prefixes' | 'status' | 'collect' | 'reset' | 'close';
  readonly services?: readonly StandInService[];
  readonly prefixes?: readonly string[];
  readonly bypass?: readonly string[];
}

const closing = new AbortController();
const entry = await openTunEntry(
  {
    admit,
    isReachable: (destination) => {
      const service = serviceOf({ entry: 'tun', protocol: 'tcp', source: { address: '', port: 0 }, destination });
      return Promise.resolve(service?.to !== undefined || service?.echo === true);
    },
    resolveRemote: (question) =>
      Promise.resolve({
        status: 0,
        records: [
          {
            name: question.name,
            type: question.type,
            ttlSeconds: 30,
            data: `remote.${question.domain}`,
            priority: 7,
            port: 99,
          },
        ],
      }),
    failed: (reason) => {
      failure = reason;
    },
    journalDir: settings.journalDir,
    clock: systemClock,
    log: logger({}),
    ...(settings.config === undefined ? {} : { config: settings.config }),
  },
  { signal: closing.signal },
);

async function setServices(next: readonly StandInService[]): Promise<void> {
  services = next;
  const named = services.filter(({ at }) => parseCidr(at) === undefined);
  await entry.setNames({
    names: named.filter(({ at }) => !at.startsWith('*.')).map(({ at }) => ({ name: at, service: at })),
    wildcards: named.filter(({ at }) => at.startsWith('*.')).map(({ at }) => ({ domain: at.slice(2), service: at })),
  });
}

function heapBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function close(): Promise<void> {
  await entry[Symbol.asyncDispose]();
  line({ closed: true });
  process.exit(0);
}

process.on('SIGTERM', () => void close());
await setServices(services);
await entry.setPrefixes(services.flatMap(({ at }) => parseCidr(at)?.text ?? []));
line({ ready: entry.status() });

for await (const text of createInterface({ input: process.stdin })) {
  const command = JSON.parse(text) as Command;
  if (command.do === 'services') await setServices(command.services ?? []);
  if (command.do === 'prefixes') await entry.setPrefixes(command.prefixes ?? [], command.bypass);
  if (command.do === 'reset') for (const stream of [...joined]) stream.reset();
  if (command.do === 'close') await close();
  // Only the heap tells of a leak; how much of it the system sees is up to the allocator.
  if (command.do === 'collect') globalThis.gc?.();
  line({
    status: entry.status(),
    admitted,
    open: joined.size,
    rssBytes: process.memoryUsage().rss,
    heapBytes: heapBytes(),
    cpuMs: cpuMs(),
    failure,
    owner,
  });
}

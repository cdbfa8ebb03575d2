/**
 * The one way out of a run that has no other network: a Unix socket that only the run's sandbox holds. What comes in there is that agent's,
 * whoever in it speaks; it is handed on to the engine's own proxy, or to its endpoint for models,
 * and known there by the connection it came by.
 */
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Endpoint } from '../../base/flow.ts';
import type { Clock } from '../../base/clock.ts';
import { insidePorts } from '../../base/inside-ports.ts';
import { canonicalAddress, parseHostPort } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { SharedRate } from './shared-rate.ts';

/** Longest first line of the PROXY protocol, version 1 (haproxy.org, proxy-protocol.txt 2.1). */
const maxHeaderBytes = 107;
/** More connections at a time are closed at once. */
const maxConnections = 4_096;

/** Both ends of a connection as they stand inside the run. */
export interface InnerEnds {
  readonly source: Endpoint;
  readonly via: Endpoint;
}

/** Whose gate it is, and where what comes in goes. */
export interface RunGateDeps {
  /** A directory of this run's own; made here where it is not there. */
  readonly directory: string;
  /** Whose sandbox it is: may connect, beside root. */
  readonly uid: number | undefined;
  /** `host:port` of the engine's proxy. */
  readonly proxy: string;
  /** The same of its endpoint for models, opened where there is none yet. */
  readonly models: () => Promise<string>;
  readonly log: Log;
  readonly clock: Clock;
  /** Bytes a second each way, for all its connections together. */
  readonly bandwidth: number | undefined;
  /** A connection to either stands, from this end of ours; disposed when it ends. */
  readonly opened: (outer: InnerEnds, inner: InnerEnds) => Disposable;
}

/** An open gate. */
export interface RunGate extends AsyncDisposable {
  /** The socket. */
  readonly path: string;
  /** Close, and leave nothing: the run has ended. An engine that only stops leaves the directory, which the run's sandbox has in sight. */
  remove(): Promise<void>;
}

/** Rejects where the socket cannot be made. */
export async function openRunGate(deps: RunGateDeps): Promise<RunGate> {
  const { directory, uid, log, clock, bandwidth } = deps;
  const path = join(directory, 'way.sock');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const rates = bandwidth === undefined ? undefined : [0, 1].map(() => new SharedRate(clock, bandwidth));
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (sockets.size >= maxConnections) return void socket.destroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', (error) => log.debug('agents.gate_client', { error: String(error) }));
    serve(socket, deps, rates).catch((error: unknown) => {
      log.debug('agents.gate_failed', { error: String(error) });
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  if (uid !== undefined && uid !== process.getuid?.()) for (const one of [directory, path]) chownSync(one, uid, -1);
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    path,
    async remove() {
      await close();
      rmSync(directory, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: close,
  };
}

async function serve(socket: Socket, deps: RunGateDeps, rates: readonly SharedRate[] | undefined): Promise<void> {
  const inner = await readEnds(socket);
  if (inner === undefined) return void socket.destroy();
  const place = inner.via.port === insidePorts.models ? await deps.models() : deps.proxy;
  if (socket.destroyed) return;
  const { host, port } = parseHostPort(place, 'gate');
  const outer = connect({ host, port, allowHalfOpen: true, noDelay: true });
  outer.on('error', () => socket.destroy());
  socket.on('close', () => outer.destroy());
  outer.once('connect', () => {
    const source = endpoint(outer.localAddress, outer.localPort);
    const known = deps.opened({ source, via: endpoint(outer.remoteAddress, outer.remotePort) }, inner);
    const [out, back] = (rates ?? []).map((rate) => rate.stream());
    outer.on('close', () => {
      known[Symbol.dispose]();
      // What came whole still has its turn to wait for.
      if (back?.writableEnded === true && !back.readableEnded) back.once('end', () => socket.destroySoon());
      else socket.destroySoon();
    });
    (out === undefined ? socket : socket.pipe(out)).pipe(outer);
    (back === undefined ? outer : outer.pipe(back)).pipe(socket);
    socket.on('close', () => [out, back].forEach((one) => one?.destroy()));
  });
}

/** The first line, `PROXY TCP4 SOURCE DESTINATION SPORT DPORT`; undefined where something else comes. */
async function readEnds(socket: Socket): Promise<InnerEnds | undefined> {
  let header = '';
  while (!header.endsWith('\r\n')) {
    if (header.length >= maxHeaderBytes) return undefined;
    // A byte at a time: what follows is the proxy's to read.
    const byte = socket.read(1) as Buffer | null;
    if (byte !== null) header += byte.toString('latin1');
    else if (!(await readable(socket))) return undefined;
  }
  const match = /^PROXY TCP[46] (\S+) (\S+) (\d{1,5}) (\d{1,5})\r\n$/.exec(header);
  const [, source, destination, sourcePort, destinationPort] = match ?? [];
  if (match === null) return undefined;
  return { source: endpoint(source, Number(sourcePort)), via: endpoint(destination, Number(destinationPort)) };
}

function readable(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (is: boolean) => (): void => {
      socket.off('readable', onReadable).off('close', onClose).off('end', onClose);
      resolve(is);
    };
    const onReadable = done(true);
    const onClose = done(false);
    socket.on('readable', onReadable).on('close', onClose).on('end', onClose);
  });
}

function endpoint(address = '', port = 0): Endpoint {
  return { address: canonicalAddress(address) ?? address, port };
}

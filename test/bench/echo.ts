/** Small exchanges through the router: added latency, connections a second, memory with many idle connections. */
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../support/child.ts';
import { quantile } from './figures.ts';
import { residentBytes } from './process.ts';

const echoServer = `
  const server = require('node:net').createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1', 20000, () => console.log('listening on ' + server.address().port));
`;

/** A TCP server that sends back what it gets; a process of its own, for a process has so many descriptors only. */
export async function openEcho(): Promise<Target & AsyncDisposable> {
  const logFile = join(tmpdir(), `culvert-bench-echo-${process.pid}.log`);
  const child = new Child(process.execPath, ['-e', echoServer], { logFile });
  await child.until('the echo server to listen', (text) => text.includes('listening'));
  const port = Number(/listening on (\d+)/.exec(child.output())?.[1]);
  return { address: '127.0.0.1', port, [Symbol.asyncDispose]: () => child.stop() };
}

/** Where to connect. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Connected, and one byte there and back. */
export async function openConnection({ address, port }: Target): Promise<Socket> {
  const socket = connect({ port, host: address, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  await ping(socket);
  return socket;
}

/** Milliseconds of one byte there and back. */
export function ping(socket: Socket): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onClose);
      settle();
    };
    const onData = (): void => done(() => resolve(performance.now() - start));
    const onClose = (): void => done(() => reject(new Error('the connection closed')));
    socket.once('data', onData);
    socket.once('close', onClose);
    socket.write('x');
  });
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** `count` round trips on one connection, milliseconds. */
export async function measureLatency(target: Target, count: number): Promise<Latency> {
  const socket = await openConnection(target);
  const values: number[] = [];
  for (let i = 0; i < count; i += 1) values.push(await ping(socket));
  socket.destroy();
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
}

/** Connect, one byte there and back, close; `count` in all, `parallel` at a time; connections a second. */
export async function measureConnections(target: Target, count: number, parallel: number): Promise<number> {
  const start = performance.now();
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      (await openConnection(target)).destroy();
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return count / ((performance.now() - start) / 1000);
}

/** So many connections that stay, 16 opened at a time. */
export async function openConnections(target: Target, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const worker = async (): Promise<void> => {
    for (let left = Math.ceil(count / 16); left > 0; left -= 1) sockets.push(await openConnection(target));
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return sockets;
}

/** What idle connections cost: bytes of resident memory each, of each process asked for, and how many could be opened. */
export interface IdleCost {
  readonly opened: number;
  readonly bytesEach: readonly number[];
  /** Why it stopped short of what was asked for. */
  readonly stopped?: string;
}

/** Both sides have their quiet collections by then; Go's runs every two minutes and at twice the heap, which opening passed many times. */
const settleMs = 10_000;

/** Opens connections until `count` stand idle or one is refused, and reads the processes' resident memory. */
export async function measureIdle(target: Target, count: number, pids: readonly number[]): Promise<IdleCost> {
  const before = pids.map(residentBytes);
  const sockets: Socket[] = [];
  let stopped: string | undefined;
  while (sockets.length < count && stopped === undefined) {
    const batch = Math.min(50, count - sockets.length);
    for (const result of await Promise.allSettled(Array.from({ length: batch }, () => openConnection(target)))) {
      if (result.status === 'fulfilled') sockets.push(result.value);
      else stopped = String(result.reason);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const after = pids.map(residentBytes);
  for (const socket of sockets) socket.destroy();
  const bytesEach = after.map((bytes, i) => (bytes - (before[i] ?? 0)) / sockets.length);
  return { opened: sockets.length, bytesEach, ...(stopped === undefined ? {} : { stopped }) };
}

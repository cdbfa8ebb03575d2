/** A proxy under test, the clients that ask it, and what its flows are admitted to. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import type { Admission, FlowRequest, RefusalAnswer } from '../../main/base/flow.ts';
import { silentLog } from '../../main/base/log.ts';
import { openProxy } from '../../main/net/proxy/proxy.ts';
import type { Proxy, ProxyDeps } from '../../main/net/proxy/proxy.ts';
import { splice } from '../../main/net/proxy/splice.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';

export const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

export const at = { host: '127.0.0.1', port: 0 };

export async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends back whatever comes, and ends after the client did. */
export function echoServer(): Promise<number> {
  return listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }),
  );
}

/** Connections that wait to be accepted at a port of 127.0.0.1 (`proc_pid_net(5)`: a listening socket's receive queue). */
export function waitingAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const row = rows.find((columns) => columns[1] === local && columns[3] === '0A');
  return parseInt(row?.[4]?.split(':')[1] ?? '0', 16);
}

/** Admits everything to one local port, as the corridor would to a service. */
export function admitTo(port: number, seen: FlowRequest[] = []): ProxyDeps['admit'] {
  return async (request): Promise<Admission> => {
    seen.push(request);
    if (request.protocol === 'udp') {
      const remote = await connectUdp({ host: '127.0.0.1', port });
      return { kind: 'dialled', join: (local) => splice(local, remote), abandon: () => remote.reset() };
    }
    const remote = tcpStream(await connectTcp({ host: '127.0.0.1', port, timeoutMs: 2000, clock: systemClock }));
    return { kind: 'dialled', join: (local) => splice(local, remote), abandon: () => remote.reset() };
  };
}

export const refuse =
  (answer: RefusalAnswer): ProxyDeps['admit'] =>
  () =>
    Promise.resolve({
      kind: 'refused',
      answer,
      reason: { code: 'policy.refused', sentence: 'Service “plc” is closed today.', next: 'Come back tomorrow.' },
    });

export const pass: ProxyDeps['admit'] = () =>
  Promise.resolve({ kind: 'pass', reason: { code: 'intercept.no_match', sentence: 'No service claims it.' } });

export async function proxy(admit: ProxyDeps['admit'], more: Partial<ProxyDeps> = {}): Promise<Proxy> {
  const opened = await openProxy({ listen: at, admit, clock: systemClock, log: silentLog, ...more });
  cleanUps.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

export async function client(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  cleanUps.push(() => socket.destroy());
  return socket;
}

/** Exactly so many bytes from a paused-mode socket; fewer where it ended. */
export async function take(socket: Socket, lengthBytes: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(lengthBytes) as Buffer | null;
    if (bytes !== null) return bytes;
    if (socket.readableEnded || socket.destroyed) return Buffer.alloc(0);
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

export async function all(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString();
  return text;
}

export function connectRequest(host: string, port: number, command = 1): Buffer {
  const name = Buffer.from(host);
  return Buffer.concat([Buffer.of(5, command, 0, 3, name.length), name, Buffer.of(port >> 8, port & 255)]);
}

export async function socksConnect(port: number, request: Buffer): Promise<{ socket: Socket; reply: Buffer }> {
  const socket = await client(port);
  socket.write(Buffer.of(5, 2, 0, 2));
  expect(await take(socket, 2)).toEqual(Buffer.of(5, 0));
  socket.write(request);
  return { socket, reply: await take(socket, 10) };
}

export const httpGet = (
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: string,
) =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, headers, method, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import type { Admit, Admission, FlowRequest, RefusalAnswer } from '../../main/base/flow.ts';
import { silentLog } from '../../main/base/log.ts';
import { openForward } from '../../main/net/proxy/forward.ts';
import { openProxy } from '../../main/net/proxy/proxy.ts';
import type { Proxy, ProxyDeps } from '../../main/net/proxy/proxy.ts';
import { splice } from '../../main/net/proxy/splice.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { ManualClock } from '../support/manual-clock.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const at = { host: '127.0.0.1', port: 0 };

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends back whatever comes, and ends after the client did. */
function echoServer(): Promise<number> {
  return listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }),
  );
}

/** Connections that wait to be accepted at a port of 127.0.0.1 (`proc_pid_net(5)`: a listening socket's receive queue). */
function waitingAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const row = rows.find((columns) => columns[1] === local && columns[3] === '0A');
  return parseInt(row?.[4]?.split(':')[1] ?? '0', 16);
}

/** Admits everything to one local port, as the corridor would to a service. */
function admitTo(port: number, seen: FlowRequest[] = []): ProxyDeps['admit'] {
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

const refuse =
  (answer: RefusalAnswer): ProxyDeps['admit'] =>
  () =>
    Promise.resolve({
      kind: 'refused',
      answer,
      reason: { code: 'policy.refused', sentence: 'Service “plc” is closed today.', next: 'Come back tomorrow.' },
    });

const pass: ProxyDeps['admit'] = () =>
  Promise.resolve({ kind: 'pass', reason: { code: 'intercept.no_match', sentence: 'No service claims it.' } });

async function proxy(admit: ProxyDeps['admit'], more: Partial<ProxyDeps> = {}): Promise<Proxy> {
  const opened = await openProxy({ listen: at, admit, clock: systemClock, log: silentLog, ...more });
  cleanUps.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

async function client(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  cleanUps.push(() => socket.destroy());
  return socket;
}

/** Exactly so many bytes from a paused-mode socket; fewer where it ended. */
async function take(socket: Socket, lengthBytes: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(lengthBytes) as Buffer | null;
    if (bytes !== null) return bytes;
    if (socket.readableEnded || socket.destroyed) return Buffer.alloc(0);
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

async function all(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString();
  return text;
}

function connectRequest(host: string, port: number, command = 1): Buffer {
  const name = Buffer.from(host);
  return Buffer.concat([Buffer.of(5, command, 0, 3, name.length), name, Buffer.of(port >> 8, port & 255)]);
}

async function socksConnect(port: number, request: Buffer): Promise<{ socket: Socket; reply: Buffer }> {
  const socket = await client(port);
  socket.write(Buffer.of(5, 2, 0, 2));
  expect(await take(socket, 2)).toEqual(Buffer.of(5, 0));
  socket.write(request);
  return { socket, reply: await take(socket, 10) };
}

const httpGet = (port: number, path: string, headers: Record<string, string> = {}, method = 'GET', body?: string) =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, headers, method, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

describe('SOCKS5', () => {
  it('connects by name, IPv4 and IPv6, and says who asks for what', async () => {
    const seen: FlowRequest[] = [];
    const { endpoint } = await proxy(admitTo(await echoServer(), seen));
    const requests = [
      connectRequest('Build.Dark', 443),
      Buffer.of(5, 1, 0, 1, 10, 20, 0, 7, 1, 246),
      Buffer.from([5, 1, 0, 4, 0xfd, 0, ...new Array<number>(13).fill(0), 7, 0, 80]),
      connectRequest('10.20.0.8', 502),
    ];
    for (const request of requests) {
      const { socket, reply } = await socksConnect(endpoint.port, request);
      expect(reply).toEqual(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
      socket.write('ping');
      expect((await take(socket, 4)).toString()).toBe('ping');
    }
    expect(seen.map((request) => request.destination)).toEqual([
      { hostname: 'build.dark', port: 443 },
      { address: '10.20.0.7', port: 502 },
      { address: 'fd00::7', port: 80 },
      { address: '10.20.0.8', port: 502 },
    ]);
    expect(seen[0]).toMatchObject({
      entry: 'socks5',
      protocol: 'tcp',
      via: endpoint,
      source: { address: '127.0.0.1' },
    });
  });

  it('keeps bytes sent ahead of the answer, half-closes, and carries a large stream whole', async () => {
    const { endpoint } = await proxy(admitTo(await echoServer()));
    const socket = await client(endpoint.port);
    const payload = Buffer.alloc(3_000_000, 'abcdefghij');
    socket.write(Buffer.concat([Buffer.of(5, 1, 0), connectRequest('x.dark', 1), payload]));
    socket.end();
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    const answer = Buffer.concat(parts);
    expect(answer.subarray(0, 2)).toEqual(Buffer.of(5, 0));
    expect(answer.subarray(12).equals(payload)).toBe(true);
  });

  it.each([
    ['reset', 5],
    ['prohibited', 2],
    ['host-unreachable', 4],
    ['timeout', 6],
  ] as const)('answers a refusal by %s with code %i and closes', async (answer, code) => {
    const { endpoint } = await proxy(refuse(answer));
    const { socket, reply } = await socksConnect(endpoint.port, connectRequest('x.dark', 1));
    expect(reply[1]).toBe(code);
    expect(await all(socket)).toBe('');
  });

  it('refuses what it does not speak: other methods, BIND, unknown addresses, port 0, SOCKS 4', async () => {
    const { endpoint } = await proxy(admitTo(1));
    const authOnly = await client(endpoint.port);
    authOnly.write(Buffer.of(5, 1, 2));
    expect(await take(authOnly, 2)).toEqual(Buffer.of(5, 255));
    expect((await socksConnect(endpoint.port, connectRequest('x.dark', 1, 2))).reply[1]).toBe(7);
    expect((await socksConnect(endpoint.port, Buffer.of(5, 1, 0, 9, 0, 0, 0))).reply[1]).toBe(8);
    expect((await socksConnect(endpoint.port, connectRequest('x.dark', 0))).reply[1]).toBe(1);
    expect((await socksConnect(endpoint.port, connectRequest('no name!', 1))).reply[1]).toBe(1);
    const four = await client(endpoint.port);
    four.write(Buffer.of(4, 1, 0, 80, 0, 0, 0, 1, 0));
    expect((await take(four, 8))[1]).toBe(0x5b);
  });

  it('gives up a dial whose client has gone, and abandons one that comes too late', async () => {
    let abandoned = 0;
    let aborted = 0;
    let asked: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => (asked = resolve));
    const { endpoint } = await proxy((_request, { signal }) => {
      asked?.();
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted += 1;
          resolve({ kind: 'dialled', join: () => expect.unreachable(), abandon: () => (abandoned += 1) });
        });
      });
    });
    const socket = await client(endpoint.port);
    socket.write(Buffer.concat([Buffer.of(5, 1, 0), connectRequest('x.dark', 1)]));
    await waiting;
    socket.destroy();
    await expect.poll(() => [aborted, abandoned]).toEqual([1, 1]);
  });

  it('ends a handshake that is not done within ten seconds, however slowly it drips', async () => {
    const clock = new ManualClock();
    const { endpoint } = await proxy(refuse('reset'), { clock });
    const silent = await client(endpoint.port);
    const slow = await client(endpoint.port);
    const http = await client(endpoint.port);
    slow.write(Buffer.of(5));
    http.write('GET http://x.dark/ HTTP/1.1\r\nX: ');
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(9_000);
    slow.write(Buffer.of(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([silent, slow, http].map((socket) => socket.readyState)).toEqual(['open', 'open', 'open']);
    clock.advance(1_000);
    await Promise.all([silent, slow, http].map((socket) => all(socket).catch(() => '')));
    expect(clock.pending()).toBe(0);
  });
});

describe('SOCKS5 UDP ASSOCIATE', () => {
  const datagram = (host: string, port: number, payload: string, fragment = 0): Buffer =>
    Buffer.concat([
      Buffer.of(0, 0, fragment, 3, host.length),
      Buffer.from(host),
      Buffer.of(port >> 8, port & 255),
      Buffer.from(payload),
    ]);

  async function udpEcho(): Promise<number> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanUps.push(() => socket.close());
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
    return socket.address().port;
  }

  async function associate(deps: { admit: ProxyDeps['admit'] } & Partial<ProxyDeps>) {
    const { endpoint } = await proxy(deps.admit, deps);
    const { socket, reply } = await socksConnect(endpoint.port, Buffer.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
    const relay = { address: [...reply.subarray(4, 8)].join('.'), port: reply.readUInt16BE(8) };
    const udp = createSocket('udp4').bind(0, '127.0.0.1');
    await once(udp, 'listening');
    cleanUps.push(() => udp.close());
    const got: Buffer[] = [];
    udp.on('message', (bytes) => got.push(bytes));
    return { socket, reply, relay, udp, got, send: (bytes: Buffer) => udp.send(bytes, relay.port, relay.address) };
  }

  it('opens one flow for each destination and heads the answers with where they come from', async () => {
    const seen: FlowRequest[] = [];
    const { reply, relay, udp, got, send } = await associate({ admit: admitTo(await udpEcho(), seen) });
    expect(reply[1]).toBe(0);
    expect(relay.address).toBe('127.0.0.1');
    send(datagram('a.dark', 53, 'one'));
    send(datagram('a.dark', 53, 'two'));
    send(datagram('b.dark', 53, 'three'));
    await expect.poll(() => got.length).toBe(3);
    expect(got.map(String).sort()).toEqual(
      [datagram('a.dark', 53, 'one'), datagram('a.dark', 53, 'two'), datagram('b.dark', 53, 'three')]
        .map(String)
        .sort(),
    );
    expect(seen.map((request) => request.destination.hostname).sort()).toEqual(['a.dark', 'b.dark']);
    expect(seen[0]).toMatchObject({
      protocol: 'udp',
      source: { address: '127.0.0.1', port: udp.address().port },
      via: relay,
    });
  });

  it('refuses fragments, other senders and nonsense, and asks no more for a refused destination for a while', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const { relay, send } = await associate({
      clock,
      admit: (request, options) => {
        asked += 1;
        return refuse('prohibited')(request, options);
      },
    });
    send(datagram('a.dark', 53, 'x', 1));
    send(Buffer.from('nonsense'));
    send(Buffer.alloc(3));
    send(datagram('a.dark', 53, 'x'));
    await expect.poll(() => asked).toBe(1);
    const stranger = createSocket('udp4').bind(0, '127.0.0.1');
    await once(stranger, 'listening');
    stranger.send(datagram('b.dark', 53, 'x'), relay.port, relay.address);
    send(datagram('a.dark', 53, 'x'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toBe(1);
    clock.advance(3_000);
    send(datagram('a.dark', 53, 'x'));
    await expect.poll(() => asked).toBe(2);
    stranger.close();
  });

  it('ends with its control connection, and its flows when they fall silent', async () => {
    const clock = new ManualClock();
    const echo = await udpEcho();
    let closed = 0;
    const { socket, relay, got, send, udp } = await associate({
      clock,
      admit: async () => {
        const remote = await connectUdp({ host: '127.0.0.1', port: echo });
        const join = (local: Parameters<typeof splice>[0]): void => {
          local.start({
            data: (chunk) => void remote.write(chunk),
            end: () => undefined,
            drain: () => undefined,
            closed: () => {
              closed += 1;
              remote.reset();
            },
          });
          remote.start({
            data: (chunk) => void local.write(chunk),
            end: () => undefined,
            drain: () => undefined,
            closed: () => undefined,
          });
        };
        return { kind: 'dialled', join, abandon: () => remote.reset() };
      },
    });
    send(datagram('a.dark', 1, 'x'));
    await expect.poll(() => got.length).toBe(1);
    clock.advance(50_000);
    expect(closed).toBe(0);
    clock.advance(15_000);
    await expect.poll(() => closed).toBe(1);
    send(datagram('a.dark', 1, 'x'));
    await expect.poll(() => got.length).toBe(2);
    socket.destroy();
    await expect.poll(() => closed).toBe(2);
    const probe = createSocket('udp4');
    probe.bind(relay.port, relay.address);
    await once(probe, 'listening');
    probe.close();
    expect(udp.address().port).toBeGreaterThan(0);
  });
});

describe('HTTP', () => {
  it('tunnels CONNECT, and only says so after the dial', async () => {
    const seen: FlowRequest[] = [];
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const admit = admitTo(await echoServer(), seen);
    const { endpoint } = await proxy(async (request, options) => {
      await held;
      return admit(request, options);
    });
    const socket = await client(endpoint.port);
    socket.write('CONNECT [fd00::7]:443 HTTP/1.1\r\nHost: x\r\n\r\nearly');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket.read()).toBeNull();
    release?.();
    const answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
    expect((await take(socket, answer.length)).toString()).toBe(answer);
    expect((await take(socket, 5)).toString()).toBe('early');
    expect(seen[0]).toMatchObject({
      entry: 'http-connect',
      destination: { address: 'fd00::7', port: 443 },
      via: endpoint,
    });
  });

  it.each([
    ['reset', 502],
    ['prohibited', 403],
    ['host-unreachable', 502],
    ['timeout', 504],
  ] as const)(
    'answers a refusal by %s with status %i and the reason, to CONNECT and plain requests',
    async (answer, status) => {
      const { endpoint } = await proxy(refuse(answer));
      const socket = await client(endpoint.port);
      socket.write('CONNECT plc.dark:502 HTTP/1.1\r\n\r\n');
      const text = await all(socket);
      expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(text).toContain('Culvert-Reason: policy.refused');
      expect(text).toContain('Service “plc” is closed today.\nCome back tomorrow.');
      const plain = await httpGet(endpoint.port, 'http://plc.dark/');
      expect(plain.status).toBe(status);
      expect(plain.headers['culvert-reason']).toBe('policy.refused');
      expect(plain.body).toContain('closed today');
    },
  );

  it('forwards plain requests with their bodies, without the headers of this hop', async () => {
    const seen: FlowRequest[] = [];
    const backend = await listening(
      createHttpServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          response.setHeader('Set-Cookie', ['a=1', 'b=2']);
          response.setHeader('X-Hop', 'x');
          response.writeHead(201, { Connection: 'X-Hop' });
          response.end(JSON.stringify({ url: request.url, headers: request.headers, body, method: request.method }));
        });
      }),
    );
    const { endpoint } = await proxy(admitTo(backend, seen));
    const headers = { 'Proxy-Connection': 'keep-alive', 'Proxy-Authorization': 'Basic c2VjcmV0', 'X-Own': 'yes' };
    const got = await httpGet(endpoint.port, 'http://user:pw@web.dark/a?b=c', headers, 'POST', 'payload');
    expect(got.status).toBe(201);
    expect(got.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(got.headers['x-hop']).toBeUndefined();
    const reached = JSON.parse(got.body) as {
      url: string;
      headers: Record<string, string>;
      body: string;
      method: string;
    };
    expect(reached).toMatchObject({ url: '/a?b=c', body: 'payload', method: 'POST' });
    expect(reached.headers).toMatchObject({ host: 'web.dark', 'x-own': 'yes', via: '1.1 culvert' });
    expect(reached.headers).not.toHaveProperty('proxy-authorization');
    expect(reached.headers).not.toHaveProperty('proxy-connection');
    expect(seen[0]?.destination).toEqual({ hostname: 'web.dark', port: 80 });
  });

  it('sends requests for several hosts of one kept-alive connection each its own way', async () => {
    const seen: FlowRequest[] = [];
    const backend = await listening(createHttpServer((request, response) => response.end(request.headers.host)));
    const { endpoint } = await proxy(admitTo(backend, seen));
    const socket = await client(endpoint.port);
    for (const host of ['a.dark', 'b.dark:8080', 'c.dark']) {
      socket.write(`GET http://${host}/ HTTP/1.1\r\nHost: wrong\r\n\r\n`);
      let text = '';
      while (!text.endsWith('0\r\n\r\n') && !text.endsWith(host)) {
        text += String((await once(socket, 'data'))[0]);
      }
      expect(text).toContain(host);
    }
    expect(seen.map(({ destination }) => `${destination.hostname}:${destination.port}`)).toEqual([
      'a.dark:80',
      'b.dark:8080',
      'c.dark:80',
    ]);
  });

  it('refuses requests for itself, other schemes, nonsense and oversized heads', async () => {
    const { endpoint } = await proxy(admitTo(1));
    expect((await httpGet(endpoint.port, '/')).status).toBe(400);
    expect((await httpGet(endpoint.port, 'ftp://x.dark/')).status).toBe(400);
    const bad = await client(endpoint.port);
    bad.write('GET http://x.dark/ NONSENSE\r\n\r\n');
    expect(await all(bad)).toMatch(/^HTTP\/1.1 400 /);
    const authority = await client(endpoint.port);
    authority.write('CONNECT x.dark HTTP/1.1\r\n\r\n');
    expect(await all(authority)).toMatch(/^HTTP\/1.1 400 /);
    const huge = await client(endpoint.port);
    huge.write(`GET http://x.dark/ HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`);
    expect(await all(huge)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('answers 502 where the service closes without an answer', async () => {
    const backend = await listening(createServer((socket) => socket.destroy()));
    const { endpoint } = await proxy(admitTo(backend));
    expect((await httpGet(endpoint.port, 'http://x.dark/')).status).toBe(502);
  });

  it('answers 502 where the session is cut the moment it begins', async () => {
    const admit: Admit = () =>
      Promise.resolve({ kind: 'dialled', join: (local) => local.reset(), abandon: () => undefined });
    const { endpoint } = await proxy(admit);
    expect((await httpGet(endpoint.port, 'http://x.dark/')).status).toBe(502);
  });

  it('serves curl, with http, with a tunnel and with SOCKS', async () => {
    const backend = await listening(createHttpServer((_request, response) => response.end('dark hello')));
    const { endpoint } = await proxy(admitTo(backend));
    const where = `127.0.0.1:${endpoint.port}`;
    for (const args of [
      ['-x', `http://${where}`],
      ['-p', '-x', `http://${where}`],
      ['-x', `socks5h://${where}`],
    ]) {
      const said = await new Promise<string>((resolve, reject) => {
        execFile('curl', ['-sS', '--max-time', '10', ...args, 'http://hello.dark/'], (error, stdout) =>
          error === null ? resolve(stdout) : reject(error),
        );
      });
      expect(said).toBe('dark hello');
    }
  });
});

describe('the proxy port', () => {
  it.skipIf(process.platform !== 'linux')('queues a thousand that connect before it can accept any', async () => {
    const { endpoint } = await proxy(pass);
    const sockets = Array.from({ length: 1000 }, () => connect({ port: endpoint.port, host: '127.0.0.1' }));
    for (const socket of sockets) socket.on('error', () => undefined);
    cleanUps.push(() => sockets.forEach((socket) => socket.destroy()));
    // They connect at the end of this turn, before the loop comes round to accepting.
    const waiting = await new Promise<number>((resolve) => process.nextTick(() => resolve(waitingAt(endpoint.port))));
    expect(waiting).toBe(1000);
  });

  it('goes direct where that is allowed, and otherwise refuses with the reason', async () => {
    const echo = await echoServer();
    const closed = await proxy(pass);
    expect((await socksConnect(closed.endpoint.port, connectRequest('127.0.0.1', echo))).reply[1]).toBe(2);
    expect((await httpGet(closed.endpoint.port, `http://127.0.0.1:${echo}/`)).status).toBe(403);
    const open = await proxy(pass, { passThrough: true });
    const { socket, reply } = await socksConnect(open.endpoint.port, connectRequest('localhost', echo));
    expect(reply[1]).toBe(0);
    socket.end('direct');
    expect(await all(socket)).toBe('direct');
    const free = await listening(createServer());
    cleanUps.pop()?.();
    expect((await socksConnect(open.endpoint.port, connectRequest('127.0.0.1', free))).reply[1]).toBe(5);
  });

  it('says that its port is in use, and listens only on loopback unless told otherwise', async () => {
    const first = await proxy(pass);
    const again = proxy(pass, { listen: { host: '127.0.0.1', port: first.endpoint.port } });
    await expect(again).rejects.toMatchObject({
      code: 'net.address_in_use',
      message: expect.stringContaining('another port'),
    });
    await expect(proxy(pass, { listen: { host: '0.0.0.0', port: 0 } })).rejects.toMatchObject({
      code: 'net.listen_not_loopback',
    });
    const remote = await proxy(pass, { listen: { host: '0.0.0.0', port: 0 }, allowRemote: true });
    expect(remote.endpoint.port).toBeGreaterThan(0);
    const six = await proxy(pass, { listen: { host: '::1', port: 0 } });
    expect(six.endpoint.address).toBe('::1');
  });

  it('ends handshakes and associations when it closes, and frees its port', async () => {
    const stop = new AbortController();
    const opened = await openProxy(
      { listen: at, admit: () => new Promise(() => undefined), clock: systemClock, log: silentLog },
      { signal: stop.signal },
    );
    const { port } = opened.endpoint;
    const idle = await client(port);
    const half = await client(port);
    half.write('GET http://x.dark/ HTTP/1.1\r\n');
    const tunnel = await client(port);
    tunnel.write('CONNECT x.dark:1 HTTP/1.1\r\n\r\n');
    const plain = await client(port);
    plain.write('GET http://x.dark/ HTTP/1.1\r\nHost: x\r\n\r\n');
    const { socket: association } = await socksConnect(port, Buffer.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ended = [idle, half, tunnel, plain, association].map((socket) => all(socket).catch(() => ''));
    stop.abort();
    await Promise.all(ended);
    await opened[Symbol.asyncDispose]();
    const next = createServer().listen(port, '127.0.0.1');
    await once(next, 'listening');
    next.close();
  });

  it('survives whatever is thrown at it', async () => {
    const { endpoint } = await proxy(refuse('reset'));
    const start = fc.constantFrom<Buffer[]>(
      Buffer.alloc(0),
      Buffer.of(5),
      Buffer.of(5, 1, 0),
      Buffer.of(5, 1, 0, 5, 1, 0, 3),
      Buffer.of(5, 1, 0, 5, 3, 0, 1),
      Buffer.from('GET '),
      Buffer.from('CONNECT '),
      Buffer.from('POST http://x.dark/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'),
    );
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 600 }), fc.boolean(), async (head, tail, abrupt) => {
        const socket = await client(endpoint.port);
        socket.write(Buffer.concat([head, tail]));
        if (abrupt) socket.resetAndDestroy();
        else socket.end();
        await all(socket).catch(() => '');
        cleanUps.pop();
      }),
      { numRuns: 400 },
    );
    expect((await socksConnect(endpoint.port, connectRequest('x.dark', 1))).reply[1]).toBe(5);
  });
});

describe('a forwarded port', () => {
  it('reaches its one service, early bytes and half-close included', async () => {
    const seen: FlowRequest[] = [];
    const echo = await echoServer();
    const opened = await openForward({
      service: 'plc',
      listen: at,
      admit: admitTo(echo, seen),
      clock: systemClock,
      log: silentLog,
    });
    cleanUps.push(() => opened[Symbol.asyncDispose]());
    const socket = await client(opened.endpoint.port);
    socket.end('hello plc');
    expect(await all(socket)).toBe('hello plc');
    expect(seen[0]).toMatchObject({ entry: 'forward', service: 'plc', protocol: 'tcp' });
  });

  it('resets a refused connection', async () => {
    const opened = await openForward({
      service: 'plc',
      listen: at,
      admit: refuse('prohibited'),
      clock: systemClock,
      log: silentLog,
    });
    cleanUps.push(() => opened[Symbol.asyncDispose]());
    const socket = connect(opened.endpoint.port, '127.0.0.1');
    socket.resume();
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('gives up a dial when the application resets its connection', async () => {
    let aborted = false;
    const opened = await openForward({
      service: 'plc',
      listen: at,
      clock: systemClock,
      log: silentLog,
      admit: (_request, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            resolve({ kind: 'refused', answer: 'reset', reason: { code: 'base.cancelled', sentence: 'gone' } });
          });
        }),
    });
    cleanUps.push(() => opened[Symbol.asyncDispose]());
    const socket = await client(opened.endpoint.port);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.resetAndDestroy();
    await expect.poll(() => aborted).toBe(true);
  });
});

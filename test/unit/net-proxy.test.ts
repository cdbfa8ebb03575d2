import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserPlaces, type PlacedClient } from '../../main/base/user-places.ts';
import { systemClock } from '../../main/base/clock.ts';
import type { FlowRequest } from '../../main/base/flow.ts';
import { silentLog } from '../../main/base/log.ts';
import { openForward } from '../../main/net/proxy/forward.ts';
import { openProxy } from '../../main/net/proxy/proxy.ts';
import {
  admitTo,
  all,
  at,
  cleanUps,
  client,
  connectRequest,
  echoServer,
  httpGet,
  listening,
  pass,
  proxy,
  refuse,
  socksConnect,
  waitingAt,
} from '../support/proxy-world.ts';

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

  it('serves who asks though 3,000 connections of the same user say nothing', async () => {
    const echo = await echoServer();
    const { endpoint } = await proxy(admitTo(echo));
    const idle: Socket[] = [];
    cleanUps.push(() => idle.forEach((socket) => socket.destroy()));
    for (let batch = 0; batch < 30; batch += 1) {
      const more = Array.from({ length: 100 }, () => connect(endpoint.port, '127.0.0.1').on('error', () => undefined));
      idle.push(...more);
      await Promise.all(more.map((socket) => once(socket, 'connect')));
    }
    expect((await socksConnect(endpoint.port, connectRequest('x.dark', 1))).reply[1]).toBe(0);
  });

  it('keeps one user’s connections from taking another’s places, and some for its own user', () => {
    const places = new UserPlaces((uid) => uid === 0, { eachUser: 2, others: 3, owner: 2 });
    const put: number[] = [];
    const guest = (uid: number, id: number, idle = false): PlacedClient => ({
      uid,
      isIdle: () => idle,
      dismiss: () => void put.push(id),
    });
    expect([places.take(guest(7, 1)), places.take(guest(7, 2)), places.take(guest(7, 3))]).toEqual([true, true, false]);
    expect(places.take(guest(8, 4, true))).toBe(true);
    // All places of others are taken: only one of its own that is idle makes room.
    expect(places.take(guest(9, 5))).toBe(false);
    expect(places.take(guest(8, 6))).toBe(true);
    expect(put).toEqual([4]);
    expect([places.take(guest(0, 7)), places.take(guest(0, 8)), places.take(guest(0, 9))]).toEqual([true, true, false]);
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

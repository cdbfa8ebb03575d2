import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { FlowRequest } from '../../main/base/flow.ts';
import type { ProxyDeps } from '../../main/net/proxy/proxy.ts';
import type { splice } from '../../main/net/proxy/splice.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  admitTo,
  all,
  cleanUps,
  client,
  connectRequest,
  echoServer,
  proxy,
  refuse,
  socksConnect,
  take,
} from '../support/proxy-world.ts';

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

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { DatagramFlow } from '../../main/sockets/datagram-flow.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { socketPair } from '../support/socket-pair.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink } from '../support/recording-sink.ts';

describe('a TCP socket', () => {
  it('turns a reset of the peer into sockets.reset', async () => {
    const pair = await socketPair();
    const sink = RecordingSink.on(tcpStream(pair.client));
    pair.server.resetAndDestroy();
    await sink.until(() => sink.closes === 1);
    expect(sink.error?.code).toBe('sockets.reset');
    pair.close();
  });

  it('sends a reset, not an end, when it is reset', async () => {
    const pair = await socketPair();
    const stream = tcpStream(pair.client);
    const failed = once(pair.server, 'error') as Promise<[NodeJS.ErrnoException]>;
    pair.server.resume();
    stream.start(new RecordingSink());
    stream.reset();
    expect((await failed)[0].code).toBe('ECONNRESET');
    pair.close();
  });
});

describe('opening a TCP connection', () => {
  it('names a refusal, a time-out and a cancellation', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    await expect(connectTcp({ host: '127.0.0.1', port, timeoutMs: 1000, clock: systemClock })).rejects.toMatchObject({
      code: 'sockets.refused',
      details: { errno: 'ECONNREFUSED' },
    });

    const clock = new ManualClock();
    // TEST-NET-1 (RFC 5737): never answers; where there is no route at all the error comes first.
    const slow = connectTcp({ host: '192.0.2.1', port: 9, timeoutMs: 300, clock });
    clock.advance(300);
    await expect(slow).rejects.toMatchObject({ code: expect.stringMatching(/base\.timeout|sockets\.unreachable/) });
    expect(clock.pending()).toBe(0);

    const stop = new AbortController();
    const given = connectTcp({ host: '192.0.2.1', port: 9, timeoutMs: 300, clock, signal: stop.signal });
    stop.abort();
    await expect(given).rejects.toMatchObject({ code: 'base.cancelled' });
  });
});

describe('a datagram flow', () => {
  it('queues a few datagrams for a reader to come, drops the rest, and counts them', async () => {
    const flow = new DatagramFlow({ send: () => true, closed: () => undefined }, 2);
    expect([1, 2, 3].map((size) => flow.deliver(new Uint8Array(size)))).toEqual([true, true, false]);
    const sink = RecordingSink.on(flow);
    await sink.until(() => sink.chunks.length === 2);
    expect(flow.dropped).toBe(1);
    flow.reset();
    await sink.until(() => sink.closes === 1);
    expect(sink.error?.code).toBe('sockets.reset');
  });
});

describe('a connected UDP socket', () => {
  it('follows a peer that answers from a port of its own choosing, and no other address', async () => {
    const server = createSocket('udp4');
    const transfer = createSocket('udp4');
    const stranger = createSocket('udp4');
    for (const socket of [server, transfer, stranger])
      await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
    const got: string[] = [];
    server.on('message', (datagram, from) => {
      got.push(`server ${datagram.toString('hex')}`);
      transfer.send(Buffer.of(0, 3, 0, 1, 7), from.port, from.address, () =>
        stranger.send(Buffer.of(0, 5), from.port, from.address),
      );
    });
    transfer.on('message', (datagram) => got.push(`transfer ${datagram.toString('hex')}`));
    const { port } = server.address();
    const stream = await connectUdp({ host: '127.0.0.1', port, answersFromNewPort: true });
    const sink = RecordingSink.on(stream);
    stream.write(Buffer.from([0, 1, 0x61]));
    await sink.until(() => sink.length > 0);
    stream.write(Buffer.of(0, 4, 0, 1));
    await expect.poll(() => got).toEqual(['server 000161', 'transfer 00040001']);
    // A new request goes to the port it is meant for.
    stream.write(Buffer.from([0, 2, 0x62]));
    await expect.poll(() => got.at(-1)).toBe('server 000262');
    expect(sink.bytes().includes(5)).toBe(false);
    stream.end();
    for (const socket of [server, transfer, stranger]) socket.close();
  });

  it('keeps the boundaries of datagrams both ways, and hears its own peer only', async () => {
    const peer = createSocket('udp4').bind(0, '127.0.0.1');
    const stranger = createSocket('udp4').bind(0, '127.0.0.1');
    await Promise.all([once(peer, 'listening'), once(stranger, 'listening')]);
    const stream = await connectUdp({ host: 'localhost', port: peer.address().port, localAddress: '127.0.0.1' });
    const sink = RecordingSink.on(stream);
    const arrived: number[] = [];
    let from = 0;
    peer.on('message', (bytes, source) => {
      arrived.push(bytes.length);
      from = source.port;
      if (arrived.length === 3) {
        stranger.send('intruder', from, '127.0.0.1', () => peer.send(new Uint8Array(9000), from, '127.0.0.1'));
      }
    });
    for (const size of [1, 1400, 200]) stream.write(new Uint8Array(size));
    await sink.until(() => sink.chunks.length === 1);
    expect(arrived).toEqual([1, 1400, 200]);
    expect(sink.chunks[0]?.length).toBe(9000);
    stream.end();
    await sink.until(() => sink.closes === 1);
    expect(sink.error).toBeUndefined();
    peer.close();
    stranger.close();
  });

  it('outlives an ICMP port unreachable', async () => {
    const gone = createSocket('udp4').bind(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address();
    await new Promise<void>((resolve) => gone.close(() => resolve()));
    const stream = await connectUdp({ host: '127.0.0.1', port });
    const sink = RecordingSink.on(stream);
    stream.write(new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.write(new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sink.closes).toBe(0);
    stream.end();
  });
});

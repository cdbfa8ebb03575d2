import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { DatagramFlow } from '../../main/sockets/datagram-flow.ts';
import { duplexEnd } from '../../main/sockets/duplex-end.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink, byteStreamConformance, datagramConformance } from '../conformance/byte-stream.ts';
import type { StreamPair } from '../conformance/byte-stream.ts';

async function socketPair(): Promise<{ client: Socket; server: Socket; close(): void }> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = await connectTcp({ host: '127.0.0.1', port, timeoutMs: 5000, clock: systemClock });
  const [server] = await accepted;
  return { client, server, close: () => void listener.close() };
}

byteStreamConformance('a TCP socket', async () => {
  const pair = await socketPair();
  return { near: tcpStream(pair.client), far: tcpStream(pair.server), close: pair.close };
});

byteStreamConformance('a duplex end', (): Promise<StreamPair> => {
  const near = duplexEnd();
  const far = duplexEnd();
  near.duplex.pipe(far.duplex).pipe(near.duplex);
  near.duplex.on('close', () => near.duplex.errored && far.duplex.destroy(near.duplex.errored));
  far.duplex.on('close', () => far.duplex.errored && near.duplex.destroy(far.duplex.errored));
  return Promise.resolve({ near: near.stream, far: far.stream });
});

datagramConformance('a connected UDP socket', async () => {
  const first = createSocket('udp4');
  const second = createSocket('udp4');
  const portOf = async (socket: typeof first): Promise<number> => {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    return port;
  };
  const [a, b] = [await portOf(first), await portOf(second)];
  const near = await connectUdp({ host: '127.0.0.1', port: b, localAddress: '127.0.0.1', localPort: a });
  const far = await connectUdp({ host: '127.0.0.1', port: a, localAddress: '127.0.0.1', localPort: b });
  return { near, far };
});

describe('a TCP socket', () => {
  it('turns a reset of the peer into sockets.reset', async () => {
    const pair = await socketPair();
    const sink = new RecordingSink();
    tcpStream(pair.client).start(sink);
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
    const sink = new RecordingSink();
    flow.start(sink);
    await sink.until(() => sink.chunks.length === 2);
    expect(flow.dropped).toBe(1);
    flow.reset();
    await sink.until(() => sink.closes === 1);
    expect(sink.error?.code).toBe('sockets.reset');
  });
});

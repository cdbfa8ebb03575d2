import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { askedBy } from '../../main/hosting/broadcast-address.ts';
import { finderOf, type Finder } from '../../main/hosting/finders.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { Askers, type AskEverybodyOptions } from '../../main/sockets/ask-everybody.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink } from '../support/recording-sink.ts';

const finder = (port: number): Finder => {
  const found = finderOf(port);
  if (found === undefined) throw new Error('no finder');
  return found;
};
const enip = finder(44818);
const bacnet = finder(47808);

/** ListIdentity and its answer, as captured from pycomm3 and a controller: CIP Volume 2 section 2-4.2. */
const listIdentity = Uint8Array.from([0x63, ...Array.from({ length: 23 }, () => 0)]);
const identity = Uint8Array.from([0x63, 0, 8, 0, ...Array.from({ length: 20 }, () => 0), 1, 0, 0x0c, 0, 2, 0, 1, 0]);
/** Global Who-Is: original broadcast, to all networks (DNET 65535), unconfirmed request 8. */
const whoIs = Uint8Array.of(0x81, 0x0b, 0, 12, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 8);
/** I-Am of device 599, as it tells everybody. */
const iAm = Uint8Array.of(0x81, 0x0b, 0, 20, 1, 0, 0x10, 0, 0xc4, 2, 0, 2, 0x57, 0x22, 4, 0, 0x91, 0, 0x21, 15);
/** WriteProperty, a confirmed request. */
const write = Uint8Array.of(0x81, 0x0b, 0, 12, 1, 4, 0, 5, 1, 15, 0x0c, 0);

/** The same question as it goes out: to this network alone. */
const localWhoIs = bacnetFrame(0x0b, [1, 0, 0x10, 8]);

function bacnetFrame(carried: number, message: readonly number[]): Uint8Array {
  return Uint8Array.of(0x81, carried, 0, 4 + message.length, ...message);
}

describe('what is asked of everybody', () => {
  it('is the question and nothing else', () => {
    const context = [1, 2, 3, 4, 5, 6, 7, 8];
    const withContext = Uint8Array.from([...listIdentity.subarray(0, 12), ...context, 0, 0, 0, 0]);
    for (const asked of [listIdentity, withContext]) expect(enip.question(asked)).toEqual(asked);
    expect(enip.question(Uint8Array.from([...listIdentity, 0]))).toBeUndefined();
    expect(enip.question(listIdentity.subarray(0, 23))).toBeUndefined();
    expect(enip.question(listIdentity.with(0, 0x6f))).toBeUndefined();
    // A length, session, status or options.
    for (const at of [1, 2, 4, 8, 11, 20]) expect(enip.question(listIdentity.with(at, 1))).toBeUndefined();
    for (const other of [iAm, write, whoIs.with(11, 2), whoIs.with(10, 0), whoIs.with(3, 11), whoIs.with(1, 5)]) {
      expect(bacnet.question(other)).toBeUndefined();
    }
  });

  it.each([
    ['to all networks', whoIs, localWhoIs],
    ['to this one', localWhoIs, localWhoIs],
    ['as to one machine', bacnetFrame(0x0a, [1, 0, 0x10, 8]), localWhoIs],
    ...[
      [8, 0x09, 5, 0x19, 5],
      [8, 0x0a, 2, 0x57, 0x1b, 0x3f, 0xff, 0xff],
      [7, 0x2c, 0, 0, 0, 1],
      [7, 0x09, 0, 0x1a, 1, 0, 0x2c, 0, 0, 0, 1],
      [7, 0x3b, 0, 0x54, 0x31],
      [7, 0x3d, 6, 0, ...Buffer.from('Speed')],
    ].map((asked) => {
      const frame = bacnetFrame(0x0b, [1, 0, 0x10, ...asked]);
      return [`as ${asked.join(' ')}`, frame, frame] as const;
    }),
  ] as const)('goes out to this network alone: Who-Is and Who-Has %s', (_name, asked, sent) => {
    expect(bacnet.question(asked)).toEqual(sent);
  });

  it.each([
    // With an address of the asker's choosing, which devices would answer to.
    ['passed on', bacnetFrame(4, [192, 0, 2, 7, 0xba, 0xc0, 1, 0, 0x10, 8])],
    ['for one other network', bacnetFrame(0x0b, [1, 0x20, 0, 7, 0, 0xff, 0x10, 8])],
    ['for one device of all networks', bacnetFrame(0x0b, [1, 0x20, 0xff, 0xff, 1, 9, 0xff, 0x10, 8])],
    ['from another network', bacnetFrame(0x0b, [1, 8, 0, 7, 1, 9, 0x10, 8])],
    ['with bytes behind it', bacnetFrame(0x0b, [1, 0, 0x10, 8, 0])],
    ['with one half of a range', bacnetFrame(0x0b, [1, 0, 0x10, 8, 0x09, 5])],
    ['with a range of none', bacnetFrame(0x0b, [1, 0, 0x10, 8, 0x09, 6, 0x19, 5])],
    ['with a range of more than there are', bacnetFrame(0x0b, [1, 0, 0x10, 8, 0x09, 6, 0x1b, 0x40, 0, 0])],
    ['for no object', bacnetFrame(0x0b, [1, 0, 0x10, 7])],
    ['for an object and more', bacnetFrame(0x0b, [1, 0, 0x10, 7, 0x2c, 0, 0, 0, 1, 0])],
    ['for a name that counts more than there is', bacnetFrame(0x0b, [1, 0, 0x10, 7, 0x3d, 9, 0, 0x54])],
  ])('is not what comes %s', (_name, datagram) => {
    expect(bacnet.question(datagram)).toBeUndefined();
  });

  it('is no question whatever the bytes, unless it begins as one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom([], [...localWhoIs]), (bytes, before) => {
        const datagram = Uint8Array.from([...before, ...bytes]);
        expect(enip.question(datagram) === undefined || datagram[0] === 0x63).toBe(true);
        expect([undefined, 0x0b]).toContain(bacnet.question(datagram)?.[1]);
      }),
      { numRuns: fuzzRounds(500) },
    );
  });

  it('is answered with the address of who answers', () => {
    const from = { address: '10.20.0.7', port: 47808 };
    expect(enip.answer(identity, from)).toEqual(identity);
    expect(enip.answer(listIdentity, from)).toBeUndefined();
    const told = bacnet.answer(iAm, from) ?? new Uint8Array();
    expect([...told.subarray(0, 10)]).toEqual([0x81, 4, 0, 26, 10, 20, 0, 7, 0xba, 0xc0]);
    expect(told.subarray(10)).toEqual(iAm.subarray(4));
    // Told on by another router already.
    expect(bacnet.answer(told, { address: '10.20.0.1', port: 47808 })).toEqual(told);
    expect(bacnet.answer(whoIs, from)).toBeUndefined();
  });
});

describe('a broadcast address', () => {
  it("is the last of a network of this host's, and asks whoever is in it", () => {
    const list = () => [
      { family: 'IPv4', address: '10.20.0.1', netmask: '255.255.255.0' },
      { family: 'IPv4', address: '10.9.0.1', netmask: '255.255.255.254' },
    ];
    const asked = (address: string, sender: string): boolean | undefined => askedBy(address, list)?.(sender);
    expect(asked('10.20.0.255', '10.20.0.7')).toBe(true);
    expect(asked('10.20.0.255', '10.21.0.7')).toBe(false);
    expect(asked('255.255.255.255', '10.21.0.7')).toBe(true);
    for (const one of ['10.20.0.7', '10.21.0.255', '10.9.0.1', 'press']) expect(askedBy(one, list)).toBeUndefined();
  });
});

describe('asking everybody', () => {
  const sockets: Socket[] = [];
  const streams: ByteStream[] = [];
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.end();
    for (const socket of sockets.splice(0)) socket.close();
  });
  const bound = async (port = 0): Promise<Socket> => {
    const socket = createSocket('udp4');
    sockets.push(socket);
    socket.bind(port);
    await once(socket, 'listening');
    return socket;
  };
  /** A port nobody has. */
  const freePort = async (): Promise<number> => {
    const socket = await bound();
    const { port } = socket.address();
    sockets.pop();
    await new Promise<void>((resolve) => void socket.close(resolve));
    return port;
  };
  const asking = async (askers: Askers, options: Omit<AskEverybodyOptions, 'address' | 'question' | 'answer'>) => {
    const stream = await askers.ask({ address: '127.255.255.255', ...enip, ...options });
    streams.push(stream);
    return { stream, sink: RecordingSink.on(stream) };
  };

  it('brings the answers of all who are there, and sends nothing but the question', async () => {
    const arrived: number[] = [];
    const device = await bound();
    device.on('message', (datagram, from) => {
      arrived.push(datagram.length);
      device.send(identity, from.port, from.address);
      device.send(Buffer.from('no identity'), from.port, from.address);
    });
    const { stream, sink } = await asking(new Askers(new ManualClock()), { port: device.address().port });
    stream.write(Buffer.from('anything else'));
    stream.write(listIdentity);
    await sink.until(() => sink.bytes().length >= identity.length);
    expect(new Uint8Array(sink.bytes())).toEqual(identity);
    expect(arrived).toEqual([24]);
  });

  it('sends a few questions a second, and says how many it did not send', async () => {
    const clock = new ManualClock();
    let arrived = 0;
    const device = await bound();
    device.on('message', (_datagram, from) => {
      arrived += 1;
      device.send(identity, from.port, from.address);
    });
    let dropped = 0;
    const { port } = device.address();
    const { stream, sink } = await asking(new Askers(clock), { port, dropped: (count) => (dropped = count) });
    for (let count = 0; count < 100; count += 1) stream.write(listIdentity);
    await sink.until(() => sink.chunks.length === 4);
    clock.advance(1_000);
    stream.write(listIdentity);
    await sink.until(() => sink.chunks.length === 5);
    stream.end();
    expect([arrived, dropped]).toEqual([5, 96]);
  });

  it('tells each answer to all who ask by one port, and shares that port with no other program', async () => {
    const askers = new Askers(new ManualClock());
    const localPort = await freePort();
    const device = await bound();
    device.on('message', (_datagram, from) => device.send(identity, localPort, from.address));
    const { port } = device.address();
    const [one, other] = await Promise.all([asking(askers, { port, localPort }), asking(askers, { port, localPort })]);
    one.stream.write(listIdentity);
    for (const { sink } of [one, other]) await sink.until(() => sink.length === identity.length);
    other.stream.end();
    one.stream.write(listIdentity);
    await one.sink.until(() => one.sink.length === 2 * identity.length);
    expect(other.sink.length).toBe(identity.length);
    // While somebody asks, and while another program does, the port is that one's alone.
    await expect(
      new Askers(new ManualClock()).ask({ address: '127.255.255.255', port, localPort, ...enip }),
    ).rejects.toThrow(`another program of the host has UDP port ${localPort}`);
    one.stream.end();
    const again = await asking(askers, { port, localPort });
    again.stream.end();
    const program = createSocket({ type: 'udp4', reuseAddr: true });
    sockets.push(program);
    program.bind(localPort);
    await once(program, 'listening');
    await expect(asking(askers, { port, localPort })).rejects.toThrow(
      `another program of the host has UDP port ${localPort}`,
    );
  });
});

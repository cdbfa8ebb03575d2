import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isBroadcastAddress } from '../../main/hosting/broadcast-address.ts';
import { finderOf, type Finder } from '../../main/hosting/finders.ts';
import { askEverybody } from '../../main/sockets/ask-everybody.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
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

describe('what is asked of everybody', () => {
  it('is the question and nothing else', () => {
    expect(enip.isQuestion(listIdentity)).toBe(true);
    expect(enip.isQuestion(Uint8Array.from([...listIdentity, 0]))).toBe(false);
    expect(enip.isQuestion(listIdentity.with(0, 0x6f))).toBe(false);
    expect(bacnet.isQuestion(whoIs)).toBe(true);
    expect(bacnet.isQuestion(whoIs.with(11, 7))).toBe(true);
    for (const other of [iAm, write, whoIs.with(11, 2), whoIs.with(10, 0), whoIs.with(3, 11), whoIs.with(1, 5)]) {
      expect(bacnet.isQuestion(other)).toBe(false);
    }
  });

  it('is no question whatever the bytes, unless it begins as one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(enip.isQuestion(bytes) && bytes[0] !== 0x63).toBe(false);
        expect(bacnet.isQuestion(bytes) && bytes[0] !== 0x81).toBe(false);
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
  it("is the last of a network of this host's", () => {
    const list = () => [
      { family: 'IPv4', address: '10.20.0.1', netmask: '255.255.255.0' },
      { family: 'IPv4', address: '10.9.0.1', netmask: '255.255.255.254' },
    ];
    expect(['10.20.0.255', '255.255.255.255'].map((one) => isBroadcastAddress(one, list))).toEqual([true, true]);
    expect(['10.20.0.7', '10.21.0.255', '10.9.0.1', 'press'].map((one) => isBroadcastAddress(one, list))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('asking everybody', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  it('brings the answers of all who are there, and sends nothing but the question', async () => {
    const arrived: number[] = [];
    const device = createSocket('udp4');
    sockets.push(device);
    device.on('message', (datagram, from) => {
      arrived.push(datagram.length);
      device.send(identity, from.port, from.address);
      device.send(Buffer.from('no identity'), from.port, from.address);
    });
    device.bind(0);
    await once(device, 'listening');
    const stream = await askEverybody({ address: '127.255.255.255', port: device.address().port, ...enip });
    const sink = RecordingSink.on(stream);
    stream.write(Buffer.from('anything else'));
    stream.write(listIdentity);
    await sink.until(() => sink.bytes().length >= identity.length);
    expect(new Uint8Array(sink.bytes())).toEqual(identity);
    expect(arrived).toEqual([24]);
    stream.end();
  });
});

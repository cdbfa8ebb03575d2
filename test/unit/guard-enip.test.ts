import { describe, expect, it } from 'vitest';
import { driveFloor } from '../support/floor-driver.ts';
import { enip, hex } from '../support/floor-frames.ts';

const readTag = enip.tag(0x4c, 'COUNTS', [1, 0]);
const writeTag = enip.tag(0x4d, 'COUNTS', [0xc4, 0, 1, 0, 7, 0, 0, 0]);

/** Message, as the record names it. */
const forbidden: readonly (readonly [string, readonly number[]])[] = [
  ['write-tag', writeTag],
  ['write-tag-fragmented', enip.tag(0x53, 'COUNTS', [0xc4, 0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0])],
  ['read-modify-write-tag', enip.tag(0x4e, 'COUNTS', [1, 0, 1, 1])],
  ['set-attribute-single', enip.of(0x10, 1, 1, [7, 0])],
  ['reset', enip.of(0x05, 1, 1)],
  ['stop', enip.of(0x07, 0x8e, 1)],
  ['create', enip.of(0x08, 0x37, 0)],
  ['open-io-connection', enip.of(0x54, 6, 1, [...Array<number>(34).fill(0), 0x01, 2, 0x20, 4, 0x24, 1])],
  ['pccc-write', enip.of(0x4b, 0x67, 1, [7, 0x4d, 0, 1, 0, 0, 0, 0x0f, 0, 1, 0, 0xaa, 2])],
  ['service-0x4c', enip.of(0x4c, 0x37, 1)],
  ['service-0x4b', enip.of(0x4b, 0xa1, 1)],
];

describe('EtherNet/IP guard', () => {
  it('lets sessions, lists and reads pass, wrapped or not', () => {
    const driver = driveFloor('enip', { allow: 'read' });
    const asked = [
      enip.frame(0x63, [], 0),
      enip.frame(0x65, [1, 0, 0, 0], 0),
      enip.unconnected(readTag),
      enip.unconnected(enip.send(readTag), 2),
      enip.unconnected(enip.of(0x01, 1, 1), 3),
      enip.unconnected(enip.of(0x0a, 2, 1, [2, 0, 6, 0, 6 + readTag.length, 0, ...readTag, ...readTag]), 4),
      enip.unconnected(enip.of(0x5b, 6, 1, [...Array<number>(38).fill(0), 0xa3, 2, 0x20, 2, 0x24, 1]), 5),
      enip.connected(9, 1, readTag),
    ];
    for (const frame of asked) driver.app(frame);
    expect(driver.outcome.toService).toEqual(Buffer.concat(asked));
    driver.service(enip.unconnected([0xcc, 0, 0, 0, 0xc4, 0, 1, 0, 0, 0]));
    expect(driver.outcome.calls.at(-1)).toMatchObject({ method: 'read-tag', target: 'COUNTS', failed: false });
  });

  it.each(forbidden)('refuses %s, plain, wrapped and in a packet', (name, message) => {
    const driver = driveFloor('enip', { allow: 'read' });
    driver
      .app(enip.unconnected(message))
      .app(enip.unconnected(enip.send(message)))
      .app(enip.connected(9, 3, message));
    const packet = enip.of(0x0a, 2, 1, [2, 0, 6, 0, 6 + readTag.length, 0, ...readTag, ...message]);
    driver.app(enip.unconnected(packet));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.calls.filter((call) => call.method === name)).toHaveLength(4);
    const no = [(message[0] ?? 0) | 0x80, 0, 0x0f, 0];
    expect(driver.outcome.toApp).toEqual(
      Buffer.concat([
        ...[enip.unconnected(no), enip.unconnected(no)].map(withoutTimeout),
        withoutTimeout(enip.connected(9, 3, no)),
        withoutTimeout(enip.unconnected([0x8a, 0, 0x0f, 0])),
      ]),
    );
    expect(driver.outcome.violations).toEqual([]);
  });

  it('answers on a connection under the id that the application listens to', () => {
    const driver = driveFloor('enip', { allow: 'read' });
    const open = enip.of(0x54, 6, 1, [...Array<number>(34).fill(0), 0xa3, 2, 0x20, 2, 0x24, 1]);
    driver
      .app(enip.unconnected(open))
      .service(enip.unconnected([0xd4, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, ...Array<number>(20).fill(0)]));
    driver.forget().app(enip.connected(9, 3, writeTag));
    expect(driver.outcome.toApp).toEqual(Buffer.from(enip.connected(5, 3, [0xcd, 0, 0x0f, 0])));
  });

  it('holds to tags and objects', () => {
    const driver = driveFloor('enip', { allow: ['read', 'write'], objects: ['COUNT*', { class: 1, instance: 1 }] });
    driver
      .app(enip.unconnected(writeTag))
      .app(enip.unconnected(enip.of(0x0e, 1, 1)))
      .forget();
    driver.app(enip.unconnected(enip.tag(0x4c, 'OTHER', [1, 0]))).app(enip.unconnected(enip.of(0x0e, 1, 2)));
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual(['contract:enip.objects', 'contract:enip.objects']);
    expect(driver.outcome.toService).toHaveLength(0);
  });

  it.each([
    [
      'a byte behind the message',
      enip.frame(0x6f, [...hex('00000000 0500 0200 0000 0000 b200 0400'), ...enip.of(1, 1, 1), 0]),
    ],
    [
      'a third item',
      enip.frame(0x6f, [...hex('00000000 0500 0300 0000 0000 b200 0600'), ...enip.of(1, 1, 1), 0, 0x80, 0, 0]),
    ],
    ['a packet with something hidden between', enip.unconnected(enip.of(0x0a, 2, 1, [1, 0, 6, 0, 9, 9, ...readTag]))],
    ['a command nobody knows', enip.frame(0xc8, [])],
  ])('sends no %s on', (_name, frame) => {
    const driver = driveFloor('enip', { allow: 'read' }).app(frame);
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.toApp.length).toBeGreaterThan(0);
    expect(driver.outcome.calls).toHaveLength(1);
  });

  it('judges datagrams one by one, and drops what is none', () => {
    const driver = driveFloor('enip', { allow: 'read' }, { datagrams: true });
    driver.app(enip.frame(0x63, [], 0)).app(hex('0200 0280 0800 01000000 00000000 b100 0200 0100'));
    expect(driver.outcome.toService).toEqual(Buffer.from(enip.frame(0x63, [], 0)));
    expect(driver.outcome.violations).toEqual([]);
    expect(driver.outcome.calls).toMatchObject([{ rule: 'guard:enip.frame' }]);
  });
});

/** The application's time-out is not echoed. */
function withoutTimeout(frame: Uint8Array): Uint8Array {
  const bytes = frame.slice();
  bytes[28] = 0;
  return bytes;
}

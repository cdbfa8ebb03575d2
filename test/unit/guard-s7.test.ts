import { describe, expect, it } from 'vitest';
import { hex, s7 } from '../support/floor-frames.ts';
import { driveFloor } from '../support/floor-driver.ts';

const drive = (rules: unknown, more = {}) => {
  const driver = driveFloor('s7', rules, more);
  return driver.app(s7.connect).app(s7.setup).forget();
};
const read = (reference: number, db = 1, byte = 0, count = 1): Uint8Array =>
  s7.job(reference, [4, 1, ...s7.item(db, byte, count)]);
const write = (reference: number, db = 1, byte = 0): Uint8Array =>
  s7.job(reference, [5, 1, ...s7.item(db, byte)], [0, 4, 0, 8, 9]);
const value = (reference: number, byte: number): Uint8Array => s7.answer(reference, [4, 1], [0xff, 4, 0, 8, byte]);

/** What python-snap7 and nodes7 can ask that is not a read, as captures have it. */
const forbidden: readonly (readonly [string, Uint8Array])[] = [
  ['write-var', write(9)],
  [
    'download-request',
    s7.job(9, [0x1a, 0, 0, 0, 0, 0, 0, 0, 9, ...Buffer.from('_0A00001P'), 13, ...Buffer.from('1000060000024')]),
  ],
  ['upload-start', s7.job(9, [0x1d, 0, 0, 0, 0, 0, 0, 0, 9, ...Buffer.from('_0A00001A')])],
  ['plc-start', s7.job(9, [0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 0, 9, ...Buffer.from('P_PROGRAM')])],
  ['delete-block', s7.job(9, [0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 2, 1, 0, 5, ...Buffer.from('_DELE')])],
  ['copy-ram-to-rom', s7.job(9, [0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 2, 0x45, 0x50, 5, ...Buffer.from('_MODU')])],
  ['compress-memory', s7.job(9, [0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 0, 5, ...Buffer.from('_GARB')])],
  ['plc-stop', s7.job(9, [0x29, 0, 0, 0, 0, 0, 9, ...Buffer.from('P_PROGRAM')])],
  ['set-clock', s7.userData(9, 7, 2)],
  ['password', s7.userData(9, 5, 1)],
  ['programmer', s7.userData(9, 1, 3)],
  ['cyclic-subscribe', s7.userData(9, 2, 1)],
  ['function-144', s7.job(9, [0x90, 0])],
];

describe('S7comm guard', () => {
  it('lets the set-up, reads and lists pass, byte for byte', () => {
    const driver = driveFloor('s7', { allow: 'read' });
    const asked = [
      s7.connect,
      s7.setup,
      read(1),
      s7.job(2, [4]),
      s7.userData(3, 4, 1, [0xff, 9, 0, 4, 0, 0x11, 0, 0]),
      s7.userData(4, 3, 1),
      s7.userData(5, 7, 1),
    ];
    for (const frame of asked) driver.app(frame);
    expect(driver.outcome.toService).toEqual(Buffer.concat(asked));
    driver.service(value(1, 7));
    expect(driver.outcome.toApp).toEqual(Buffer.from(value(1, 7)));
    expect(driver.outcome.calls).toMatchObject([
      { method: 'read-var', target: 'DB1.DBB0', decision: 'allow', failed: false },
    ]);
  });

  it.each(forbidden)('refuses %s, and reads go on', (name, frame) => {
    const driver = drive({ allow: 'read' });
    driver.app(frame).app(read(10)).service(value(10, 1));
    expect(driver.outcome.toService).toEqual(Buffer.from(read(10)));
    expect(driver.outcome.calls[0]).toMatchObject({ method: name, decision: 'deny' });
    expect(driver.outcome.toApp.subarray(-value(10, 1).length)).toEqual(Buffer.from(value(10, 1)));
    expect(driver.outcome.violations).toEqual([]);
  });

  it('refuses in the words that clients understand', () => {
    const driver = drive({ allow: 'read' });
    driver.app(s7.job(0x0102, [5, 2, ...s7.item(1, 0), ...s7.item(1, 1)], [0, 4, 0, 8, 9, 0, 0, 4, 0, 8, 9]));
    expect(driver.outcome.toApp).toEqual(Buffer.from(s7.answer(0x0102, [5, 2], [3, 3])));
    driver.forget().app(s7.job(3, [0x29, 0, 0, 0, 0, 0, 9, ...Buffer.from('P_PROGRAM')]));
    expect(driver.outcome.toApp).toEqual(Buffer.from(hex('0300001402f080 32030000 0003 0001 0000 8104 29')));
    driver.forget().app(s7.userData(4, 7, 2));
    expect(driver.outcome.toApp).toEqual(
      Buffer.from(hex('0300002102f080 32070000 0004 000c 0004 0001120812870200 0000d402 0a000000')),
    );
  });

  it('holds to areas and bytes, and records values, old and new', () => {
    const driver = drive({ allow: ['read', 'write'], objects: [{ area: 'db', db: 1, from: 0, to: 9 }] });
    driver
      .app(read(1, 1, 8, 2))
      .app(read(2, 1, 9, 2))
      .app(read(3, 2))
      .app(s7.userData(4, 4, 1));
    expect(driver.outcome.toService).toEqual(Buffer.from(read(1, 1, 8, 2)));
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual(Array(3).fill('contract:s7.objects'));
    driver
      .app(read(5))
      .service(value(5, 4))
      .app(write(6))
      .service(s7.answer(6, [5, 1], [0xff]));
    driver.app(write(7, 1, 0));
    expect(driver.end().calls.filter((call) => call.method === 'write-var')).toMatchObject([
      { method: 'write-var', arguments: { objects: [{ object: 'DB1.DBB0', bytes: 1 }], values: ['09'], old: ['04'] } },
      { method: 'write-var', arguments: { values: ['09'], old: ['09'] } },
    ]);
  });

  it('takes no write whose value is larger than its place, and no answer that brings a program', () => {
    const driver = drive({ allow: ['read', 'write'] });
    driver.app(s7.job(1, [5, 1, ...s7.item(1, 0)], [0, 4, 0, 16, 9, 9]));
    driver.app(s7.answer(2, [0x1b, 0], [0, 2, 0, 0xfb, 1, 1]));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual(['guard:s7.unknown', 'contract:s7.allow']);
  });

  it('records of a long write its digest and length', () => {
    const driver = drive({ allow: 'read' });
    const count = 6_000;
    const data = [0, 4, (count * 8) >> 8, (count * 8) & 0xff, ...Array<number>(count).fill(7)];
    driver.app(s7.job(1, [5, 1, ...s7.item(1, 0, count)], data));
    expect(driver.outcome.calls).toMatchObject([
      {
        method: 'write-var',
        target: 'DB1.DBB0–5999',
        arguments: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      },
    ]);
  });

  it('names S7comm-plus, and lets it through unread where the contract says so', () => {
    const plus = s7.tpkt([0x72, 1, 0, 4, 1, 2, 3, 4]);
    const refused = driveFloor('s7', { allow: 'read' }).app(s7.connect).app(plus);
    expect(refused.outcome).toMatchObject({ violations: ['guard.floor.opaque'], notVisible: ['closed'] });
    expect(refused.outcome.toService).toEqual(Buffer.from(s7.connect));
    const open = driveFloor('s7', { allow: 'read', opaque: 'alert' })
      .app(s7.connect)
      .app(plus)
      .app(Uint8Array.of(1, 2))
      .service(plus);
    expect(open.outcome).toMatchObject({ violations: [], notVisible: ['open'] });
    expect(open.outcome.toService).toEqual(Buffer.concat([s7.connect, plus, Uint8Array.of(1, 2)]));
    expect(open.outcome.toApp).toEqual(Buffer.from(plus));
  });
});

import { createConnection, type Server } from 'node:net';
import fc from 'fast-check';
import ModbusRTU, { ServerTCP } from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import type { Reason } from '../../main/base/reason.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { isRtuFrame, rtuChecksum } from '../../main/guard/modbus/frames.ts';
import { driveFloor, type FloorDriver } from '../support/floor-driver.ts';
import { recut, type Segment } from '../support/guard-driver.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const drive = (modbus: unknown, more: Partial<GuardContext> = {}): FloorDriver => driveFloor('modbus', modbus, more);

const frame = (transaction: number, unit: number, pdu: readonly number[]): Uint8Array =>
  Uint8Array.of(transaction >> 8, transaction & 255, 0, 0, 0, pdu.length + 1, unit, ...pdu);
const read = (transaction: number, from = 0, count = 1, code = 3): Uint8Array =>
  frame(transaction, 1, [code, from >> 8, from & 255, count >> 8, count & 255]);
const write = (transaction: number, register = 0): Uint8Array =>
  frame(transaction, 1, [6, register >> 8, register & 255, 0, 9]);
const values = (transaction: number): Uint8Array => frame(transaction, 1, [3, 2, 0, 7]);
const exception = (transaction: number, code: number, number = 1): Uint8Array =>
  frame(transaction, 1, [code | 0x80, number]);

describe('Modbus guard', () => {
  it('lets reads pass and answers every write itself, with its own transaction', () => {
    const driver = drive({ allow: 'read' });
    driver.app(read(5)).service(values(5));
    expect(driver.outcome.toService).toEqual(Buffer.from(read(5)));
    expect(driver.outcome.toApp).toEqual(Buffer.from(values(5)));
    const writes: readonly (readonly number[])[] = [
      [5, 0, 1, 255, 0],
      [6, 0, 1, 0, 1],
      [15, 0, 0, 0, 3, 1, 5],
      [16, 0, 0, 0, 1, 2, 0, 9],
      [21, 9, 6, 0, 4, 0, 7, 0, 1, 0, 7],
      [22, 0, 1, 0, 0, 0, 0],
      [23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 9],
      [8, 0, 1, 0, 0],
      [8, 0, 4, 0, 0],
      [8, 0, 9, 0, 0],
      [43, 13, 1, 0],
      [43, 99],
      [90, 1, 2, 3],
    ];
    for (const [index, pdu] of writes.entries()) {
      driver.outcome.toApp = Buffer.alloc(0);
      driver.app(frame(1_000 + index, 1, pdu));
      expect(driver.outcome.toApp).toEqual(Buffer.from(exception(1_000 + index, pdu[0] ?? 0)));
    }
    expect(driver.outcome.toService).toEqual(Buffer.from(read(5)));
    expect(driver.outcome.calls.filter((call) => call.decision === 'deny')).toHaveLength(writes.length);
    expect(driver.outcome.calls[0]).toMatchObject({
      method: 'read-holding-registers',
      target: 'unit 1 holding 0',
      failed: false,
    });
  });

  it('refuses at once, whatever is still unanswered, and shifts no later answer', () => {
    const driver = drive({ allow: 'read' });
    driver.app(Buffer.concat([read(1), write(2), read(3)]));
    expect(driver.outcome.toApp).toEqual(Buffer.from(exception(2, 6)));
    driver.service(values(3)).service(values(1));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([exception(2, 6), values(3), values(1)]));
  });

  it('polls a dead unit for ever without losing the session', () => {
    const driver = drive({ allow: 'read' });
    for (let transaction = 1; transaction <= 3_000; transaction += 1) {
      driver.nowMs += 10;
      driver.app(read(transaction));
    }
    expect(driver.outcome.violations).toEqual([]);
    driver.app(write(3_001)).app(read(3_002)).service(values(3_002));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([exception(3_001, 6), values(3_002)]));
    const given = driver.outcome.calls.filter((call) => call.failed === true);
    expect(given.length).toBeGreaterThan(2_800);
    driver.nowMs += 60_000;
    driver.app(read(3_003));
    expect(driver.outcome.calls.filter((call) => call.failed === true)).toHaveLength(3_000);
  });

  it('gives answers of odd devices to the one request they can mean, and withholds the rest', () => {
    const cases: readonly {
      asked: readonly Uint8Array[];
      answered: readonly Uint8Array[];
      seen: readonly Uint8Array[];
    }[] = [
      // Unit not echoed; transaction not echoed.
      { asked: [read(5)], answered: [frame(5, 255, [3, 2, 0, 7])], seen: [values(5)] },
      { asked: [read(5)], answered: [values(0)], seen: [values(5)] },
      // Twice; late after its request was asked again; to nobody.
      { asked: [read(5)], answered: [values(5), values(5)], seen: [values(5)] },
      { asked: [], answered: [values(9)], seen: [] },
      // One without an echo while two are open could be either's.
      { asked: [read(5), read(6)], answered: [values(0)], seen: [] },
      // Another function, and a length that the request's answer cannot have.
      { asked: [read(5)], answered: [frame(0, 1, [4, 2, 0, 7]), frame(0, 1, [3, 4, 0, 7, 0, 8])], seen: [] },
    ];
    for (const { asked, answered, seen } of cases) {
      const driver = drive({ allow: 'read' });
      for (const request of asked) driver.app(request);
      for (const one of answered) driver.service(one);
      expect(driver.outcome.toApp).toEqual(Buffer.concat(seen));
      expect(driver.outcome.violations).toEqual([]);
    }
    const driver = drive({ allow: 'read' });
    driver.app(read(5)).service(values(5)).app(read(6)).service(values(5));
    expect(driver.outcome.toApp).toEqual(Buffer.from(values(5)));
    driver.service(values(6)).service(values(6));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([values(5), values(6)]));
    expect(driver.outcome.faults).toEqual(['guard.modbus.answer']);
  });

  it('takes identification, loop-back and counters for reads, and restarts for control', () => {
    const driver = drive({ allow: 'read' });
    const reads = [
      [8, 0, 0, 0xa5, 0x37],
      [43, 14, 1, 0],
      [7],
      [17],
      ...[2, 11, 12, 13, 14, 15, 16, 17, 18].map((sub) => [8, 0, sub, 0, 0]),
    ];
    for (const [index, pdu] of reads.entries()) driver.app(frame(index, 1, pdu));
    expect(driver.outcome.calls).toEqual([]);
    const all = drive({ allow: 'write' });
    for (const sub of [1, 3, 4, 10, 20]) all.app(frame(sub, 1, [8, 0, sub, 0, 0]));
    expect(all.outcome.toService).toHaveLength(0);
    expect(new Set(all.outcome.calls.map((call) => call.rule))).toEqual(new Set(['contract:modbus.allow']));
    const named = drive({ allow: [3, '8/1', '43/14'] });
    named
      .app(frame(1, 1, [8, 0, 1, 0, 0]))
      .app(frame(2, 1, [8, 0, 4, 0, 0]))
      .app(frame(3, 1, [43, 14, 1, 0]));
    expect(named.outcome.calls.map((call) => call.method)).toEqual(['force-listen-only']);
    for (const code of [90, '8/9', '3/0', '43/1', 8.5]) {
      expect(() => parseEngagement({ modbus: { allow: [code] } }, 'test')).toThrow(/contract of test/);
    }
  });

  it.each([
    ['no registers', [3, 0, 0, 0, 0], 3],
    ['too many registers', [3, 0, 0, 0, 126], 3],
    ['an end past the table', [3, 255, 255, 0, 2], 2],
    ['a byte behind it', [3, 0, 0, 0, 1, 0], 3],
    ['a function without data that carries a frame', [7, 0, 1, 0, 0, 0, 6, 1, 6, 0, 1, 0, 9], 3],
    ['a coil neither on nor off', [5, 0, 1, 0, 1], 3],
    ['fewer values than it counts', [16, 0, 0, 0, 2, 2, 0, 9], 3],
    ['a loop-back of odd length', [8, 0, 0, 1], 3],
    ['a loop-back with another request in it', [8, 0, 0, 0, 0, 0, 6, 1, 6, 0, 1, 0, 9], 3],
    ['a sub-function nobody knows', [8, 0, 99, 0, 0], 1],
    ['a function nobody knows', [65], 1],
  ] as const)('answers %s with the exception that says so', (_name, pdu, number) => {
    const driver = drive({ allow: [3, 5, 7, 8, 16] });
    driver.app(frame(1, 1, [...pdu]));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.toApp).toEqual(Buffer.from(exception(1, pdu[0], number)));
  });

  it('holds reads and writes to ranges of their own, a unit at a time, and writes to values and a rate', () => {
    const driver = drive({
      allow: 'write',
      read: [{ from: 0, to: 99 }],
      write: [
        { table: 'holding', from: 10, to: 19, units: [1], max: 9, rate: { writes: 2, perSeconds: 60 } },
        { table: 'holding', from: 30, to: 39, units: [2] },
      ],
    });
    const refusal = (request: Uint8Array): number | undefined => {
      driver.outcome.toApp = Buffer.alloc(0);
      driver.app(request);
      return driver.outcome.toApp.at(-1);
    };
    expect(refusal(read(1, 99))).toBe(undefined);
    expect(refusal(read(2, 100))).toBe(2);
    expect(refusal(write(3, 10))).toBe(undefined);
    expect(refusal(write(4, 30))).toBe(2);
    expect(refusal(frame(5, 2, [6, 0, 30, 0, 200]))).toBe(undefined);
    expect(refusal(frame(6, 1, [6, 0, 11, 0, 10]))).toBe(3);
    expect(refusal(frame(7, 1, [22, 0, 11, 0, 0, 0, 1]))).toBe(3);
    expect(refusal(write(8, 11))).toBe(undefined);
    expect(refusal(write(9, 12))).toBe(6);
    driver.nowMs += 60_000;
    expect(refusal(write(10, 12))).toBe(undefined);
  });

  it('records address, count and values, and what was there before', () => {
    const driver = drive({ allow: 'write' });
    driver.app(read(1, 40, 2)).service(frame(1, 1, [3, 4, 0, 7, 0, 8]));
    driver.app(frame(2, 1, [16, 0, 41, 0, 2, 4, 0, 9, 0, 10])).service(frame(2, 1, [16, 0, 41, 0, 2]));
    driver.app(frame(3, 1, [6, 0, 42, 1, 0])).service(frame(3, 1, [6, 0, 42, 1, 0]));
    expect(driver.outcome.calls.map((call) => call.arguments)).toEqual([
      { unit: 1, registers: [{ access: 'read', table: 'holding', address: 40, count: 2 }] },
      {
        unit: 1,
        registers: [{ access: 'write', table: 'holding', address: 41, count: 2, values: [9, 10], old: [8, null] }],
      },
      { unit: 1, registers: [{ access: 'write', table: 'holding', address: 42, count: 1, values: [256], old: [10] }] },
    ]);
    const refused = drive({ allow: 'read' });
    refused.app(write(1, 5));
    expect(refused.outcome.calls).toMatchObject([
      { decision: 'deny', arguments: { registers: [{ address: 5, count: 1, values: [9] }] } },
    ]);
    const valued = drive({ allow: 'read' }, { recordValues: true });
    valued.app(read(1)).service(values(1));
    expect(valued.outcome.calls).toMatchObject([{ arguments: { read: [7] } }]);
  });

  it('judges each datagram by itself', () => {
    const driver = drive({ allow: 'read' }, { datagrams: true });
    driver
      .app(Buffer.concat([read(1), write(2)]))
      .app(read(3).slice(0, 9))
      .app(read(4))
      .app(write(5));
    expect(driver.outcome.toService).toEqual(Buffer.from(read(4)));
    expect(driver.outcome.toApp).toEqual(Buffer.from(exception(5, 6)));
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual([
      'guard:modbus.request',
      'guard:modbus.request',
      'contract:modbus.allow',
    ]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('sends nothing that a serial device without the header would read as a request', () => {
    let alike = 0;
    for (let high = 0; high < 256; high += 1) {
      for (let code = 1; code <= 6; code += 1) {
        const serial = Uint8Array.of(high, code, 0, 0, 0, 6);
        const sum = rtuChecksum(serial);
        if (sum >> 8 < 1 || sum >> 8 > 4) continue;
        const request = Uint8Array.of(...serial, sum & 0xff, sum >> 8, 0, 0, 0, 1);
        expect(isRtuFrame(request)).toBe(true);
        alike += 1;
        const driver = drive({ allow: [1, 2, 3, 4] });
        driver.app(read(9)).service(values(9));
        driver.outcome.toService = Buffer.alloc(0);
        driver.app(request);
        expect(driver.outcome.toService).toHaveLength(12);
        expect(isRtuFrame(driver.outcome.toService)).toBe(false);
      }
    }
    expect(alike).toBeGreaterThan(0);
  });

  it('holds to units, tables and ranges', () => {
    const driver = drive({
      allow: 'write',
      units: [1],
      ranges: [
        { table: 'holding', from: 40, to: 49 },
        { table: 'coils', from: 0, to: 9 },
      ],
    });
    const asks = (request: Uint8Array, number: number | undefined): void => {
      driver.outcome.toApp = Buffer.alloc(0);
      driver.outcome.toService = Buffer.alloc(0);
      driver.app(request);
      if (number === undefined) {
        expect(driver.outcome.toService).toEqual(Buffer.from(request));
        const answered = Uint8Array.from(request);
        driver.service(answered);
      } else {
        expect(driver.outcome.toService).toHaveLength(0);
        expect(driver.outcome.toApp.at(-1)).toBe(number);
      }
    };
    asks(read(1, 40, 10), undefined);
    asks(read(2, 40, 11), 2);
    asks(read(3, 39, 1), 2);
    asks(read(4, 0, 9, 1), undefined);
    asks(read(5, 0, 1, 4), 2);
    asks(write(6, 49), undefined);
    asks(write(7, 50), 2);
    asks(frame(8, 2, [3, 0, 40, 0, 1]), 0x0a);
    asks(frame(9, 1, [23, 0, 40, 0, 1, 0, 60, 0, 1, 2, 0, 9]), 2);
    asks(frame(10, 1, [7]), 1);
  });

  it('takes function codes by number, and refuses data a function does not have', () => {
    const driver = drive({ allow: [3, 43] });
    driver.app(frame(1, 1, [43, 14, 1, 0])).app(read(2));
    expect(driver.outcome.toService).toHaveLength(11 + 12);
    driver
      .app(frame(3, 1, [3, 0, 0, 0]))
      .app(read(4, 0, 126))
      .app(read(5, 65_535, 2))
      .app(write(6));
    expect(driver.outcome.toService).toHaveLength(11 + 12);
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual([
      'guard:modbus.data',
      'guard:modbus.data',
      'guard:modbus.data',
      'contract:modbus.allow',
    ]);
  });

  it('asks local rules before a register is written', () => {
    const reason: Reason = { code: 'policy.local.forbidden', sentence: 'no', rule: 'local:x' };
    const driver = drive(
      { allow: 'write' },
      {
        authorize: (action) => (action.from === 7 ? { kind: 'deny', reason } : { kind: 'allow', rules: [] }),
      },
    );
    driver.app(write(1, 7)).app(write(2, 8));
    expect(driver.outcome.toService).toEqual(Buffer.from(write(2, 8)));
    expect(driver.outcome.calls).toMatchObject([{ rule: 'local:x', target: 'unit 1 holding 7' }]);
  });

  it.each([
    ['another protocol', 'app', Uint8Array.of(0, 1, 0, 9, 0, 6, 1, 3, 0, 0, 0, 1)],
    ['a length beyond the standard', 'app', Uint8Array.of(0, 1, 0, 0, 4, 0, 1, 3)],
    ['a length of nothing', 'app', Uint8Array.of(0, 1, 0, 0, 0, 1, 1)],
    ['TLS', 'app', Uint8Array.of(0x16, 3, 1, 0, 200, 1, 0, 0)],
    ['Modbus of a serial line', 'app', Uint8Array.of(1, 3, 0, 40, 0, 1, 0x04, 0x02)],
  ] as const)('takes %s for a violation', (_name, from, bytes) => {
    expect(drive({ allow: 'read' }).run([[from, bytes]])).toMatchObject({ violations: ['guard.modbus.unparseable'] });
  });

  const conversation: readonly Segment[] = [
    ['app', Buffer.concat([read(1), write(2), read(3)])],
    ['service', Buffer.concat([values(1), values(3)])],
    ['app', Buffer.concat([write(4), read(5)])],
    ['service', exception(5, 3, 2)],
  ];

  it('means the same however the bytes are cut, and never throws', () => {
    const whole = drive({ allow: 'read' }).run(conversation);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 }), (cuts) => {
        const { passes: _passes, ...outcome } = drive({ allow: 'read' }).run(recut(conversation, cuts));
        expect({ ...outcome, passes: whole.passes }).toEqual(whole);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }), (pieces) => {
        const segments = pieces.map(([app, junk]): Segment => [
          app ? 'app' : 'service',
          Buffer.concat([read(1), junk]),
        ]);
        const outcome = drive({ allow: 'read' }).run(segments);
        for (let at = 0; at + 8 <= outcome.toService.length; at += 6 + outcome.toService.readUInt16BE(at + 4)) {
          expect([1, 2, 3, 4, 7, 11, 12, 17, 20, 24]).toContain(outcome.toService[at + 7]);
        }
      }),
      { numRuns: fuzzRounds(500) },
    );
  });

  it('stands between a real client and a real server, which sees no write', async () => {
    const counters = { reads: 0, writes: 0 };
    const server = new ServerTCP(
      {
        getHoldingRegister: (address: number) => {
          counters.reads += 1;
          return address + 100;
        },
        setRegister: () => {
          counters.writes += 1;
        },
        setCoil: () => {
          counters.writes += 1;
        },
      },
      { host: '127.0.0.1', port: 0, unitID: 1 },
    );
    const inner = (server as unknown as { _server: Server })._server;
    if (!inner.listening) await new Promise((resolve) => inner.once('listening', resolve));
    const address = inner.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await using guarded = await openGuardedPort(port, { modbus: { allow: 'read' } }, { facts: { service: 'plc' } });
    const client = new ModbusRTU();
    await client.connectTCP('127.0.0.1', { port: guarded.port });
    client.setID(1);
    client.setTimeout(2_000);
    expect((await client.readHoldingRegisters(5, 3)).data).toEqual([105, 106, 107]);
    await expect(client.writeRegister(5, 1)).rejects.toMatchObject({ modbusCode: 1 });
    await expect(client.writeRegisters(5, [1, 2])).rejects.toMatchObject({ modbusCode: 1 });
    await expect(client.writeCoil(5, true)).rejects.toMatchObject({ modbusCode: 1 });
    await expect(client.writeCoils(5, [true, false])).rejects.toMatchObject({ modbusCode: 1 });
    expect((await client.readHoldingRegisters(9, 1)).data).toEqual([109]);
    expect(counters).toEqual({ reads: 4, writes: 0 });
    expect(guarded.calls().map((call) => call.decision)).toEqual(['allow', 'deny', 'deny', 'deny', 'deny', 'allow']);

    // Frames in pieces of one byte, and three in one piece.
    const raw = createConnection({ host: '127.0.0.1', port: guarded.port });
    const answers: Buffer[] = [];
    raw.on('data', (chunk) => answers.push(chunk));
    for (const byte of Buffer.concat([read(1), write(2), read(3)])) raw.write(Uint8Array.of(byte));
    await expect.poll(() => Buffer.concat(answers).length).toBe(11 + 9 + 11);
    raw.destroy();
    await new Promise<void>((resolve) => client.close(() => resolve()));
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(counters.writes).toBe(0);
  });
});

import { createConnection, type Server } from 'node:net';
import fc from 'fast-check';
import ModbusRTU, { ServerTCP } from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { context, GuardDriver, recut, type Segment } from '../support/guard-driver.ts';
import { openGuardedPort } from '../support/guarded-port.ts';

const drive = (modbus: unknown, more: Partial<GuardContext> = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ modbus }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};

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
      [21, 0],
      [22, 0, 1, 0, 0, 0, 0],
      [23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 9],
      [8, 0, 1, 0, 0],
      [43, 14, 1, 0],
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

  it('keeps its answers in the order of the requests', () => {
    const driver = drive({ allow: 'read' });
    driver.app(Buffer.concat([read(1), write(2), read(3)]));
    expect(driver.outcome.toApp).toHaveLength(0);
    driver.service(values(1));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([values(1), exception(2, 6)]));
    driver.service(values(3));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([values(1), exception(2, 6), values(3)]));
  });

  it('waits for a silent device only so long', () => {
    const driver = drive({ allow: 'read' });
    driver.app(read(1)).app(write(2));
    expect(driver.outcome.toApp).toHaveLength(0);
    driver.nowMs += 3_000;
    driver.app(write(3));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([exception(2, 6), exception(3, 6)]));
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
    asks(frame(8, 2, [3, 0, 40, 0, 1]), 1);
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
    const reason = { code: 'policy.local.forbidden', sentence: 'no', rule: 'local:x' };
    const driver = drive({ allow: 'write' }, { authorize: (action) => (action.from === 7 ? reason : undefined) });
    driver.app(write(1, 7)).app(write(2, 8));
    expect(driver.outcome.toService).toEqual(Buffer.from(write(2, 8)));
    expect(driver.outcome.calls).toMatchObject([{ rule: 'local:x', target: 'unit 1 holding 7' }]);
  });

  it.each([
    ['another protocol', 'app', Uint8Array.of(0, 1, 0, 9, 0, 6, 1, 3, 0, 0, 0, 1)],
    ['a length beyond the standard', 'app', Uint8Array.of(0, 1, 0, 0, 4, 0, 1, 3)],
    ['a length of nothing', 'app', Uint8Array.of(0, 1, 0, 0, 0, 1, 1)],
    ['TLS', 'app', Uint8Array.of(0x16, 3, 1, 0, 200, 1, 0, 0)],
    ['an answer nobody asked for', 'service', values(9)],
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
      { numRuns: 500 },
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

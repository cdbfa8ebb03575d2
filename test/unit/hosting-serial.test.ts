import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import type { SerialPort } from 'serialport';
import { describe, expect, it } from 'vitest';
import { parseHostConfigs } from '../../main/hosting/host-config.ts';
import { RtuGateway } from '../../main/hosting/serial/rtu-gateway.ts';
import { answerLength, decodeRtu, encodeRtu, type RtuMessage } from '../../main/hosting/serial/rtu.ts';
import { SerialLine, type LineAnswer } from '../../main/hosting/serial/serial-line.ts';
import { describeSerial, parseSerialAddress, type SerialSettings } from '../../main/hosting/serial/serial-settings.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink } from '../support/recording-sink.ts';

describe('the address of a serial line', () => {
  it('has the settings of the standard unless it says otherwise', () => {
    const shown = (address: string): string => {
      const read = parseSerialAddress(address);
      return typeof read === 'string' ? read : describeSerial(read);
    };
    expect(shown('serial:/dev/ttyUSB0')).toBe('serial /dev/ttyUSB0 19200 8E1');
    expect(shown('serial:/dev/ttyUSB0?baud=9600')).toBe('serial /dev/ttyUSB0 9600 8E1');
    expect(shown('serial:/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0?baud=9600&parity=none')).toContain('9600 8N2');
    expect(shown('serial:COM3?parity=none&stop=1&baud=115200')).toBe('serial COM3 115200 8N1');
    expect(shown('serial:/dev/ttyS0?speed=9600')).toBe('unknown parameter "speed"');
    expect(shown('serial:/dev/ttyS0?baud=fast')).toContain('baud: expected a whole number');
    expect(shown('serial:/dev/ttyS0?baud=9600&baud=19200')).toContain('twice');
    expect(shown('serial:ttyS0')).toContain('path');
    expect(shown('serial:/dev/tty S0')).toContain('path');
  });

  it('is a host target like any other, for Modbus/TCP alone', () => {
    const hosted = (config: Record<string, unknown>) => parseHostConfigs({ 'host.v1': { port: 502, ...config } });
    const address = 'serial:/dev/ttyUSB0?baud=9600';
    expect(hosted({ protocol: 'tcp', address })?.terminators?.[0]).toMatchObject({
      address: { value: '/dev/ttyUSB0' },
      serial: { path: '/dev/ttyUSB0', baud: 9600, parity: 'even' },
    });
    expect(hosted({ protocol: 'udp', address })?.problems.join()).toContain('the protocol is tcp');
    expect(hosted({ protocol: 'tcp', address: `${address}&x=1` })?.problems.join()).toContain('unknown parameter "x"');
    expect(hosted({ protocol: 'tcp', address: '10.20.0.7' })?.terminators?.[0]?.serial).toBeUndefined();
  });
});

/** MODBUS Application Protocol V1.1b3 section 6: a request of each function, and its answer. */
const exchanges: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [1, 0, 0, 0, 10],
    [1, 2, 0xff, 3],
  ],
  [
    [3, 0, 40, 0, 2],
    [3, 4, 0, 1, 0, 2],
  ],
  [
    [5, 0, 1, 0xff, 0],
    [5, 0, 1, 0xff, 0],
  ],
  [[7], [7, 0x6d]],
  [
    [8, 0, 0, 1, 2, 3, 4],
    [8, 0, 0, 1, 2, 3, 4],
  ],
  [[11], [11, 0xff, 0xff, 1, 8]],
  [[17], [17, 3, 9, 0xff, 1]],
  [
    [16, 0, 1, 0, 2, 4, 0, 1, 0, 2],
    [16, 0, 1, 0, 2],
  ],
  [
    [22, 0, 4, 0, 0xf2, 0, 0x25],
    [22, 0, 4, 0, 0xf2, 0, 0x25],
  ],
  [
    [23, 0, 3, 0, 2, 0, 14, 0, 1, 2, 0, 9],
    [23, 4, 0, 1, 0, 2],
  ],
  [
    [24, 4, 0xde],
    [24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84],
  ],
  [
    [43, 14, 1, 0],
    [43, 14, 1, 1, 0, 0, 2, 0, 2, 0x41, 0x42, 1, 1, 0x43],
  ],
  [
    [3, 0, 40, 0, 2],
    [0x83, 2],
  ],
];

describe('an answer on the line', () => {
  it.each(exchanges)('of %j ends where it ends', (asked, answered) => {
    const request = { unit: 7, pdu: Uint8Array.from(asked) };
    const frame = encodeRtu({ unit: 7, pdu: Uint8Array.from(answered) });
    expect(answerLength(request, frame)).toBe(frame.length);
    expect(decodeRtu(frame, request)).toEqual(Uint8Array.from(answered));
    // However little has come, it is never said to end sooner.
    for (let come = 0; come < frame.length; come += 1) {
      const length = answerLength(request, frame.subarray(0, come));
      expect(length === undefined || length === frame.length).toBe(true);
    }
    expect(decodeRtu(frame, { ...request, unit: 8 })).toBeUndefined();
    expect(decodeRtu(frame, { ...request, pdu: Uint8Array.of(99) })).toBeUndefined();
  });

  it.each([
    [
      [6, 0, 10, 0, 1],
      [6, 0, 11, 0, 1],
    ],
    [
      [5, 0, 1, 0xff, 0],
      [5, 0, 1, 0, 0],
    ],
    [
      [16, 0, 1, 0, 2, 4, 0, 1, 0, 2],
      [16, 0, 1, 0, 1],
    ],
    [
      [22, 0, 4, 0, 0xf2, 0, 0x25],
      [22, 0, 4, 0, 0xf2, 0, 0x26],
    ],
    [
      [8, 0, 11, 0, 0],
      [8, 0, 12, 0, 0],
    ],
  ])('to %j is not %j, which is to another question', (asked, answered) => {
    const frame = encodeRtu({ unit: 7, pdu: Uint8Array.from(answered) });
    expect(decodeRtu(frame, { unit: 7, pdu: Uint8Array.from(asked) })).toBeUndefined();
  });

  it('that is damaged is none', () => {
    const request = { unit: 7, pdu: Uint8Array.of(3, 0, 40, 0, 2) };
    const frame = encodeRtu({ unit: 7, pdu: Uint8Array.of(3, 4, 0, 1, 0, 2) });
    fc.assert(
      fc.property(fc.nat({ max: frame.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = frame.slice();
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(decodeRtu(damaged, request)).toBeUndefined();
      }),
      { numRuns: fuzzRounds(200) },
    );
  });
});

describe('a line with a device that does not answer', () => {
  const settings: SerialSettings = { path: '/dev/ttyX', baud: 19200, parity: 'none', stop: 2, answerMs: 1_000 };
  const request = (unit: number): RtuMessage => ({ unit, pdu: Uint8Array.of(3, 0, 40, 0, 2) });

  /** A port on which unit 9 answers at once, and what was written to it. */
  function port() {
    const asked: number[] = [];
    const events = new EventEmitter();
    const written = (frame: Uint8Array): void => {
      asked.push(frame[0] ?? 0);
      if (frame[0] !== 9) return;
      queueMicrotask(() => events.emit('data', encodeRtu({ unit: 9, pdu: Uint8Array.of(3, 4, 0, 1, 0, 2) })));
    };
    const port = Object.assign(events, {
      flush: (done: () => void) => done(),
      write: written,
      drain: () => undefined,
      isOpen: false,
    });
    return { asked, port: port as unknown as SerialPort };
  }
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('asks it again when a late answer would have come, and others meanwhile', async () => {
    const { asked, port: opened } = port();
    const clock = new ManualClock();
    const line = new SerialLine(settings, opened, clock);
    const wanted = (): boolean => true;
    const first = line.ask(request(7), wanted);
    await settle();
    clock.advance(1_000);
    await settle();
    clock.advance(100);
    expect(await first).toEqual({ kind: 'silent' });
    const second = line.ask(request(7), wanted);
    const other = line.ask(request(9), wanted);
    await settle();
    clock.advance(100);
    expect(await other).toMatchObject({ kind: 'answer' });
    expect(asked).toEqual([7, 9]);
    clock.advance(800);
    await settle();
    expect(asked).toEqual([7, 9, 7]);
    clock.advance(1_000);
    await settle();
    clock.advance(100);
    expect(await second).toEqual({ kind: 'silent' });
  });
});

describe('the gateway of a line', () => {
  it('has one request of a client on the line at a time, so that others have their turns', async () => {
    const asked: number[] = [];
    const answers: (() => void)[] = [];
    const line = {
      ask: ({ pdu }: RtuMessage): Promise<LineAnswer> =>
        new Promise((resolve) => {
          asked.push(pdu[2] ?? 0);
          answers.push(() => resolve({ kind: 'silent' }));
        }),
      onLost: () => ({ [Symbol.dispose]: () => undefined }),
    };
    const gateway = new RtuGateway(line, () => undefined);
    const sink = RecordingSink.on(gateway);
    const requests = Array.from({ length: 40 }, (_, at) => [0, at, 0, 0, 0, 6, 7, 3, 0, at, 0, 2]);
    expect(gateway.write(Uint8Array.from(requests.flat()))).toBe(false);
    for (let at = 0; at < 40; at += 1) {
      expect(asked).toEqual(Array.from({ length: at + 1 }, (_, index) => index));
      answers[at]?.();
      await sink.until(() => sink.chunks.length === at + 1);
    }
    // In their order, each under its own number: nobody answered.
    expect(sink.chunks.map((bytes) => [bytes[1], bytes[7], bytes[8]])).toEqual(
      requests.map(([, at]) => [at, 0x83, 0x0b]),
    );
    expect(sink.drains).toBe(1);
  });

  it.each([7, 255])('asks a client to wait that asks unit %i and does not read', async (unit) => {
    const gateway = new RtuGateway(
      {
        ask: ({ pdu }) => Promise.resolve({ kind: 'answer', pdu }),
        onLost: () => ({ [Symbol.dispose]: () => undefined }),
      },
      () => undefined,
    );
    const sink = RecordingSink.on(gateway);
    gateway.pause();
    const request = Uint8Array.of(0, 1, 0, 0, 0, 6, unit, 3, 0, 40, 0, 2);
    let asked = 1;
    while (gateway.write(request) && asked < 100) {
      asked += 1;
      // Answered, and not read.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked).toBe(16);
    expect([sink.drains, sink.length]).toEqual([0, 0]);
    gateway.resume();
    await sink.until(() => sink.chunks.length === asked);
    expect(sink.drains).toBe(1);
    expect(gateway.write(request)).toBe(true);
    gateway.end();
    await sink.until(() => sink.over);
    expect(sink.chunks).toHaveLength(asked + 1);
    expect(sink.violations).toEqual([]);
  });
});

/**
 * Mutated frames of real ones, ten thousand a protocol by a seed (`CULVERT_FUZZ` for more): no guard throws, holds on to much or sends
 * on what a reader of its own here takes for anything but a read.
 */
import { describe, expect, it } from 'vitest';
import type { FloorProtocol } from '../../main/base/engagement/floor/rules.ts';
import { driveFloor } from '../support/floor-driver.ts';
import { dnp3, enip, iec104, opcua, s7 } from '../support/floor-frames.ts';
import { forbiddenIn } from '../support/floor-reference.ts';
import { recut } from '../support/guard-driver.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const frames = fuzzRounds(10_000);

/** Numbers from 0 to 1 by a seed: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Subject {
  readonly protocol: FloorProtocol | 'modbus';
  /** What opens a conversation, from either side. */
  readonly opening: readonly Uint8Array[];
  readonly frames: readonly Uint8Array[];
  /** Puts lengths and checksums right again, so that what is inside is looked at. */
  readonly mend: (frame: Uint8Array) => void;
}

const modbusFrame = (...pdu: readonly number[]): Uint8Array => Uint8Array.of(0, 9, 0, 0, 0, pdu.length + 1, 1, ...pdu);
const tag = enip.tag(0x4c, 'COUNTS', [1, 0]);
const writeTag = enip.tag(0x4d, 'COUNTS', [0xc4, 0, 1, 0, 7, 0, 0, 0]);
const block = [12, 1, 0x17, 1, 1, 3, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0];

const subjects: readonly Subject[] = [
  {
    protocol: 'modbus',
    opening: [],
    frames: [
      modbusFrame(3, 0, 0, 0, 1),
      modbusFrame(6, 0, 1, 0, 9),
      modbusFrame(16, 0, 0, 0, 1, 2, 0, 9),
      modbusFrame(8, 0, 1, 0, 0),
      modbusFrame(43, 14, 1, 0),
      modbusFrame(7),
    ],
    mend: (frame) => new DataView(frame.buffer).setUint16(4, frame.length - 6),
  },
  {
    protocol: 's7',
    opening: [s7.connect, s7.setup],
    frames: [
      s7.job(1, [4, 1, ...s7.item(1, 0)]),
      s7.job(2, [5, 1, ...s7.item(1, 0)], [0, 4, 0, 8, 9]),
      s7.job(3, [0x29, 0, 0, 0, 0, 0, 9, ...Buffer.from('P_PROGRAM')]),
      s7.job(4, [0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 0, 5, ...Buffer.from('_GARB')]),
      s7.userData(5, 4, 1),
      s7.userData(6, 7, 2),
    ],
    mend: (frame) => new DataView(frame.buffer).setUint16(2, frame.length),
  },
  {
    protocol: 'enip',
    opening: [enip.frame(0x65, [1, 0, 0, 0], 0)],
    frames: [
      enip.unconnected(tag),
      enip.unconnected(writeTag),
      enip.unconnected(enip.send(writeTag)),
      enip.connected(9, 1, tag),
      enip.connected(9, 1, writeTag),
      enip.unconnected(enip.of(0x05, 1, 1)),
      enip.unconnected(enip.of(0x0a, 2, 1, [2, 0, 6, 0, 6 + tag.length, 0, ...tag, ...writeTag])),
    ],
    mend: (frame) => new DataView(frame.buffer).setUint16(2, frame.length - 24, true),
  },
  {
    protocol: 'opcua',
    opening: [opcua.hello, opcua.open('None', 1)],
    frames: [
      opcua.message(2, 2, opcua.read(2, 'Speed')),
      opcua.message(3, 3, opcua.write(3, 'Speed', 9)),
      opcua.message(
        4,
        4,
        opcua.request(712, 4, [1, 0, 0, 0, ...opcua.node('Press'), ...opcua.node('Stop'), 0, 0, 0, 0]),
      ),
      opcua.message(5, 5, opcua.request(500, 5, [0, 0, 0, 0])),
      opcua.message(6, 6, opcua.request(826, 6, [0, 0, 0, 0])),
    ],
    mend: (frame) => {
      if (frame.length >= 8) new DataView(frame.buffer).setUint32(4, frame.length, true);
    },
  },
  {
    protocol: 'iec104',
    opening: [iec104.start],
    frames: [
      iec104.information(0, 0, iec104.asdu(100, 0, [0x14])),
      iec104.information(0, 0, iec104.asdu(45, 12, [1])),
      iec104.information(0, 0, iec104.asdu(50, 12, [0, 0, 0xb0, 0x40, 0])),
      iec104.information(0, 0, iec104.asdu(105, 0, [1])),
      iec104.supervisory(0),
    ],
    mend: (frame) => (frame[1] = frame.length - 2),
  },
  {
    protocol: 'dnp3',
    opening: [],
    frames: [
      dnp3.request(1, 1, [60, 2, 6]),
      dnp3.request(2, 5, block),
      dnp3.request(3, 13),
      dnp3.request(4, 2, [80, 1, 0, 7, 7, 0]),
      dnp3.request(5, 0),
    ],
    mend: mendLink,
  },
];

/** Length and checksums as they belong to what lies between. */
function mendLink(frame: Uint8Array): void {
  const blocks = Math.ceil((frame.length - 10) / 18);
  const user = frame.length - 10 - 2 * blocks;
  if (user < 0 || user > 250) return;
  frame.set([0x05, 0x64, 5 + user]);
  frame.set(dnp3.checksum([...frame.subarray(0, 8)]), 8);
  for (let at = 10; at < frame.length; at += 18) {
    const end = Math.min(at + 16, frame.length - 2);
    frame.set(dnp3.checksum([...frame.subarray(at, end)]), end);
  }
}

function mutated(frame: Uint8Array, other: Uint8Array, next: () => number): Uint8Array {
  let bytes = frame.slice();
  const at = (): number => Math.floor(next() * bytes.length);
  for (let left = 1 + Math.floor(next() * 3); left > 0; left -= 1) {
    const way = Math.floor(next() * 5);
    const place = at();
    if (way === 0) bytes[place] = Math.floor(next() * 256);
    else if (way === 1) bytes[place] = (bytes[place] ?? 0) ^ (1 << Math.floor(next() * 8));
    else if (way === 2) bytes = Uint8Array.from([...bytes.subarray(0, place), ...bytes.subarray(place + 1)]);
    else if (way === 3)
      bytes = Uint8Array.from([...bytes.subarray(0, place), Math.floor(next() * 256), ...bytes.subarray(place)]);
    else bytes = Uint8Array.from([...bytes.subarray(0, place), ...other.subarray(Math.floor(next() * other.length))]);
    if (bytes.length === 0) return frame.slice();
  }
  return bytes;
}

describe.each(subjects)('$protocol under mutated frames', (subject) => {
  const { protocol, opening, mend } = subject;
  const pick = (next: () => number): Uint8Array =>
    subject.frames[Math.floor(next() * subject.frames.length)] ?? Uint8Array.of();

  it('sends on reads alone', { timeout: 3_600_000 }, () => {
    const next = random(20_261_129);
    const passed: string[] = [];
    for (let count = 0; count < frames;) {
      const driver = driveFloor(protocol, { allow: 'read' });
      for (const frame of opening) driver.app(frame);
      const openingBytes = driver.outcome.toService.length;
      // Several in one session, for what one leaves behind may change how the next is read.
      for (let left = 4; left > 0; left -= 1, count += 1) {
        const frame = mutated(pick(next), pick(next), next);
        if (next() < 0.8 && frame.length > 6) mend(frame);
        driver.app(frame);
        if (next() < 0.2) driver.service(mutated(pick(next), pick(next), next));
      }
      expect(driver.guard.buffered()).toBeLessThan(2 * 1024 * 1024);
      const sent = driver.end().toService.subarray(openingBytes);
      passed.push(...forbiddenIn(protocol, sent));
    }
    expect(passed).toEqual([]);
  });

  it('means the same however its bytes are cut', () => {
    const segments = [...opening, ...subject.frames].map((bytes) => ['app', bytes] as const);
    const whole = driveFloor(protocol, { allow: 'read' }).run(segments);
    const next = random(7);
    for (let round = 0; round < 50; round += 1) {
      const cuts = Array.from({ length: 7 }, () => 1 + Math.floor(next() * 30));
      const outcome = driveFloor(protocol, { allow: 'read' }).run(recut(segments, cuts));
      expect({ ...outcome, passes: whole.passes }).toEqual(whole);
    }
  });
});

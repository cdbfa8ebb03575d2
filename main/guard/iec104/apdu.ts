/**
 * Frames of IEC 60870-5-104 and what they ask. Pure.
 * Source: IEC 60870-5-104:2006 section 5 (control field), IEC 60870-5-101:2003 section 7.2 (type, qualifier, cause, addresses).
 */
import { iec104Operations } from '../../base/engagement/floor/iec104-operations.ts';
import type { Iec104Rules } from '../../base/engagement/floor/rules.ts';
import { ByteReader, demand, hexOf, parsed } from '../floor/byte-reader.ts';
import type { Asked } from '../floor/floor-guard.ts';

/** Sequence numbers have 15 bits. */
export const modulus = 0x8000;

/** One frame, read. */
export type Apdu =
  | { readonly kind: 'information'; readonly sent: number; readonly received: number; readonly asdu: Uint8Array }
  | { readonly kind: 'supervisory'; readonly received: number }
  | { readonly kind: 'unnumbered'; readonly canonical: Uint8Array };

/** The length of the frame that begins `bytes`; undefined while that cannot be told. Throws where none begins. */
export function apduLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 2) return undefined;
  demand(bytes[0] === 0x68, 'no start of a frame');
  const length = bytes[1] ?? 0;
  demand(length >= 4 && length <= 253, `a frame of ${length} bytes`);
  return 2 + length;
}

/** STARTDT, STOPDT and TESTFR, act and con. */
const unnumbered: readonly number[] = [0x07, 0x0b, 0x13, 0x23, 0x43, 0x83];

/** Reads a whole frame. Throws where it is malformed. */
export function readApdu(frame: Uint8Array): Apdu {
  const reader = new ByteReader(frame, 2);
  const first = reader.u16le();
  const second = reader.u16le();
  if ((first & 1) === 0) {
    demand((second & 1) === 0 && reader.left >= 6, 'a frame of information without any');
    return { kind: 'information', sent: first >> 1, received: second >> 1, asdu: reader.rest() };
  }
  reader.end();
  if (first === 1) {
    demand((second & 1) === 0, 'a supervisory frame of another form');
    return { kind: 'supervisory', received: second >> 1 };
  }
  demand(unnumbered.includes(first) && second === 0, 'an unnumbered frame of another form');
  return { kind: 'unnumbered', canonical: frame };
}

/** An I-format frame as it goes on the wire. */
export function informationFrame(sent: number, received: number, asdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(6 + asdu.length);
  frame.set([0x68, 4 + asdu.length, (sent << 1) & 0xff, sent >> 7, (received << 1) & 0xff, received >> 7]);
  frame.set(asdu, 6);
  return frame;
}

/** An S-format frame as it goes on the wire. */
export function supervisoryFrame(received: number): Uint8Array {
  return Uint8Array.of(0x68, 4, 1, 0, (received << 1) & 0xff, received >> 7);
}

/** Bytes of one information element behind its address, by type; a time tag has seven. */
const elementBytes: Readonly<Record<number, number | undefined>> = {
  ...{ 45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5, 51: 4, 58: 8, 59: 8, 60: 8, 61: 10, 62: 10, 63: 12, 64: 11 },
  ...{ 100: 1, 101: 1, 102: 0, 103: 7, 104: 2, 105: 1, 107: 9, 110: 3, 111: 3, 112: 5, 113: 1 },
};

/** Counter interrogation whose qualifier freezes or resets nothing (FRZ 0). */
const freezeBits = 0xc0;

/** What an ASDU of the controlling side asks; malformed or unknown ones have no operation. */
export function readAsked(asdu: Uint8Array, objects: Iec104Rules['objects']): Asked {
  const type = asdu[0] ?? 0;
  const unknown: Asked = { operation: undefined, name: `type-${type}`, target: '', within: undefined };
  return parsed(() => readKnown(asdu, objects)) ?? unknown;
}

function readKnown(asdu: Uint8Array, objects: Iec104Rules['objects']): Asked | undefined {
  const reader = new ByteReader(asdu);
  const type = reader.u8();
  demand(reader.u8() === 1, 'more than one object');
  reader.u16le();
  const station = reader.u16le();
  const address = reader.u24le();
  const expected = elementBytes[type];
  const element = expected === undefined ? reader.rest() : reader.bytes(expected);
  reader.end();
  const freezes = type === 101 && ((element[0] ?? 0) & freezeBits) !== 0;
  const operation = iec104Operations.find((one) => one.code === type && (one.name === 'counter-freeze') === freezes);
  return {
    operation,
    name: `type-${type}`,
    target: `station ${station} point ${address}`,
    within: isWithin(objects, station, address),
    facts: factsOf(type, element),
  };
}

/** Undefined where the contract names no objects. */
export function isWithin(objects: Iec104Rules['objects'], station: number, address: number): boolean | undefined {
  return objects?.some(
    (object) =>
      (object.commonAddress === undefined || object.commonAddress === station) &&
      address >= object.from &&
      address <= object.to,
  );
}

function factsOf(type: number, element: Uint8Array): Readonly<Record<string, unknown>> {
  const view = new DataView(element.buffer, element.byteOffset, element.length);
  // Types with a time tag come thirteen behind those without.
  const base = type >= 58 && type <= 64 ? type - 13 : type;
  const command = (bits: number): Readonly<Record<string, unknown>> => {
    const value = view.getUint8(0);
    return { value: value & bits, select: (value & 0x80) !== 0 };
  };
  const setpoint = (value: number, at: number): Readonly<Record<string, unknown>> => ({
    value,
    select: (view.getUint8(at) & 0x80) !== 0,
  });
  if (base === 45) return command(1);
  if (base === 46 || base === 47) return command(3);
  if (base === 48) return setpoint(view.getInt16(0, true) / 0x8000, 2);
  if (base === 49) return setpoint(view.getInt16(0, true), 2);
  if (base === 50) return setpoint(view.getFloat32(0, true), 4);
  if (base === 51) return { value: view.getUint32(0, true) };
  return element.length === 0 ? {} : { qualifier: hexOf(element) };
}

/** Cause of transmission: activation confirmed, and the bit that says no. */
const activationConfirmed = 7;
const negative = 0x40;
const testBit = 0x80;

/** The same ASDU, as the station sends it back where it will not. */
export function negativeConfirmation(asdu: Uint8Array): Uint8Array {
  const answer = new Uint8Array(asdu);
  answer[2] = ((asdu[2] ?? 0) & testBit) | negative | activationConfirmed;
  return answer;
}

/**
 * Frames of Modbus RTU: a request as the line has it, and where its answer ends. Pure.
 * Source: MODBUS over Serial Line V1.02 section 2.5.1; lengths from MODBUS Application Protocol V1.1b3 section 6.
 */
import { rtuChecksum } from '../../guard/modbus/frames.ts';

/** Unit, code and the rest of a request or an answer, without checksum. */
export interface RtuMessage {
  readonly unit: number;
  /** Function code and what stands behind it. */
  readonly pdu: Uint8Array;
}

const checksumBytes = 2;

/** As the line has it. */
export function encodeRtu({ unit, pdu }: RtuMessage): Uint8Array {
  const frame = new Uint8Array(1 + pdu.length + checksumBytes);
  frame[0] = unit;
  frame.set(pdu, 1);
  const sum = rtuChecksum(frame.subarray(0, -checksumBytes));
  frame.set([sum & 0xff, sum >> 8], frame.length - checksumBytes);
  return frame;
}

/** The answer's PDU out of a whole frame; undefined where it is damaged, of another device or function, or tells of something that was not asked. */
export function decodeRtu(frame: Uint8Array, { unit, pdu }: RtuMessage): Uint8Array | undefined {
  if (frame.length < 2 + checksumBytes) return undefined;
  const sum = rtuChecksum(frame.subarray(0, -checksumBytes));
  if (frame.at(-2) !== (sum & 0xff) || frame.at(-1) !== sum >> 8) return undefined;
  if (frame[0] !== unit || ((frame[1] ?? 0) & 0x7f) !== pdu[0]) return undefined;
  const answer = frame.slice(1, -checksumBytes);
  const echoed = answer[0] === pdu[0] ? (echoes[answer[0] ?? 0] ?? 0) : 0;
  return pdu.subarray(0, echoed).every((byte, at) => answer[at] === byte) ? answer : undefined;
}

/**
 * Bytes of a request that its answer begins with, by function: address and value or count of what was written, or the sub-function. A late answer
 * to another write is known by them.
 */
const echoes: Readonly<Record<number, number>> = { 5: 5, 6: 5, 8: 3, 15: 5, 16: 5, 22: 7 };

/** How long the answer is that begins with `bytes`: undefined while that cannot be told, `silence` where only the pause behind it tells. */
export function answerLength({ pdu }: RtuMessage, bytes: Uint8Array): number | 'silence' | undefined {
  const [code = 0] = pdu;
  const answered = bytes[1];
  if (answered === undefined) return undefined;
  if (answered === (code | 0x80)) return 3 + checksumBytes;
  const asked = new DataView(pdu.buffer, pdu.byteOffset, pdu.length);
  const fixed = fixedLength(code, asked);
  if (fixed !== undefined) return fixed + checksumBytes;
  if ([12, 17, 20, 21].includes(code)) return counted(bytes[2], 3);
  if (code === 24) return bytes.length < 4 ? undefined : counted(((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0), 4);
  if (code === 43 && pdu[1] === 14) return identificationLength(bytes);
  return 'silence';
}

/** Unit and PDU of answers whose length the request tells. */
function fixedLength(code: number, asked: DataView): number | undefined {
  const count = (at: number): number => (asked.byteLength < at + 2 ? 0 : asked.getUint16(at));
  switch (code) {
    case 1:
    case 2:
      return 3 + Math.ceil(count(3) / 8);
    case 3:
    case 4:
    case 23:
      return 3 + 2 * count(3);
    case 5:
    case 6:
    case 11:
    case 15:
    case 16:
      return 6;
    case 7:
      return 3;
    case 8:
      return 1 + asked.byteLength;
    case 22:
      return 8;
    default:
      return undefined;
  }
}

function counted(count: number | undefined, before: number): number | undefined {
  return count === undefined ? undefined : before + count + checksumBytes;
}

/** Section 6.21: kind, conformity, whether more follows, next object, number of objects; each has an id, a length and its bytes. */
function identificationLength(bytes: Uint8Array): number | undefined {
  const objects = bytes[7];
  if (objects === undefined) return undefined;
  let at = 8;
  for (let left = objects; left > 0; left -= 1) {
    const length = bytes[at + 1];
    if (length === undefined) return undefined;
    at += 2 + length;
  }
  return at + checksumBytes;
}

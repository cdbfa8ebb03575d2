/**
 * DNP3 link frames and transport segments. Pure. Source: IEEE 1815-2012 clauses 9.2 (link frames), 9.2.4.5 (checksum) and 8.2 (transport).
 */
import { ByteReader, demand } from '../floor/byte-reader.ts';

const headerBytes = 10;
const blockBytes = 16;

/** A link frame, its checksums taken out. */
export interface LinkFrame {
  readonly control: number;
  readonly destination: number;
  readonly source: number;
  readonly user: Uint8Array;
}

/** The length of the frame that begins `bytes`; undefined while that cannot be told. Throws where none begins. */
export function linkLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 3) return undefined;
  const reader = new ByteReader(bytes);
  demand(reader.u8() === 0x05 && reader.u8() === 0x64, 'no start of a frame');
  const user = reader.u8() - 5;
  demand(user >= 0, 'a frame without a header');
  return headerBytes + user + 2 * Math.ceil(user / blockBytes);
}

/** Reads a whole frame. Throws where a checksum is wrong. */
export function readLink(frame: Uint8Array): LinkFrame {
  const reader = new ByteReader(frame);
  const header = reader.bytes(8);
  demand(reader.u16le() === checksum(header), 'a frame with a wrong checksum');
  const fields = new ByteReader(header, 2);
  const user = new Uint8Array(fields.u8() - 5);
  const control = fields.u8();
  const destination = fields.u16le();
  const source = fields.u16le();
  let at = 0;
  while (reader.left > 0) {
    const block = reader.bytes(Math.min(blockBytes, reader.left - 2));
    demand(reader.u16le() === checksum(block), 'a frame with a wrong checksum');
    user.set(block, at);
    at += block.length;
  }
  return { control, destination, source, user };
}

/** The frame as it goes on the wire. */
export function linkFrame({ control, destination, source, user }: LinkFrame): Uint8Array {
  const blocks = Math.ceil(user.length / blockBytes);
  const frame = new Uint8Array(headerBytes + user.length + 2 * blocks);
  const view = new DataView(frame.buffer);
  frame.set([0x05, 0x64, 5 + user.length, control]);
  view.setUint16(4, destination, true);
  view.setUint16(6, source, true);
  view.setUint16(8, checksum(frame.subarray(0, 8)), true);
  for (let block = 0; block < blocks; block += 1) {
    const part = user.subarray(block * blockBytes, (block + 1) * blockBytes);
    const at = headerBytes + block * (blockBytes + 2);
    frame.set(part, at);
    view.setUint16(at + part.length, checksum(part), true);
  }
  return frame;
}

/** Reflected, polynomial 0x3D65 (0xA6BC seen from the other end), inverted. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >> 1) ^ 0xa6bc : sum >> 1;
  }
  return ~sum & 0xffff;
}

/** Function codes of the link's primary side. */
export const linkFunctions = { resetLink: 0, testLink: 2, confirmedData: 3, data: 4, requestStatus: 9 } as const;
/** Of a frame's control field: from the primary station. */
export const primaryBit = 0x40;
/** Set in frames of a master. */
export const directionBit = 0x80;

/** First and last segment of a fragment, and its number. */
export const segmentBits = { last: 0x80, first: 0x40, number: 0x3f } as const;
/** Application bytes of one segment. */
const segmentBytes = 249;

/** A fragment in link frames of its own. */
export function fragmentFrames(
  control: number,
  destination: number,
  source: number,
  fragment: Uint8Array,
): Uint8Array[] {
  const count = Math.max(1, Math.ceil(fragment.length / segmentBytes));
  return Array.from({ length: count }, (_, index) => {
    const part = fragment.subarray(index * segmentBytes, (index + 1) * segmentBytes);
    const first = index === 0 ? segmentBits.first : 0;
    const last = index === count - 1 ? segmentBits.last : 0;
    return linkFrame({ control, destination, source, user: Uint8Array.of(first | last | index, ...part) });
  });
}

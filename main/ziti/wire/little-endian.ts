/** Little-endian integers and text in byte arrays; the channel protocol's number format (openziti/channel: message.go). */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8');

/** No bytes; shared, never written to. */
export const noBytes = new Uint8Array(0);

/** The byte at `offset`; the caller has checked the bounds, beyond which all is 0. */
function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0;
}

/** Unsigned 16 bit at `offset`; the caller has checked the bounds. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return byteAt(bytes, offset) | (byteAt(bytes, offset + 1) << 8);
}

/** Signed 32 bit at `offset`; the caller has checked the bounds. */
export function readI32(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) | (readU16(bytes, offset + 2) << 16);
}

/** Unsigned 32 bit at `offset`; the caller has checked the bounds. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return readI32(bytes, offset) >>> 0;
}

/** Write the low 32 bits of `value`; works for signed and unsigned. Returns the offset after it. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): number {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
  return offset + 4;
}

/** The four bytes of the low 32 bits of `value`. */
export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** UTF-8 of `text`. */
export function textBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function bytesText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A copy with memory of its own. (`slice` will not do: on a Node Buffer it is a view.) */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

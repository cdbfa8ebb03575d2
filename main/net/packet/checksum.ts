/** The Internet checksum (RFC 1071), whole and incremental (RFC 1624). */

/** One's complement sum of big-endian 16-bit words from `start` to `end`, folded; an odd last byte is padded with zero. */
export function onesSum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let total = initial;
  let at = start;
  for (; at + 1 < end; at += 2) total += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  if (at < end) total += (bytes[at] ?? 0) * 256;
  return fold(total);
}

/** Sum of the pseudo-header: both addresses, protocol, transport length (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoSum(source: Uint8Array, destination: Uint8Array, protocol: number, lengthBytes: number): number {
  const addresses = onesSum(destination, 0, destination.length, onesSum(source, 0, source.length));
  return fold(addresses + protocol + (lengthBytes >>> 16) + (lengthBytes & 0xffff));
}

/** The field's value for a finished sum. */
export function complement(sum: number): number {
  return ~sum & 0xffff;
}

/** Overwrite bytes at `at` with `bytes` and bring the checksum field at `checksumAt` up to date. Both even-aligned to it. */
export function replaceSummed(packet: Uint8Array, at: number, bytes: Uint8Array, checksumAt: number): void {
  const old = onesSum(packet, at, at + bytes.length);
  const now = onesSum(bytes, 0, bytes.length);
  packet.set(bytes, at);
  const field = (packet[checksumAt] ?? 0) * 256 + (packet[checksumAt + 1] ?? 0);
  put16(packet, checksumAt, complement(fold(complement(field) + complement(old) + now)));
}

/** Writes 16 bits, big-endian. */
export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes 32 bits, big-endian. */
export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

function fold(total: number): number {
  let sum = total;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** SOCKS5 messages, bytes in and out, no I/O. RFC 1928. */
import type { Destination } from '../../base/flow.ts';
import { canonicalName } from '../../base/hostname.ts';
import { addressBytes, addressFromBytes, canonicalAddress } from '../../base/ip.ts';

/** RFC 1928 section 3. */
export const socksVersion = 5;
/** No authentication (RFC 1928 section 3). */
export const methodNone = 0x00;
/** No acceptable methods (RFC 1928 section 3). */
export const methodUnacceptable = 0xff;

/** CMD, RFC 1928 section 4. */
export const socksCommand = { connect: 1, bind: 2, udpAssociate: 3 } as const;

/** ATYP, RFC 1928 section 5. */
const addressType = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** A destination parsed out of a message, and where the bytes behind it begin; or what is wrong with it. */
export type ParsedAddress =
  | { readonly kind: 'address'; readonly destination: Destination; readonly nextByte: number }
  | { readonly kind: 'bad-type' | 'bad-name' | 'short' };

/** How many bytes of address and port follow ATYP and its first byte; undefined for an unknown type. */
export function addressLength(type: number, firstByte: number): number | undefined {
  if (type === addressType.ipv4) return 4 + 2;
  if (type === addressType.ipv6) return 16 + 2;
  return type === addressType.name ? 1 + firstByte + 2 : undefined;
}

/** ATYP, address and port, at `offset`. A name that is an address in text is taken as that address. */
export function parseAddress(bytes: Uint8Array, offset: number): ParsedAddress {
  const type = bytes[offset];
  if (type === undefined) return { kind: 'short' };
  const length = addressLength(type, bytes[offset + 1] ?? 0);
  if (length === undefined) return { kind: 'bad-type' };
  const nextByte = offset + 1 + length;
  if (bytes.length < nextByte) return { kind: 'short' };
  const port = ((bytes[nextByte - 2] ?? 0) << 8) | (bytes[nextByte - 1] ?? 0);
  if (type !== addressType.name) {
    return {
      kind: 'address',
      destination: { address: addressFromBytes(bytes.subarray(offset + 1, nextByte - 2)), port },
      nextByte,
    };
  }
  const text = Buffer.from(bytes.subarray(offset + 2, nextByte - 2)).toString('utf8');
  const address = canonicalAddress(text);
  if (address !== undefined) return { kind: 'address', destination: { address, port }, nextByte };
  const hostname = canonicalName(text);
  return hostname === undefined ? { kind: 'bad-name' } : { kind: 'address', destination: { hostname, port }, nextByte };
}

/** VER REP RSV ATYP BND.ADDR BND.PORT. */
export function encodeReply(
  code: number,
  bound: { address: string; port: number } = { address: '0.0.0.0', port: 0 },
): Buffer {
  return Buffer.concat([Buffer.of(socksVersion, code, 0), encodeAddress(bound)]);
}

function encodeAddress(at: { address: string; port: number }): Buffer {
  const bytes = addressBytes(at.address) ?? Uint8Array.of(0, 0, 0, 0);
  const type = bytes.length === 4 ? addressType.ipv4 : addressType.ipv6;
  return Buffer.concat([Buffer.of(type), bytes, Buffer.of(at.port >> 8, at.port & 0xff)]);
}

/** One datagram of a UDP association, RFC 1928 section 7. */
export type ParsedDatagram =
  | {
      readonly kind: 'datagram';
      readonly destination: Destination;
      /** The bytes before the payload, with which answers from there are headed too. */
      readonly header: Uint8Array;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'fragment' | 'malformed' };

/** RSV RSV FRAG, address, payload. The payload is a view of `bytes`. Fragments are optional in the RFC and refused here. */
export function parseDatagram(bytes: Uint8Array): ParsedDatagram {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) return { kind: 'malformed' };
  if (bytes[2] !== 0) return { kind: 'fragment' };
  const parsed = parseAddress(bytes, 3);
  if (parsed.kind !== 'address' || parsed.destination.port === 0) return { kind: 'malformed' };
  return {
    kind: 'datagram',
    destination: parsed.destination,
    header: bytes.subarray(0, parsed.nextByte),
    payload: bytes.subarray(parsed.nextByte),
  };
}

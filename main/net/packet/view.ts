/**
 * Views over the headers of one IP packet. Nothing is copied, nothing throws: what is not whole is a reason to count and drop.
 */
import { addressFromBytes } from '../../base/ip.ts';

/** IANA protocol numbers. */
export const protocolIcmp = 1;
/** Protocol number of TCP (IANA). */
export const protocolTcp = 6;
/** Protocol number of UDP (IANA). */
export const protocolUdp = 17;
/** Protocol number of ICMPv6 (IANA). */
export const protocolIcmp6 = 58;

/** TCP control bits (RFC 9293 section 3.1). */
export const tcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

/** Why a packet cannot be read. Fragments count as such: the device's MTU makes none. */
export type Malformed = 'truncated' | 'version' | 'header-length' | 'fragment';

/** What an IP header says. */
export interface IpView {
  readonly version: 4 | 6;
  readonly protocol: number;
  /** Offset of the transport header. */
  readonly offset: number;
  /** Offset of the packet's end, padding excluded. */
  readonly end: number;
}

/** What a TCP header says. */
export interface TcpView {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** Sequence space it takes: payload, SYN and FIN. */
  readonly span: number;
}

/** What a UDP header says. */
export interface UdpView {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: number;
  readonly end: number;
}

/** IPv6 extension headers that may stand before the transport header (RFC 8200 section 4.1). */
const skippedHeaders = new Set([0, 43, 60]);
const fragmentHeader = 44;
/** More extension headers than this in one packet is no real sender's doing. */
const maxExtensions = 8;

/** Reads 16 bits, big-endian; missing bytes read as 0. */
export function get16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}

/** Reads 32 bits, big-endian; missing bytes read as 0. */
export function get32(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 0x10000 + get16(bytes, at + 2);
}

/** Read the IP header: RFC 791 section 3.1, RFC 8200 section 3. */
export function viewIp(packet: Uint8Array): IpView | Malformed {
  if (packet.length === 0) return 'truncated';
  const version = (packet[0] ?? 0) >>> 4;
  if (version === 4) return viewIp4(packet);
  return version === 6 ? viewIp6(packet) : 'version';
}

function viewIp4(packet: Uint8Array): IpView | Malformed {
  if (packet.length < 20) return 'truncated';
  const offset = ((packet[0] ?? 0) & 0x0f) * 4;
  const end = get16(packet, 2);
  if (offset < 20 || end < offset) return 'header-length';
  if (end > packet.length) return 'truncated';
  // The more-fragments bit, or an offset.
  if ((get16(packet, 6) & 0x3fff) !== 0) return 'fragment';
  return { version: 4, protocol: packet[9] ?? 0, offset, end };
}

function viewIp6(packet: Uint8Array): IpView | Malformed {
  if (packet.length < 40) return 'truncated';
  const end = 40 + get16(packet, 4);
  if (end > packet.length) return 'truncated';
  let protocol = packet[6] ?? 0;
  let offset = 40;
  for (let seen = 0; seen < maxExtensions; seen++) {
    if (protocol === fragmentHeader) return 'fragment';
    if (!skippedHeaders.has(protocol)) return { version: 6, protocol, offset, end };
    if (offset + 8 > end) return 'truncated';
    protocol = packet[offset] ?? 0;
    offset += ((packet[offset + 1] ?? 0) + 1) * 8;
    if (offset > end) return 'truncated';
  }
  return 'header-length';
}

/** RFC 9293 section 3.1. */
export function viewTcp(packet: Uint8Array, ip: IpView): TcpView | Malformed {
  const { offset, end } = ip;
  if (end < offset + 20) return 'truncated';
  const header = ((packet[offset + 12] ?? 0) >>> 4) * 4;
  if (header < 20) return 'header-length';
  if (offset + header > end) return 'truncated';
  const flags = packet[offset + 13] ?? 0;
  const control = ((flags & tcpFlag.syn) !== 0 ? 1 : 0) + ((flags & tcpFlag.fin) !== 0 ? 1 : 0);
  return {
    sourcePort: get16(packet, offset),
    destinationPort: get16(packet, offset + 2),
    sequence: get32(packet, offset + 4),
    acknowledgment: get32(packet, offset + 8),
    flags,
    span: end - offset - header + control,
  };
}

/** RFC 768. */
export function viewUdp(packet: Uint8Array, ip: IpView): UdpView | Malformed {
  const { offset } = ip;
  if (ip.end < offset + 8) return 'truncated';
  const length = get16(packet, offset + 4);
  if (length < 8) return 'header-length';
  if (offset + length > ip.end) return 'truncated';
  return {
    sourcePort: get16(packet, offset),
    destinationPort: get16(packet, offset + 2),
    payload: offset + 8,
    end: offset + length,
  };
}

/** The source's bytes, within the packet. */
export function sourceBytes(packet: Uint8Array, ip: IpView): Uint8Array {
  return ip.version === 4 ? packet.subarray(12, 16) : packet.subarray(8, 24);
}

/** The destination's bytes, within the packet. */
export function destinationBytes(packet: Uint8Array, ip: IpView): Uint8Array {
  return ip.version === 4 ? packet.subarray(16, 20) : packet.subarray(24, 40);
}

/** The source address as text. */
export function sourceAddress(packet: Uint8Array, ip: IpView): string {
  return addressFromBytes(sourceBytes(packet, ip));
}

/** The destination address as text. */
export function destinationAddress(packet: Uint8Array, ip: IpView): string {
  return addressFromBytes(destinationBytes(packet, ip));
}

/**
 * Both ends with their ports as a key for a Map; equal exactly where family, addresses and ports are. Needs a transport header with ports.
 */
export function endsKey(packet: Uint8Array, ip: IpView): string {
  const ports = get32(packet, ip.offset);
  if (ip.version === 4) return `${get32(packet, 12)}.${get32(packet, 16)}.${ports}`;
  let key = `6.${ports}`;
  for (let at = 8; at < 40; at += 4) key += `.${get32(packet, at)}`;
  return key;
}

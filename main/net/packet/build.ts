/** Packets we answer with. Each is a fresh whole IP packet with finished checksums; the caller owns it. */
import { complement, onesSum, pseudoSum, put16, put32 } from './checksum.ts';
import {
  destinationBytes,
  get16,
  protocolIcmp,
  protocolIcmp6,
  protocolTcp,
  protocolUdp,
  sourceBytes,
  tcpFlag,
} from './view.ts';
import type { IpView, TcpView } from './view.ts';

/** Hops left in packets we make; they only cross to the host's own stack. */
const hopLimit = 64;
/** An ICMPv4 error quotes at most so much that it fits the least MTU: RFC 1812 section 4.3.2.3. */
const quoteLimit4 = 576 - 28;
/** RFC 4443 section 2.4 (c). */
const quoteLimit6 = 1280 - 48;

/** An end as the packets carry it: 4 or 16 address bytes. */
export interface PacketEnd {
  readonly address: Uint8Array;
  readonly port: number;
}

/** Both ends of a packet, as it travels. */
export interface PacketEnds {
  readonly source: PacketEnd;
  readonly destination: PacketEnd;
}

/** What an ICMP unreachable says; types and codes of RFC 792, RFC 1812 section 5.2.7.1 and RFC 4443 section 3.1. */
const unreachableCodes = {
  network: { v4: 0, v6: 0 },
  host: { v4: 1, v6: 3 },
  port: { v4: 3, v6: 4 },
  prohibited: { v4: 13, v6: 1 },
} as const;
/** What an ICMP destination-unreachable says. */
export type UnreachableKind = keyof typeof unreachableCodes;

/** One UDP datagram. `payload` is copied. */
export function udpPacket(from: PacketEnd, to: PacketEnd, payload: Uint8Array): Uint8Array {
  const length = 8 + payload.length;
  const { packet, offset } = ipPacket(from.address, to.address, protocolUdp, length);
  put16(packet, offset, from.port);
  put16(packet, offset + 2, to.port);
  put16(packet, offset + 4, length);
  packet.set(payload, offset + 8);
  const sum = complement(transportSum(packet, offset, from.address, to.address, protocolUdp));
  // Zero would say "no checksum" (RFC 768).
  put16(packet, offset + 6, sum === 0 ? 0xffff : sum);
  return packet;
}

/** A bare RST from `ends.source` to `ends.destination`; with an acknowledgment it also sets ACK. Both ends of one family. */
export function resetSegment(ends: PacketEnds, sequence: number, acknowledgment: number | undefined): Uint8Array {
  const { source, destination } = ends;
  const { packet, offset } = ipPacket(source.address, destination.address, protocolTcp, 20);
  put16(packet, offset, source.port);
  put16(packet, offset + 2, destination.port);
  put32(packet, offset + 4, sequence);
  put32(packet, offset + 8, acknowledgment ?? 0);
  packet[offset + 12] = 5 << 4;
  packet[offset + 13] = acknowledgment === undefined ? tcpFlag.rst : tcpFlag.rst | tcpFlag.ack;
  const sum = transportSum(packet, offset, source.address, destination.address, protocolTcp);
  put16(packet, offset + 16, complement(sum));
  return packet;
}

/** The RST that answers this segment (RFC 9293 section 3.10.7.1), or undefined where it is one itself. */
export function resetFor(packet: Uint8Array, ip: IpView, tcp: TcpView): Uint8Array | undefined {
  if ((tcp.flags & tcpFlag.rst) !== 0) return undefined;
  const ends: PacketEnds = {
    source: { address: destinationBytes(packet, ip), port: tcp.destinationPort },
    destination: { address: sourceBytes(packet, ip), port: tcp.sourcePort },
  };
  if ((tcp.flags & tcpFlag.ack) !== 0) return resetSegment(ends, tcp.acknowledgment, undefined);
  return resetSegment(ends, 0, (tcp.sequence + tcp.span) >>> 0);
}

/** An ICMP error about this packet, as if from its destination. */
export function unreachableFor(packet: Uint8Array, ip: IpView, kind: UnreachableKind): Uint8Array {
  const v4 = ip.version === 4;
  const quote = packet.subarray(0, Math.min(ip.end, v4 ? quoteLimit4 : quoteLimit6));
  const message = new Uint8Array(8 + quote.length);
  message[0] = v4 ? 3 : 1;
  message[1] = v4 ? unreachableCodes[kind].v4 : unreachableCodes[kind].v6;
  message.set(quote, 8);
  return icmpPacket(destinationBytes(packet, ip), sourceBytes(packet, ip), message);
}

/** True for an ICMP echo request (RFC 792, RFC 4443 section 4.1). */
export function isEchoRequest(packet: Uint8Array, ip: IpView): boolean {
  if (ip.end < ip.offset + 8) return false;
  const type = packet[ip.offset];
  return ip.version === 4 ? ip.protocol === protocolIcmp && type === 8 : ip.protocol === protocolIcmp6 && type === 128;
}

/** The reply to an echo request. */
export function echoReplyFor(packet: Uint8Array, ip: IpView): Uint8Array {
  const message = packet.slice(ip.offset, ip.end);
  message[0] = ip.version === 4 ? 0 : 129;
  put16(message, 2, 0);
  return icmpPacket(destinationBytes(packet, ip), sourceBytes(packet, ip), message);
}

function icmpPacket(source: Uint8Array, destination: Uint8Array, message: Uint8Array): Uint8Array {
  const protocol = source.length === 4 ? protocolIcmp : protocolIcmp6;
  const { packet, offset } = ipPacket(source, destination, protocol, message.length);
  packet.set(message, offset);
  // Only ICMPv6 covers a pseudo-header (RFC 4443 section 2.3).
  const sum =
    protocol === protocolIcmp
      ? onesSum(packet, offset, packet.length)
      : transportSum(packet, offset, source, destination, protocol);
  put16(packet, offset + 2, complement(sum));
  return packet;
}

function ipPacket(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): { packet: Uint8Array; offset: number } {
  const offset = source.length === 4 ? 20 : 40;
  const packet = new Uint8Array(offset + length);
  if (offset === 20) {
    packet[0] = 0x45;
    put16(packet, 2, packet.length);
    // Don't fragment.
    packet[6] = 0x40;
    packet[8] = hopLimit;
    packet[9] = protocol;
    packet.set(source, 12);
    packet.set(destination, 16);
    put16(packet, 10, complement(onesSum(packet, 0, 20)));
  } else {
    packet[0] = 0x60;
    put16(packet, 4, length);
    packet[6] = protocol;
    packet[7] = hopLimit;
    packet.set(source, 8);
    packet.set(destination, 24);
  }
  return { packet, offset };
}

function transportSum(
  packet: Uint8Array,
  offset: number,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
): number {
  const initial = pseudoSum(source, destination, protocol, packet.length - offset);
  return onesSum(packet, offset, packet.length, initial);
}

/** True where the packet's IP header and, for TCP, UDP and ICMP, its transport checksum are right. */
export function checksumsAreRight(packet: Uint8Array, ip: IpView): boolean {
  if (ip.version === 4 && onesSum(packet, 0, ip.offset) !== 0xffff) return false;
  if (ip.protocol === protocolIcmp) return onesSum(packet, ip.offset, ip.end) === 0xffff;
  if (ip.protocol === protocolUdp && get16(packet, ip.offset + 6) === 0) return ip.version === 4;
  const initial = pseudoSum(sourceBytes(packet, ip), destinationBytes(packet, ip), ip.protocol, ip.end - ip.offset);
  return onesSum(packet, ip.offset, ip.end, initial) === 0xffff;
}

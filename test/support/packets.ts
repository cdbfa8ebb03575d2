/** IP packets for tests, as a host's stack would send them: whole, with right checksums. */
import { addressBytes } from '../../main/base/ip.ts';
import { resetSegment, udpPacket } from '../../main/net/packet/build.ts';
import type { PacketEnd, PacketEnds } from '../../main/net/packet/build.ts';
import { complement, onesSum, pseudoSum, put16, put32 } from '../../main/net/packet/checksum.ts';
import { destinationAddress, sourceAddress, viewIp, viewTcp, viewUdp } from '../../main/net/packet/view.ts';
import type { IpView, TcpView } from '../../main/net/packet/view.ts';

export function end(address: string, port: number): PacketEnd {
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new Error(`no address: ${address}`);
  return { address: bytes, port };
}

export interface SegmentFields {
  readonly flags: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly payload?: Uint8Array;
}

/** A TCP segment. */
export function segment(from: PacketEnd, to: PacketEnd, fields: SegmentFields): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const bare = resetSegment({ source: from, destination: to }, fields.sequence ?? 0, fields.acknowledgment ?? 0);
  const packet = new Uint8Array(bare.length + payload.length);
  packet.set(bare);
  packet.set(payload, bare.length);
  const offset = from.address.length === 4 ? 20 : 40;
  if (offset === 20) {
    put16(packet, 2, packet.length);
    put16(packet, 10, 0);
    put16(packet, 10, complement(onesSum(packet, 0, 20)));
  } else put16(packet, 4, packet.length - 40);
  packet[offset + 13] = fields.flags;
  put16(packet, offset + 16, 0);
  const pseudo = pseudoSum(from.address, to.address, 6, packet.length - offset);
  put16(packet, offset + 16, complement(onesSum(packet, offset, packet.length, pseudo)));
  return packet;
}

export function datagram(from: PacketEnd, to: PacketEnd, text: string): Uint8Array {
  return udpPacket(from, to, new TextEncoder().encode(text));
}

/** An ICMP or ICMPv6 echo request. */
export function echoRequest(from: PacketEnd, to: PacketEnd): Uint8Array {
  const v4 = from.address.length === 4;
  const packet = udpPacket(from, to, new TextEncoder().encode('ping'));
  const offset = v4 ? 20 : 40;
  packet[v4 ? 9 : 6] = v4 ? 1 : 58;
  packet.fill(0, offset, offset + 8);
  packet[offset] = v4 ? 8 : 128;
  put32(packet, offset + 4, 0x12340001);
  if (v4) {
    put16(packet, 10, 0);
    put16(packet, 10, complement(onesSum(packet, 0, 20)));
  }
  const pseudo = v4 ? 0 : pseudoSum(from.address, to.address, 58, packet.length - offset);
  put16(packet, offset + 2, complement(onesSum(packet, offset, packet.length, pseudo)));
  return packet;
}

/** What a packet says, for assertions. */
export interface Told {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly ip: IpView;
  readonly tcp?: TcpView;
  readonly text?: string;
  /** ICMP type and code. */
  readonly icmp?: readonly [number, number];
}

export function tell(packet: Uint8Array): Told {
  const ip = viewIp(packet);
  if (typeof ip === 'string') throw new Error(`not a packet: ${ip}`);
  const base = { from: sourceAddress(packet, ip), to: destinationAddress(packet, ip), protocol: ip.protocol, ip };
  if (ip.protocol === 6) {
    const tcp = viewTcp(packet, ip);
    if (typeof tcp === 'string') throw new Error(`not a segment: ${tcp}`);
    return { ...base, from: `${base.from}|${tcp.sourcePort}`, to: `${base.to}|${tcp.destinationPort}`, tcp };
  }
  if (ip.protocol === 17) {
    const udp = viewUdp(packet, ip);
    if (typeof udp === 'string') throw new Error(`not a datagram: ${udp}`);
    const text = new TextDecoder().decode(packet.subarray(udp.payload, udp.end));
    return { ...base, from: `${base.from}|${udp.sourcePort}`, to: `${base.to}|${udp.destinationPort}`, text };
  }
  return { ...base, icmp: [packet[ip.offset] ?? 0, packet[ip.offset + 1] ?? 0] };
}

export type { PacketEnds };

/** Rewriting a TCP segment's ends in place, its checksums kept right. The twin of the native rewriter, for one packet at a time. */
import { put16, replaceSummed } from './checksum.ts';
import type { PacketEnds } from './build.ts';
import type { IpView } from './view.ts';

/** Give the segment new ends. `ip` must be this packet's own view, of a whole TCP segment. False (and no change) where families differ. */
export function rewriteTcp(packet: Uint8Array, ip: IpView, ends: PacketEnds): boolean {
  const size = ip.version === 4 ? 4 : 16;
  if (ends.source.address.length !== size || ends.destination.address.length !== size) return false;
  const addresses = new Uint8Array(2 * size);
  addresses.set(ends.source.address);
  addresses.set(ends.destination.address, size);
  const ports = new Uint8Array(4);
  put16(ports, 0, ends.source.port);
  put16(ports, 2, ends.destination.port);
  const at = ip.version === 4 ? 12 : 8;
  const checksumAt = ip.offset + 16;
  if (ip.version === 4) {
    const before = packet.slice(at, at + addresses.length);
    replaceSummed(packet, at, addresses, 10);
    packet.set(before, at);
  }
  replaceSummed(packet, at, addresses, checksumAt);
  replaceSummed(packet, ip.offset, ports, checksumAt);
  return true;
}

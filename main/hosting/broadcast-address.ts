/** Which addresses mean every machine of a network that this host is on. */
import { networkInterfaces } from 'node:os';
import { addressBytes, addressFromBytes } from '../base/ip.ts';

/** The networks as the system tells them; another list for tests. */
export type ListInterfaces = () => readonly {
  readonly family: string;
  readonly address: string;
  readonly netmask: string;
}[];

const ofThisHost: ListInterfaces = () => Object.values(networkInterfaces()).flatMap((rows) => rows ?? []);

/** True for the last address of a network of one of this host's interfaces, and for that of whatever network (255.255.255.255). */
export function isBroadcastAddress(address: string, list: ListInterfaces = ofThisHost): boolean {
  if (address === '255.255.255.255') return true;
  return list().some(({ family, address: own, netmask }) => family === 'IPv4' && lastOf(own, netmask) === address);
}

/** A network of one or two addresses has none for all. */
function lastOf(address: string, netmask: string): string | undefined {
  const [own, mask] = [addressBytes(address), addressBytes(netmask)];
  if (own?.length !== 4 || mask?.length !== 4 || (mask[3] ?? 0) >= 0xfe) return undefined;
  return addressFromBytes(own.map((byte, at) => byte | (~(mask[at] ?? 0) & 0xff)));
}

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

/** Whether this sender is one of those who were asked. */
export type IsAsked = (sender: string) => boolean;

/**
 * Who is asked by this address: whoever is in a network of one of this host's interfaces that it is the last address of, or whatever network (255.255.255.255).
 * Undefined where it is no such address.
 */
export function askedBy(address: string, list: ListInterfaces = ofThisHost): IsAsked | undefined {
  if (address === '255.255.255.255') return () => true;
  const masks = list().flatMap(({ family, address: own, netmask }) =>
    family === 'IPv4' && lastOf(own, netmask) === address ? [netmask] : [],
  );
  return masks.length === 0 ? undefined : (sender) => masks.some((mask) => lastOf(sender, mask) === address);
}

/** A network of one or two addresses has none for all. */
function lastOf(address: string, netmask: string): string | undefined {
  const [own, mask] = [addressBytes(address), addressBytes(netmask)];
  if (own?.length !== 4 || mask?.length !== 4 || (mask[3] ?? 0) >= 0xfe) return undefined;
  return addressFromBytes(own.map((byte, at) => byte | (~(mask[at] ?? 0) & 0xff)));
}

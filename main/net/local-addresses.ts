/** Which addresses are this host's own. */
import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../base/ip.ts';
import type { Clock } from '../base/clock.ts';

/** An address that appeared a moment ago is seen after so long at the latest. */
const refreshMs = 1_000;

/** A question that is cheap to ask often. */
export function localAddresses(clock: Clock): (address: string) => boolean {
  let known = new Set<string>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  return (address) => {
    if (known.has(address)) return true;
    const nowMs = clock.monotonic();
    if (nowMs - readAtMs < refreshMs) return false;
    readAtMs = nowMs;
    const all = Object.values(networkInterfaces()).flatMap((rows) => rows ?? []);
    known = new Set(all.map((row) => canonicalAddress(row.address) ?? row.address));
    return known.has(address);
  };
}

/** What is dark and what listens: services each device hosts without a port, and the addresses its engine itself listens on. */
import type { FleetDarkView } from '../../../api/record-views.ts';
import { isLoopback, readHostPort } from '../../../base/ip.ts';
import { HeldByIdentity } from './held.ts';
import { journalsNow } from './journals.ts';
import { fieldOf, LeftOut, recordsOf, type FleetRecords } from './records.ts';

/** One row a device, by name; two where two journals are written under one name. */
export async function darkOf(store: FleetRecords): Promise<FleetDarkView[]> {
  const left = new LeftOut();
  const hosted = new Map<string, Set<string>>();
  for (const { origin, bind } of (await HeldByIdentity.read(store, left)).all()) {
    const known = hosted.get(origin) ?? new Set();
    for (const service of bind) known.add(service);
    hosted.set(origin, known);
  }
  // The newest word of each engine is what counts: it says it anew at each start.
  const listening = new Map((await recordsOf(store, left, ['engine.listening'])).map((hit) => [hit.origin, hit]));
  const now = await journalsNow(store);
  const written = (await store.devices()).filter(({ origin }) => now.get(origin) === origin);
  return written.map(({ name, origin }) => {
    const hit = listening.get(origin);
    const addresses = hit?.record['addresses'];
    const listens = Array.isArray(addresses) ? addresses.filter((one) => typeof one === 'string') : [];
    return {
      device: name,
      hosts: [...(hosted.get(origin) ?? [])].sort(),
      ...(hit === undefined ? {} : { mode: fieldOf(hit, 'mode') }),
      listens,
      open: listens.filter(isOpen),
      ...left.of(name),
    };
  });
}

/** The TUN's own address has no port: nothing but this machine comes in by it. */
function isOpen(address: string): boolean {
  const at = readHostPort(address);
  return at !== undefined && !isLoopback(at.host);
}

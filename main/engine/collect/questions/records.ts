/** How the desk's questions read the fleet's record: whole kinds at once, by each device's own order, with its clock put right. */
import type { FleetHit, FleetQuery, FleetStore } from '../fleet-store.ts';

/** What the questions ask of whoever keeps the record. */
export interface FleetRecords extends Pick<FleetStore, 'search'> {
  /** One for each device, by its newest journal. */
  devices(): Promise<readonly { readonly name: string; readonly origin: string; readonly clockOffsetMs: number }[]>;
}

/** Most records of one kind that one question looks at, newest first. */
const questionLimit = 100_000;

/** A record's field as text; empty where it has none. */
export function fieldOf(hit: FleetHit, name: string): string {
  const value = hit.record[name];
  return typeof value === 'string' ? value : '';
}

/** Records of these kinds, oldest first. A device's own come in the order it wrote them. */
export async function recordsOf(
  store: FleetRecords,
  kinds: readonly string[],
  query: Omit<FleetQuery, 'kind' | 'limit'> = {},
): Promise<FleetHit[]> {
  const found = await Promise.all(kinds.map((kind) => store.search({ ...query, kind, limit: questionLimit })));
  return found.flat().sort(byTheirOrder);
}

function byTheirOrder(a: FleetHit, b: FleetHit): number {
  if (a.origin === b.origin && a.branch === b.branch) return a.record.seq - b.record.seq;
  return a.record.at < b.record.at ? -1 : a.record.at > b.record.at ? 1 : 0;
}

/** A record's moment by the collector's clock, milliseconds since 1970. */
export type Moment = (hit: FleetHit) => number;

/** Devices' clocks go wrong; what each was off by when last heard is taken away. */
export async function momentsOf(store: FleetRecords): Promise<Moment> {
  const offsets = new Map((await store.devices()).map(({ origin, clockOffsetMs }) => [origin, clockOffsetMs]));
  return (hit) => Date.parse(hit.record.at) - (offsets.get(hit.origin) ?? 0);
}

/** How the desk's questions read the fleet's record: whole kinds at once, by each device's own order, with its clock put right. */
import { groupBy } from '../../../base/group-by.ts';
import type { FleetDevice, FleetHit, FleetQuery, FleetStore } from '../fleet-store.ts';

/** What the questions ask of whoever keeps the record. */
export interface FleetRecords extends Pick<FleetStore, 'search'> {
  /** One for each journal. */
  devices(): Promise<readonly FleetJournal[]>;
}

/** A device's journal; one that was installed anew comes with another, under the name it had. */
export interface FleetJournal extends Pick<FleetDevice, 'name' | 'origin' | 'asserted' | 'clockOffsetMs'> {
  /** ISO 8601. */
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
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
  return merged(found.flat());
}

/**
 * Each journal in its own order, and the journals beside one another by their clocks. A clock that was set back does not go back here: what
 * comes after a moment in its journal counts as no earlier, else one device's clock would move the records of another.
 */
function merged(hits: readonly FleetHit[]): FleetHit[] {
  const placed = [...groupBy(hits, ({ origin }) => origin).values()].flatMap((journal) => {
    let at = '';
    return journal
      .toSorted((a, b) => a.branch - b.branch || a.record.seq - b.record.seq)
      .map((hit, place) => {
        if (hit.record.at > at) at = hit.record.at;
        return { hit, at, place };
      });
  });
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  placed.sort((a, b) => order(a.at, b.at) || order(a.hit.origin, b.hit.origin) || a.place - b.place);
  return placed.map(({ hit }) => hit);
}

/** A record's moment by the collector's clock, milliseconds since 1970. */
export type Moment = (hit: FleetHit) => number;

/** Devices' clocks go wrong; what each was off by when last heard is taken away. */
export async function momentsOf(store: FleetRecords): Promise<Moment> {
  const offsets = new Map((await store.devices()).map(({ origin, clockOffsetMs }) => [origin, clockOffsetMs]));
  return (hit) => Date.parse(hit.record.at) - (offsets.get(hit.origin) ?? 0);
}

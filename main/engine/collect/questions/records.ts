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

/** Most records of one kind that one question looks at, newest first; where there are more, each journal has its share. */
const questionLimit = 100_000;

/** Which kinds of record were looked at in part only, by device: older ones are kept that the share of its journals had no room for. */
export class LeftOut {
  readonly #kinds = new Map<string, Set<string>>();

  note(device: string, kind: string): void {
    this.#kinds.set(device, (this.#kinds.get(device) ?? new Set()).add(kind));
  }

  /** For a device's row; nothing where all was looked at. */
  of(device: string): { readonly leftOut?: readonly string[] } {
    const kinds = this.#kinds.get(device);
    return kinds === undefined ? {} : { leftOut: [...kinds].sort() };
  }

  /** By device. */
  all(): readonly { readonly device: string; readonly kinds: readonly string[] }[] {
    return [...this.#kinds]
      .map(([device, kinds]) => ({ device, kinds: [...kinds].sort() }))
      .sort((a, b) => a.device.localeCompare(b.device));
  }
}

/** A record's field as text; empty where it has none. */
export function fieldOf(hit: FleetHit, name: string): string {
  const value = hit.record[name];
  return typeof value === 'string' ? value : '';
}

/** Records of these kinds, oldest first. A device's own come in the order it wrote them. `left` is told of what there was no room for. */
export async function recordsOf(
  store: FleetRecords,
  left: LeftOut,
  kinds: readonly string[],
  query: Omit<FleetQuery, 'kind' | 'limit'> = {},
  limit = questionLimit,
): Promise<FleetHit[]> {
  const found = await Promise.all(kinds.map((kind) => newest(store, left, { ...query, kind }, limit)));
  return merged(found.flat());
}

/** The newest, and of each journal as many as of any other that has them: who sends much keeps nobody else's out. */
async function newest(
  store: FleetRecords,
  left: LeftOut,
  query: FleetQuery & { readonly kind: string },
  limit: number,
): Promise<readonly FleetHit[]> {
  const all = await store.search({ ...query, limit: limit + 1 });
  if (all.length <= limit) return all;
  const origins = [...new Set((await store.devices()).map(({ origin }) => origin))];
  // One more than the share tells whether that is all.
  const take = (share: number, among: readonly string[]): Promise<(readonly FleetHit[])[]> =>
    Promise.all(among.map((origin) => store.search({ ...query, origin, limit: share + 1 })));
  const share = Math.floor(limit / origins.length);
  const first = await take(share, origins);
  const larger = origins.filter((_origin, at) => (first[at]?.length ?? 0) > share);
  const smaller = first.filter(({ length }) => length <= share).flat();
  const most = Math.floor((limit - smaller.length) / larger.length);
  const newestOfLarger = (await take(most, larger)).map((hits) => {
    const [hit] = hits;
    if (hit !== undefined && hits.length > most) left.note(hit.device, query.kind);
    return hits.slice(0, most);
  });
  return [...smaller, ...newestOfLarger.flat()];
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

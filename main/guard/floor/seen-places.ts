/** What places of a device held when they were last read or written, so that the record of a write can say what was there before. Pure. */

/** Older than this, a value says little of what a write replaced. */
const freshMs = 60_000;
/** Places remembered; the longest unread go first. */
const maxPlaces = 4_096;

export class SeenPlaces<T> {
  readonly #seen = new Map<string, { readonly value: T; readonly atMs: number }>();

  see(place: string, value: T, nowMs: number): void {
    this.#seen.delete(place);
    this.#seen.set(place, { value, atMs: nowMs });
    const [first] = this.#seen.keys();
    if (this.#seen.size > maxPlaces && first !== undefined) this.#seen.delete(first);
  }

  /** Undefined where it was not seen lately. */
  before(place: string, nowMs: number): T | undefined {
    const seen = this.#seen.get(place);
    return seen !== undefined && nowMs - seen.atMs < freshMs ? seen.value : undefined;
  }
}

/** Sessions that are over, kept for a while so that a reader still sees why: the last thousand, ten minutes at most. */
import type { Clock } from '../base/clock.ts';
import type { SessionSnapshot } from './sessions.ts';

const mostRows = 1_000;
const keptMs = 10 * 60_000;

/** Rows of sessions that are over; the oldest make room. */
export class ClosedRows {
  readonly #clock: Clock;
  /** In the order of closing. */
  readonly #rows = new Map<string, { readonly row: SessionSnapshot; readonly closedMonotonicMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(row: SessionSnapshot): void {
    this.#rows.set(row.id, { row, closedMonotonicMs: this.#clock.monotonic() });
    this.#prune();
  }

  list(): readonly SessionSnapshot[] {
    this.#prune();
    return [...this.#rows.values()].map((kept) => kept.row);
  }

  get(id: string): SessionSnapshot | undefined {
    this.#prune();
    return this.#rows.get(id)?.row;
  }

  #prune(): void {
    const oldestMs = this.#clock.monotonic() - keptMs;
    for (const [id, kept] of this.#rows) {
      if (this.#rows.size <= mostRows && kept.closedMonotonicMs >= oldestMs) return;
      this.#rows.delete(id);
    }
  }
}

/** The time, once a second, for everything that shows an age. Runs only while somebody watches. */
import type { Clock } from '../../main/base/clock.ts';

export class Ticker {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #nowMs: number;
  #timer: Disposable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.now();
  }

  /** Unix milliseconds of the last tick. */
  readonly now = (): number => this.#nowMs;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#nowMs = this.#clock.now();
      this.#timer = this.#clock.every(1000, () => this.#tick());
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#timer?.[Symbol.dispose]();
      this.#timer = undefined;
    };
  };

  #tick(): void {
    this.#nowMs = this.#clock.now();
    for (const listener of [...this.#listeners]) listener();
  }
}

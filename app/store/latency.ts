/** How quickly routers answered since the window stands, sampled now and then. */
import type { Clock } from '../../main/base/clock.ts';
import type { RouterView } from '../../main/api/views.ts';

const everyMs = 5_000;
const keptSamples = 120;

/** The sampler; runs until disposed. */
export class Latency implements Disposable {
  readonly #routers: () => Readonly<Record<string, RouterView>>;
  readonly #listeners = new Set<() => void>();
  readonly #timer: Disposable;
  #history: ReadonlyMap<string, readonly number[]> = new Map();

  constructor(clock: Clock, routers: () => Readonly<Record<string, RouterView>>) {
    this.#routers = routers;
    this.#timer = clock.every(everyMs, () => this.#sample());
  }

  /** Milliseconds by router's key, oldest first; the same map until another sample is taken. */
  readonly history = (): ReadonlyMap<string, readonly number[]> => this.#history;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #sample(): void {
    const before = this.#history;
    this.#history = new Map(
      Object.entries(this.#routers()).map(([key, { latencyMs }]) => {
        const samples = before.get(key) ?? [];
        return [key, latencyMs === undefined ? samples : [...samples, latencyMs].slice(-keptSamples)];
      }),
    );
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * The watchdog for a session that holds while it sees nothing: its start may have gone wrong in a way no answer tells. It is begun again, at
 * growing pauses, for an identity without services may simply be one.
 */
import type { Clock } from '../../base/clock.ts';

const firstMs = 2 * 60_000;
const maxMs = 60 * 60_000;

/** Asked only where the controller has answered; each restart doubles its patience, and a service seen makes it begin anew. */
export class EmptyServicesWatchdog {
  readonly #clock: Clock;
  readonly #restart: () => void;
  #sinceMs: number | undefined;
  #patienceMs = firstMs;

  constructor(clock: Clock, restart: () => void) {
    this.#clock = clock;
    this.#restart = restart;
  }

  /** The controller has answered, and this is how many services are seen. */
  look(services: number): void {
    const nowMs = this.#clock.monotonic();
    if (services > 0) {
      this.#sinceMs = undefined;
      this.#patienceMs = firstMs;
      return;
    }
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < this.#patienceMs) return;
    this.#sinceMs = nowMs;
    this.#patienceMs = Math.min(this.#patienceMs * 2, maxMs);
    this.#restart();
  }
}

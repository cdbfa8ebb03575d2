/** Which model services answer, by how the last questions went. */
import type { Clock } from '../../base/clock.ts';

/** When a service is left alone for a while. */
export interface HealthSettings {
  /** So many questions in a row that it did not answer. */
  readonly failures: number;
  readonly restMs: number;
}

/** Of one endpoint's services. Nothing is asked for its sake. */
export class ModelHealth {
  readonly #settings: HealthSettings;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #failures = new Map<string, { count: number; atMs: number }>();

  constructor(settings: HealthSettings, clock: Pick<Clock, 'monotonic'>) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** It could not be reached, or said that nobody worked on the question. True where it rests from now on. */
  failed(service: string): boolean {
    const count = (this.#failures.get(service)?.count ?? 0) + 1;
    this.#failures.set(service, { count, atMs: this.#clock.monotonic() });
    return count >= this.#settings.failures;
  }

  /** It answered. */
  worked(service: string): void {
    this.#failures.delete(service);
  }

  /** After the rest one more failure makes it rest again. */
  isResting(service: string): boolean {
    const failure = this.#failures.get(service);
    if (failure === undefined || failure.count < this.#settings.failures) return false;
    return this.#clock.monotonic() - failure.atMs < this.#settings.restMs;
  }
}

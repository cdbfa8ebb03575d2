/** Full-jitter back-off: a random wait below a ceiling that doubles with each failure, so that clients spread out. */

/** In milliseconds: the first ceiling, and the one it stops doubling at. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Never wait less. Default 0. */
  readonly minMs?: number;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** Counts the failures since the last success of one thing that is tried again. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    const { firstMs, maxMs, minMs = 0, random = Math.random } = this.#options;
    const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.max(minMs, Math.round(random() * ceiling));
  }

  reset(): void {
    this.#failures = 0;
  }

  get failures(): number {
    return this.#failures;
  }
}

/** `ms`, up to `part` of it more or less. */
export function jittered(ms: number, part: number, random: () => number = Math.random): number {
  return Math.round(ms * (1 + part * (2 * random() - 1)));
}

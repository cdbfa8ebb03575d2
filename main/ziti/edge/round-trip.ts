/** Round-trip times and the retransmission time-out they give (RFC 6298), in milliseconds. */

/** Time-out before there is a sample (RFC 6298 section 2.1). */
const initialTimeoutMs = 1_000;
/** A router or a peer busy with other work answers late without having lost anything, hence well above one tick. */
const minTimeoutMs = 250;
const maxTimeoutMs = 10_000;

/** Of one circuit, from samples of messages that were sent once (Karn's rule). */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #leastMs = Number.POSITIVE_INFINITY;
  #backOff = 1;

  /** Undefined before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  get variationMs(): number {
    return this.#variationMs;
  }

  /** Shortest seen, infinite before the first sample. */
  get leastMs(): number {
    return this.#leastMs;
  }

  /** A message sent once took so long to be acknowledged. (One sent twice says nothing: Karn.) */
  sample(elapsedMs: number): void {
    this.#backOff = 1;
    if (elapsedMs < this.#leastMs) this.#leastMs = elapsedMs;
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = elapsedMs;
      this.#variationMs = elapsedMs / 2;
      return;
    }
    this.#variationMs += (Math.abs(this.#smoothedMs - elapsedMs) - this.#variationMs) / 4;
    this.#smoothedMs += (elapsedMs - this.#smoothedMs) / 8;
  }

  /** The time-out passed without an answer: the next one waits twice as long. */
  timedOut(): void {
    this.#backOff = Math.min(this.#backOff * 2, 64);
  }

  timeoutMs(): number {
    const base =
      this.#smoothedMs === undefined
        ? initialTimeoutMs
        : Math.max(minTimeoutMs, this.#smoothedMs + 4 * this.#variationMs);
    return Math.min(base * this.#backOff, maxTimeoutMs);
  }
}

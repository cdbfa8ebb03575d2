/**
 * How many messages of all streams together may be on their way over one channel.
 *
 * A router's queue towards one channel holds 64 messages, however small, and drops what comes on top (openziti/sdk-golang:
 * ziti/edge/channel.go). Each stream keeps its own window; this keeps a thousand streams that start at once from flooding
 * that queue together. It opens by one message a round trip while nothing is lost, closes by a quarter when something is, and forgets
 * messages that stay unanswered, so that a silent peer costs nobody else anything.
 */

const initialWindow = 48;
const minWindow = 24;
const maxWindow = 1024;

/** An unanswered message counts for three round trips, within these bounds. */
const minCountedMs = 50;
const maxCountedMs = 1_000;

/** Of one channel; every time it takes is monotonic milliseconds. */
export class SendBudget {
  /** When each message that still counts was sent, oldest first from `#head` on. */
  #sentAtMs: number[] = [];
  #head = 0;
  #window = initialWindow;
  #roundTripMs = minCountedMs;
  #closedAtMs = Number.NEGATIVE_INFINITY;

  get window(): number {
    return Math.floor(this.#window);
  }

  mayStart(nowMs: number): boolean {
    return this.free(nowMs) > 0;
  }

  /** Messages that may go now. */
  free(nowMs: number): number {
    this.#forget(nowMs);
    return Math.max(0, this.window - this.#outstanding);
  }

  sent(nowMs: number): void {
    this.#sentAtMs.push(nowMs);
  }

  /** So many messages were answered, on a stream of that round trip. */
  answered(count: number, roundTripMs: number | undefined): void {
    if (count === 0) return;
    const used = this.#outstanding > this.#window / 2;
    this.#head = Math.min(this.#sentAtMs.length, this.#head + count);
    this.#compact();
    if (roundTripMs !== undefined) this.#roundTripMs += (roundTripMs - this.#roundTripMs) / 16;
    if (used) this.#window = Math.min(maxWindow, this.#window + count / this.#window);
  }

  /** Messages had to be sent again. Closes the window once a round trip at most. */
  lost(nowMs: number): void {
    if (nowMs - this.#closedAtMs < this.#countedMs) return;
    this.#closedAtMs = nowMs;
    this.#window = Math.max(minWindow, this.#window * 0.75);
  }

  /** Time until the oldest message ceases to count, 0 where there is none. */
  waitMs(nowMs: number): number {
    const oldest = this.#sentAtMs[this.#head];
    return oldest === undefined ? 0 : Math.max(0, oldest + this.#countedMs - nowMs);
  }

  get #outstanding(): number {
    return this.#sentAtMs.length - this.#head;
  }

  get #countedMs(): number {
    return Math.min(maxCountedMs, Math.max(minCountedMs, 3 * this.#roundTripMs));
  }

  #forget(nowMs: number): void {
    const countedMs = this.#countedMs;
    for (;;) {
      const oldest = this.#sentAtMs[this.#head];
      if (oldest === undefined || nowMs - oldest < countedMs) break;
      this.#head += 1;
    }
    this.#compact();
  }

  #compact(): void {
    if (this.#head === this.#sentAtMs.length) {
      this.#sentAtMs.length = 0;
      this.#head = 0;
    } else if (this.#head > 256) {
      this.#sentAtMs = this.#sentAtMs.slice(this.#head);
      this.#head = 0;
    }
  }
}

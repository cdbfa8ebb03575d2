/**
 * How many messages of all streams together may be on their way over one channel.
 *
 * A router's queue towards one channel holds 64 messages and drops what comes on top (openziti/sdk-golang: ziti/edge/channel.go),
 * however small they are. Each stream keeps its own window; this keeps a thousand streams that start at once from
 * flooding that queue together. Messages count until they are answered, or for as long as a router may need to pass
 * them on, so that a far or silent peer costs nobody else anything.
 */

const maxOutstanding = 64;
const countedForMs = 20;

export class SendBudget {
  /** When each message that still counts was sent, oldest first from `#head` on. */
  #sentAtMs: number[] = [];
  #head = 0;

  mayStart(nowMs: number): boolean {
    this.#expire(nowMs);
    return this.#outstanding < maxOutstanding;
  }

  /** Messages that may go now. */
  free(nowMs: number): number {
    this.#expire(nowMs);
    return Math.max(0, maxOutstanding - this.#outstanding);
  }

  sent(nowMs: number): void {
    this.#sentAtMs.push(nowMs);
  }

  /** So many messages were answered. */
  answered(count: number): void {
    this.#head = Math.min(this.#sentAtMs.length, this.#head + count);
    this.#compact();
  }

  /** Time until the oldest message ceases to count, 0 where there is none. */
  waitMs(nowMs: number): number {
    const oldest = this.#sentAtMs[this.#head];
    return oldest === undefined ? 0 : Math.max(0, oldest + countedForMs - nowMs);
  }

  get #outstanding(): number {
    return this.#sentAtMs.length - this.#head;
  }

  #expire(nowMs: number): void {
    for (;;) {
      const oldest = this.#sentAtMs[this.#head];
      if (oldest === undefined || nowMs - oldest < countedForMs) break;
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

/**
 * Buffers for large outgoing frames, used again once acknowledged, so that bulk transfer allocates nothing per message; given back when
 * nothing large was sent for a while.
 */
import type { Clock } from '../../base/clock.ts';

/** Room for the largest message and its head. */
const slabBytes = 132 * 1024;
/** One window's worth. */
const keptSlabs = 32;
/** Unused for so long, they go: some 4 MB a channel. */
const keptMs = 5_000;
/** Smaller frames come from the allocator. */
const smallFrameBytes = 8 * 1024;

/** Of one channel; a buffer given out is the taker's until `release`, and one never released is merely lost to the pool. */
export class FramePool {
  /** A message's worth of memory for putting small writes together; whoever uses it is done before it returns. */
  readonly scratch = new Uint8Array(128 * 1024);
  readonly #clock: Clock;
  #free: ArrayBuffer[] = [];
  #usedAtMs = 0;
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Memory for a frame of exactly `lengthBytes`, not zeroed. */
  take(lengthBytes: number): Uint8Array {
    if (lengthBytes <= smallFrameBytes) return Buffer.allocUnsafe(lengthBytes);
    if (lengthBytes > slabBytes) return Buffer.allocUnsafeSlow(lengthBytes);
    return Buffer.from(this.#free.pop() ?? new ArrayBuffer(slabBytes), 0, lengthBytes);
  }

  /** Give a frame back. Nothing may read or write it any more, the socket included. */
  release(frame: Uint8Array): void {
    const memory = frame.buffer;
    if (memory.byteLength === slabBytes && memory instanceof ArrayBuffer && this.#free.length < keptSlabs) {
      this.#free.push(memory);
      this.#usedAtMs = this.#clock.monotonic();
      if (!this.#looking) this.#lookAfter(keptMs);
    }
  }

  /** One timer while there is something to give back, moved only when it fires. */
  #lookAfter(delayMs: number): void {
    this.#looking = true;
    this.#clock.after(delayMs, () => {
      const leftMs = this.#usedAtMs + keptMs - this.#clock.monotonic();
      if (leftMs > 0) return this.#lookAfter(leftMs);
      this.#looking = false;
      this.#free = [];
    });
  }
}

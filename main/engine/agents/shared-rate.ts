/** So many bytes a second for all streams of one run together: a token bucket (RFC 2697's committed rate), as Node streams. */
import { Transform, type TransformCallback } from 'node:stream';
import type { Clock } from '../../base/clock.ts';

/** What may pass at once after a pause: a tenth of a second's worth keeps short answers quick. */
const burstMs = 100;

export class SharedRate {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** When all that was let through so far has had its time; monotonic milliseconds. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  /** `bytesPerSecond` above zero. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** A stream that hands on what is written to it in its turn. */
  stream(): Transform {
    let waiting: { readonly timer: Disposable; readonly bytes: number } | undefined;
    return new Transform({
      transform: (chunk: Buffer, _encoding, done: TransformCallback) => {
        const waitMs = this.#take(chunk.length);
        if (waitMs <= 0) return done(null, chunk);
        const timer = this.#clock.after(waitMs, () => {
          waiting = undefined;
          done(null, chunk);
        });
        waiting = { timer, bytes: chunk.length };
      },
      destroy: (error, done) => {
        waiting?.timer[Symbol.dispose]();
        // What never passed is nobody's use: connections that are given up must not hold up the others.
        if (waiting !== undefined) this.#paidUntilMs -= waiting.bytes / this.#bytesPerMs;
        waiting = undefined;
        done(error);
      },
    });
  }

  /** Milliseconds until so many more bytes may pass. */
  #take(bytes: number): number {
    const nowMs = this.#clock.monotonic();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - burstMs) + bytes / this.#bytesPerMs;
    return this.#paidUntilMs - nowMs;
  }
}

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
    let waiting: Disposable | undefined;
    return new Transform({
      transform: (chunk: Buffer, _encoding, done: TransformCallback) => {
        const waitMs = this.#take(chunk.length);
        if (waitMs <= 0) return done(null, chunk);
        waiting = this.#clock.after(waitMs, () => done(null, chunk));
      },
      destroy(error, done) {
        waiting?.[Symbol.dispose]();
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

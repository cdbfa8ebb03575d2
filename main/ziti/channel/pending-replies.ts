/** Requests under way on one channel, matched to their replies by sequence. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Frame } from '../wire/frame.ts';

/** Called once: with the reply (borrowed, as every frame), or with why there is none. */
export type OnReply = (reply: Frame | TunnelerError) => void;

interface Pending {
  readonly onReply: OnReply;
  readonly timer: Disposable;
}

/**
 * Each request is answered once, by its reply, its time-out or the end of the channel; disposing what `expect` returned gives up in
 * silence.
 */
export class PendingReplies {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Expect a reply to the request `sequence`. Disposing gives up silently. `what` names the request in the time-out's message. */
  expect(sequence: number, timeoutMs: number, what: string, onReply: OnReply): Disposable {
    const timer = this.#clock.after(timeoutMs, () => {
      this.#pending.delete(sequence);
      onReply(
        new TunnelerError('base.timeout', `no reply to ${what} within ${timeoutMs} ms`, { details: { timeoutMs } }),
      );
    });
    this.#pending.set(sequence, { onReply, timer });
    return {
      [Symbol.dispose]: () => {
        timer[Symbol.dispose]();
        this.#pending.delete(sequence);
      },
    };
  }

  /** Hand a reply to whoever waits for it; false where nobody does. */
  settle(replyFor: number, reply: Frame): boolean {
    const pending = this.#pending.get(replyFor);
    if (pending === undefined) return false;
    this.#pending.delete(replyFor);
    pending.timer[Symbol.dispose]();
    pending.onReply(reply);
    return true;
  }

  /** No reply will come any more. */
  failAll(error: TunnelerError): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) {
      pending.timer[Symbol.dispose]();
      pending.onReply(error);
    }
  }

  get size(): number {
    return this.#pending.size;
  }
}

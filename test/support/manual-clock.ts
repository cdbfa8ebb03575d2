/** A clock that tests turn by hand: timers fire in order of their time when `advance` passes them. */
import type { Clock } from '../../main/base/clock.ts';
import { disposable } from '../../main/base/lifecycle.ts';

interface Timer {
  atMs: number;
  readonly periodMs: number | undefined;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): Disposable {
    return this.#add({ atMs: this.#monotonicMs + delayMs, periodMs: undefined, callback });
  }

  every(periodMs: number, callback: () => void): Disposable {
    return this.#add({ atMs: this.#monotonicMs + periodMs, periodMs, callback });
  }

  /** Timers waiting to fire. */
  pending(): number {
    return this.#timers.size;
  }

  /** Let `ms` pass, firing what falls due, in order, timers set meanwhile included. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#nextDue(endMs); next !== undefined; next = this.#nextDue(endMs)) {
      this.#pass(next.atMs - this.#monotonicMs);
      if (next.periodMs === undefined) this.#timers.delete(next);
      else next.atMs += next.periodMs;
      next.callback();
    }
    this.#pass(endMs - this.#monotonicMs);
  }

  /** As `advance`, but lets promises settle between steps of `stepMs`. */
  async advanceSlowly(ms: number, stepMs = 100): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(left, stepMs));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The wall clock jumps (sleep, NTP); no timer fires for it. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #add(timer: Timer): Disposable {
    this.#timers.add(timer);
    return disposable(() => this.#timers.delete(timer));
  }

  #nextDue(endMs: number): Timer | undefined {
    let due: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (due === undefined || timer.atMs < due.atMs)) due = timer;
    }
    return due;
  }

  #pass(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
}

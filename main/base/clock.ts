/** Time as a dependency, so that tests turn it and never sleep. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Monotonic milliseconds, for durations. */
  monotonic(): number;
  /** Call back once after `delayMs`; disposing cancels. Never keeps the process alive by itself. */
  after(delayMs: number, callback: () => void): Disposable;
  /** Call back every `periodMs` until disposed. Never keeps the process alive by itself. */
  every(periodMs: number, callback: () => void): Disposable;
}

/** Resolve after `delayMs`; reject with the signal's reason when aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer[Symbol.dispose]();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

interface Unrefable {
  unref?(): void;
}

/** A platform's timer takes no longer delay, some 25 days: beyond it fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The real clock. Timers are unreferenced where the platform can (Node), so they never hold a process open. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (leftMs: number): void => {
      timer = setTimeout(
        () => (leftMs > longestTimerMs ? arm(leftMs - longestTimerMs) : callback()),
        Math.min(leftMs, longestTimerMs),
      );
      (timer as unknown as Unrefable).unref?.();
    };
    arm(delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs);
    (timer as unknown as Unrefable).unref?.();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

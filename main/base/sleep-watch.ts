/** Notices that the host slept, from the two clocks alone. */
import type { Clock } from './clock.ts';

/** More than this is sleep, or a process that was stopped, which comes to the same; less is a clock set right or a busy machine. */
const sleptMs = 10_000;

/**
 * Returns what tells, whenever it is asked, whether the host slept since it was asked before: the wall clock ran ahead of the monotonic one,
 * or, where that one counts sleep too (macOS, Windows), the timer that asks fired long after `dueMs`, monotonic.
 */
export function watchSleep(clock: Clock): (dueMs: number) => boolean {
  let aheadMs = clock.now() - clock.monotonic();
  return (dueMs) => {
    const beforeMs = aheadMs;
    aheadMs = clock.now() - clock.monotonic();
    return aheadMs - beforeMs > sleptMs || clock.monotonic() - dueMs > sleptMs;
  };
}

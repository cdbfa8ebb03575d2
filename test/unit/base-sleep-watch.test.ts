import { describe, expect, it } from 'vitest';
import { watchSleep } from '../../main/base/sleep-watch.ts';
import { ManualClock } from '../support/manual-clock.ts';

const hour = 3_600_000;

describe('whether the host slept', () => {
  it('shows in a wall clock that ran ahead of the monotonic one, once', () => {
    const clock = new ManualClock();
    const slept = watchSleep(clock);
    clock.advance(hour);
    expect(slept(clock.monotonic())).toBe(false);
    clock.jump(11_000);
    expect(slept(clock.monotonic())).toBe(true);
    expect(slept(clock.monotonic())).toBe(false);
  });

  it('shows in a timer that fired late where the monotonic clock counts sleep too', () => {
    const clock = new ManualClock();
    const slept = watchSleep(clock);
    const dueMs = clock.monotonic() + 2000;
    clock.advance(13_000);
    expect(slept(dueMs)).toBe(true);
    expect(slept(clock.monotonic())).toBe(false);
  });

  it('does not show in what sets the clock right, forward or back, nor in a timer that a busy machine delays', () => {
    const clock = new ManualClock();
    const slept = watchSleep(clock);
    for (const byMs of [9_000, -hour, 9_000]) {
      clock.jump(byMs);
      expect(slept(clock.monotonic() - 9_000)).toBe(false);
    }
  });
});

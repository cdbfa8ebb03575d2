import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('waits longer than the platform’s timers can', () => {
  const day = 86_400_000;
  let fired = 0;
  systemClock.after(60 * day, () => (fired += 1));
  const given = systemClock.after(60 * day, () => expect.fail('it was given up'));
  systemClock.after(Infinity, () => expect.fail('it never comes'));
  vi.advanceTimersByTime(59 * day);
  given[Symbol.dispose]();
  expect(fired).toBe(0);
  vi.advanceTimersByTime(day);
  expect(fired).toBe(1);
  vi.advanceTimersByTime(60 * day);
  expect(fired).toBe(1);
});

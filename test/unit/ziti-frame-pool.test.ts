import { expect, test } from 'vitest';
import { FramePool } from '../../main/ziti/edge/frame-pool.ts';
import { ManualClock } from '../support/manual-clock.ts';

const large = 100_000;

test('memory of a large frame is used again, and given back once nothing large was sent for five seconds', () => {
  const clock = new ManualClock();
  const pool = new FramePool(clock);
  const first = pool.take(large);
  pool.release(first);
  expect(pool.take(large - 1).buffer).toBe(first.buffer);
  for (let second = 0; second < 12; second += 1) {
    pool.release(first);
    clock.advance(1_000);
    expect(pool.take(large).buffer).toBe(first.buffer);
  }
  pool.release(first);
  clock.advance(4_999);
  expect(pool.take(large).buffer).toBe(first.buffer);
  pool.release(first);
  clock.advance(10_000);
  expect(pool.take(large).buffer).not.toBe(first.buffer);
  expect(pool.take(10).length).toBe(10);
});

/** What reading costs: messages of 64 KiB through a session with and without the MCP guard, to a server in a process of its own. */
import { describe, expect, it } from 'vitest';
import { measureGuard } from './guard.ts';

describe('the MCP guard', () => {
  it('keeps at least 0.7 of the throughput for 64 KiB messages', async () => {
    const rounds = await measureGuard(3);
    for (const { plain, guarded } of rounds) {
      console.info(
        `plain ${plain.rate.toFixed(0)} calls/s at ${plain.cpuUs.toFixed(0)} µs, ` +
          `guarded ${guarded.rate.toFixed(0)} calls/s at ${guarded.cpuUs.toFixed(0)} µs: ` +
          `${(guarded.rate / plain.rate).toFixed(2)} by the clock, ${(plain.cpuUs / guarded.cpuUs).toFixed(2)} by the processor`,
      );
    }
    // The best of several rounds: other work on the machine falls on either side of a pair.
    expect(Math.max(...rounds.map(({ plain, guarded }) => guarded.rate / plain.rate))).toBeGreaterThan(0.7);
  }, 60_000);
});

/** The checks of one terminator, each at its own interval, never two runs of one at a time. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Health } from './health.ts';
import type { TerminatorState } from './health.ts';
import { runProbe } from './health-probe.ts';
import type { HealthCheck } from './host-config.ts';

/** Who is told when the health of a terminator changes. */
export interface HealthChecksDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The state to publish has changed, or the summary. */
  readonly changed: (state: TerminatorState) => void;
}

/** The checks of one terminator at work; disposing stops them. */
export interface HealthChecks extends Disposable {
  summary(): 'healthy' | 'unhealthy' | 'unchecked';
  state(): TerminatorState;
}

/** Start checking, the first run at once. Disposing aborts runs under way. */
export function startHealthChecks(
  checks: readonly HealthCheck[],
  baseline: TerminatorState,
  deps: HealthChecksDeps,
): HealthChecks {
  const health = new Health(baseline);
  const stop = new AbortController();
  const timers = checks.map((check, index) => {
    let running = false;
    const run = async (): Promise<void> => {
      if (running || stop.signal.aborted) return;
      running = true;
      try {
        const result = await runProbe(check, deps.clock, stop.signal);
        const before = { summary: health.summary, state: health.state };
        const { sendEvent } = health.report(index, result.passed, check.actions, deps.clock.monotonic());
        // The event has no effect on the network of today's releases, so it is told here where people look.
        if (sendEvent) deps.log.warn('hosting.health_event', { passed: result.passed, found: result.found });
        if (health.summary !== before.summary)
          deps.log.info('hosting.health', { health: health.summary, found: result.found });
        if (health.summary !== before.summary || health.state !== before.state) deps.changed(health.state);
      } catch (error) {
        if (!stop.signal.aborted) deps.log.error('hosting.health_failed', { error: String(error) });
      } finally {
        running = false;
      }
    };
    void run();
    return deps.clock.every(check.intervalMs, () => void run());
  });
  return {
    summary: () => health.summary,
    state: () => health.state,
    [Symbol.dispose]() {
      stop.abort();
      for (const timer of timers) timer[Symbol.dispose]();
    },
  };
}

/**
 * Notices that the clock was set, forward or back: no term is counted by it, but the record's times are, and who reads them must know. Sleep
 * moves the clock too, and with it the time since the host started; only what differs between the two was set by somebody.
 */
import { uptime } from 'node:os';
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';

const lookMs = 2000;
/** What a time server corrects in one step is less. */
const setByMs = 2000;

/** What is watched, and where it is recorded. */
export interface ClockWatchDeps {
  readonly clock: Clock;
  readonly audit: Pick<AuditWriter, 'recordOrLog'>;
  readonly log: Log;
  /** Milliseconds since the host started, sleep included. */
  readonly sinceStartMs?: () => number;
}

/** Record until disposed. macOS counts the time since its start by the clock itself: there only what goes back shows. */
export function watchClock(deps: ClockWatchDeps): Disposable {
  const { clock, audit, log } = deps;
  const steady = deps.sinceStartMs ?? (process.platform === 'darwin' ? () => clock.monotonic() : () => uptime() * 1000);
  const forwardShows = deps.sinceStartMs !== undefined || process.platform !== 'darwin';
  let offset = clock.now() - steady();
  return clock.every(lookMs, () => {
    const now = clock.now() - steady();
    const byMs = Math.round(now - offset);
    offset = now;
    if (Math.abs(byMs) < setByMs || (byMs > 0 && !forwardShows)) return;
    log.warn('engine.clock_set', { byMs });
    audit.recordOrLog({ kind: 'clock.changed', byMs, direction: byMs > 0 ? 'forward' : 'back' });
  });
}

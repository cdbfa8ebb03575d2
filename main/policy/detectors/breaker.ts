/**
 * Circuit breaker for each program and service: too many failed dials, violations, refused calls or calls within a window cut the pair
 * off for a while. Pure: facts and times in, findings out. Direction: closed, it cuts off.
 */
import { pairSubject, type Finding, type WatchedEvent } from './finding.ts';

/** How many of each within the window trip it, and for how long it then holds. */
export interface BreakerSettings {
  /** Each within the window; 0 turns that one off. */
  readonly failures: number;
  readonly violations: number;
  readonly denials: number;
  readonly calls: number;
  readonly windowSeconds: number;
  /** 0: until released by hand. */
  readonly holdSeconds: number;
}

/** Thresholds that ordinary work stays below; calls alone trip nothing. */
export const defaultBreaker: BreakerSettings = {
  failures: 200,
  violations: 5,
  denials: 100,
  calls: 0,
  windowSeconds: 60,
  holdSeconds: 300,
};

/**
 * Failed dials hold for this long at most: whoever did not host may host again any moment, and a program that retries must not be kept
 * from it. The breaker spares network and audit the flood, no more.
 */
const longestFailureHoldSeconds = 5;

/** Pairs watched; the longest untouched is forgotten. */
const maxPairs = 4_096;

type Counted = 'failures' | 'violations' | 'denials' | 'calls';
type Counts = Record<Counted, number[]>;

const words: Readonly<Record<Counted, string>> = {
  failures: 'failed dials',
  violations: 'violations of its contract',
  denials: 'refused calls',
  calls: 'calls',
};

/** A breaker for each pair of program and service. */
export class Breaker {
  readonly #settings: BreakerSettings;
  readonly #pairs = new Map<string, Counts>();

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
  }

  observe(event: WatchedEvent, nowMs: number): readonly Finding[] {
    return countedIn(event).flatMap((counted) => {
      const most = this.#settings[counted];
      if (most === 0) return [];
      const subject = pairSubject(event.program, event.service);
      const counts = this.#countsOf(subject);
      const windowMs = this.#settings.windowSeconds * 1000;
      const times = counts[counted].filter((at) => at > nowMs - windowMs);
      times.push(nowMs);
      counts[counted] = times;
      if (times.length < most) return [];
      // It starts from nothing when it closes again.
      this.#pairs.delete(subject);
      return [this.#trip(counted, subject, event, most)];
    });
  }

  #trip(counted: Counted, subject: string, event: WatchedEvent, most: number): Finding {
    const { windowSeconds } = this.#settings;
    const holdSeconds = this.#holdSeconds(counted);
    const who = event.program ?? 'Unknown programs';
    return {
      detector: `breaker.${counted}`,
      severity: 'critical',
      text: `${who} made ${most} ${words[counted]} on ${event.service} within ${windowSeconds} s`,
      subject,
      action: 'quarantine',
      ...(holdSeconds === 0 ? {} : { holdMs: holdSeconds * 1000 }),
    };
  }

  #holdSeconds(counted: Counted): number {
    const { holdSeconds } = this.#settings;
    if (counted !== 'failures') return holdSeconds;
    return holdSeconds === 0 ? longestFailureHoldSeconds : Math.min(holdSeconds, longestFailureHoldSeconds);
  }

  #countsOf(subject: string): Counts {
    const known = this.#pairs.get(subject) ?? { failures: [], violations: [], denials: [], calls: [] };
    this.#pairs.delete(subject);
    this.#pairs.set(subject, known);
    if (this.#pairs.size > maxPairs) {
      const [oldest] = this.#pairs.keys();
      if (oldest !== undefined) this.#pairs.delete(oldest);
    }
    return known;
  }
}

function countedIn(event: WatchedEvent): readonly Counted[] {
  if (event.kind === 'dial') return event.outcome === 'failed' ? ['failures'] : [];
  if (event.kind === 'violation') return ['violations'];
  if (event.kind === 'call') return event.outcome === 'denied' ? ['denials'] : ['calls'];
  return [];
}

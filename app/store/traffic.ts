/** Rates, from the byte counters the engine reports: sampled once a second, kept for two minutes, told to whoever watches. */
import type { Clock } from '../../main/base/clock.ts';
import type { SessionView } from '../../main/api/views.ts';

/** Bytes a second of one session, smoothed. */
export interface Rate {
  /** Bytes a second from the application to the service. */
  readonly sent: number;
  readonly received: number;
}

/** The sum over all sessions, a point a second. */
export interface TrafficHistory {
  /** Unix seconds, oldest first; always {@link historyPoints} long. */
  readonly times: readonly number[];
  readonly sent: readonly number[];
  readonly received: readonly number[];
}

/** Two minutes of seconds. */
export const historyPoints = 120;
const still: Rate = { sent: 0, received: 0 };
/** Share of a new sample in the shown rate: calm enough to read, quick enough to trust. */
const weight = 0.6;

interface Counter {
  readonly sent: number;
  readonly received: number;
  readonly rate: Rate;
}

/** Fold one sample: counters of sessions that are gone are dropped, new sessions start at their own first bytes. */
export function sampleRates(
  before: ReadonlyMap<string, Counter>,
  sessions: readonly SessionView[],
  elapsedMs: number,
): ReadonlyMap<string, Counter> {
  const after = new Map<string, Counter>();
  for (const session of sessions) {
    const { bytesSent: sent, bytesReceived: received } = session;
    const last = before.get(session.id);
    if (last === undefined || elapsedMs <= 0) {
      after.set(session.id, { sent, received, rate: still });
      continue;
    }
    const open = session.state !== 'closed';
    const rate = open
      ? {
          sent: blend(last.rate.sent, ((sent - last.sent) * 1000) / elapsedMs),
          received: blend(last.rate.received, ((received - last.received) * 1000) / elapsedMs),
        }
      : still;
    after.set(session.id, { sent, received, rate: rate.sent === 0 && rate.received === 0 ? still : rate });
  }
  return after;
}

function blend(before: number, now: number): number {
  const value = before * (1 - weight) + Math.max(0, now) * weight;
  return value < 1 ? 0 : value;
}

/** The sampler; runs until disposed. */
export class Traffic implements Disposable {
  readonly #clock: Clock;
  readonly #sessions: () => readonly SessionView[];
  readonly #listeners = new Set<() => void>();
  readonly #timer: Disposable;
  #counters: ReadonlyMap<string, Counter> = new Map();
  #sampledAtMs: number;
  #history: TrafficHistory;

  constructor(clock: Clock, sessions: () => readonly SessionView[]) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#sampledAtMs = clock.monotonic();
    const nowSeconds = Math.floor(clock.now() / 1000);
    const times = Array.from({ length: historyPoints }, (_, index) => nowSeconds - historyPoints + index + 1);
    const zeros = Array.from({ length: historyPoints }, () => 0);
    this.#history = { times, sent: zeros, received: zeros };
    this.#timer = clock.every(1000, () => this.#sample());
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly history = (): TrafficHistory => this.#history;

  /** The same object while the rate stays the same. */
  rate(sessionId: string): Rate {
    return this.#counters.get(sessionId)?.rate ?? still;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #sample(): void {
    const nowMs = this.#clock.monotonic();
    this.#counters = sampleRates(this.#counters, this.#sessions(), nowMs - this.#sampledAtMs);
    this.#sampledAtMs = nowMs;
    let sent = 0;
    let received = 0;
    for (const { rate } of this.#counters.values()) {
      sent += rate.sent;
      received += rate.received;
    }
    const { times, sent: sentBefore, received: receivedBefore } = this.#history;
    this.#history = {
      times: [...times.slice(1), Math.floor(this.#clock.now() / 1000)],
      sent: [...sentBefore.slice(1), sent],
      received: [...receivedBefore.slice(1), received],
    };
    for (const listener of [...this.#listeners]) listener();
  }
}

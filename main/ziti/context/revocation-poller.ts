/**
 * Looks closely while streams are open whose end the network would not tell of: again and again, soon after each answer, and beside an
 * answer that is late.
 */
import type { Clock } from '../../base/clock.ts';

/**
 * A question costs a controller a third of a millisecond of processor time, and us one: 20 a second are two parts in a hundred of a laptop's
 * core for as long as a stream is open. At 20 ms they were five, for 15 ms less at the median. Measured on 1.7.2.
 */
const shortestPauseMs = 50;
/** A controller that is slow to answer is slow to tell of a revocation as well, and must not be asked less often still. */
const longestPauseMs = 200;
/** A busy controller is left ten times as long as it lets us wait. */
const loadFactor = 10;
/** An answer later than this is not waited for: another question goes out beside it. */
const patienceMs = 200;
const maxUnderWay = 2;
/** Out of so many answers the middle one counts: a single late one says nothing. */
const remembered = 5;
/** The fastest answer is forgotten by so much an answer, for the way to the controller may have become longer. */
const forgetting = 1.005;

/** How long to pause between questions, by how long the answers take beyond what the way there takes anyhow. */
export class PollPace {
  readonly #lately: number[] = [];
  #fastestMs = Number.POSITIVE_INFINITY;

  took(ms: number): void {
    this.#fastestMs = Math.min(ms, this.#fastestMs * forgetting);
    this.#lately.push(ms);
    if (this.#lately.length > remembered) this.#lately.shift();
  }

  pauseMs(): number {
    const sorted = [...this.#lately].sort((a, b) => a - b);
    const middleMs = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const queuedMs = Math.max(0, middleMs - this.#fastestMs);
    return Math.min(longestPauseMs, Math.max(shortestPauseMs, queuedMs * loadFactor));
  }
}

/** What is watched for, and how it is looked at. */
export interface ServiceWatchDeps {
  readonly clock: Clock;
  /** There is something to watch for. */
  mustWatch(): boolean;
  /** Never rejects. */
  look(): Promise<void>;
}

/** Stops by itself once there is nothing to watch for, and begins again with {@link start}. */
export class RevocationPoller implements Disposable {
  readonly #deps: ServiceWatchDeps;
  readonly #pace = new PollPace();
  #timer: Disposable | undefined;
  #underWay = 0;
  #closed = false;

  constructor(deps: ServiceWatchDeps) {
    this.#deps = deps;
  }

  /** Watch as long as must be. Idempotent. */
  start(): void {
    if (this.#timer === undefined) this.#after(shortestPauseMs);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #after(delayMs: number): void {
    this.#timer?.[Symbol.dispose]();
    const must = !this.#closed && this.#deps.mustWatch();
    this.#timer = must ? this.#deps.clock.after(delayMs, () => this.#ask()) : undefined;
  }

  #ask(): void {
    const { clock } = this.#deps;
    this.#after(patienceMs);
    if (this.#underWay >= maxUnderWay) return;
    this.#underWay += 1;
    const startedMs = clock.monotonic();
    void this.#deps.look().then(() => {
      this.#underWay -= 1;
      this.#pace.took(clock.monotonic() - startedMs);
      this.#after(this.#pace.pauseMs());
    });
  }
}

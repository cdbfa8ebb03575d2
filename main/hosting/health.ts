/**
 * What health checks make of a terminator's cost and precedence. Pure: results and times in, the state to publish out.
 * Rules as in openziti/ziti tunnel/health/{checks,manager}.go.
 */
import type { CheckAction, CheckEffect } from './host-config.ts';

/** Whether the terminator is taken before others, like others, or not while there is another. */
export type Precedence = 'default' | 'required' | 'failed';

/** Cost is two bytes on the wire. */
const maxCost = 65_535;

/** Cost and precedence to publish. */
export interface TerminatorState {
  readonly cost: number;
  readonly precedence: Precedence;
}

/** The run of equal results of one check up to now. */
interface Streak {
  passed: boolean;
  length: number;
  sinceMs: number;
}

/** The health of one terminator under all of its checks. */
export class Health {
  readonly #baseline: TerminatorState;
  readonly #streaks = new Map<number, Streak>();
  #state: TerminatorState;

  constructor(baseline: TerminatorState) {
    this.#baseline = baseline;
    this.#state = baseline;
  }

  get state(): TerminatorState {
    return this.#state;
  }

  /** `unhealthy` while the last result of any check is a failure. */
  get summary(): 'healthy' | 'unhealthy' | 'unchecked' {
    if (this.#streaks.size === 0) return 'unchecked';
    return [...this.#streaks.values()].every(({ passed }) => passed) ? 'healthy' : 'unhealthy';
  }

  /** A check has run: apply the actions that it triggers. */
  report(
    check: number,
    passed: boolean,
    actions: readonly CheckAction[],
    nowMs: number,
  ): { readonly sendEvent: boolean } {
    const before = this.#streaks.get(check);
    const streak =
      before?.passed === passed ? { ...before, length: before.length + 1 } : { passed, length: 1, sinceMs: nowMs };
    this.#streaks.set(check, streak);
    let sendEvent = false;
    for (const { trigger, consecutiveEvents, durationMs, effect } of actions) {
      if (trigger === 'pass' && !passed) continue;
      if (trigger === 'fail' && passed) continue;
      if (trigger === 'change' && streak.length !== 1) continue;
      if (consecutiveEvents !== undefined && streak.length < consecutiveEvents) continue;
      if (durationMs !== undefined && nowMs - streak.sinceMs < durationMs) continue;
      if (effect.kind === 'event') sendEvent = true;
      this.#apply(effect);
    }
    return { sendEvent };
  }

  #apply(effect: CheckEffect): void {
    const { cost, precedence } = this.#state;
    switch (effect.kind) {
      case 'healthy':
        this.#state = { cost, precedence: this.#baseline.precedence };
        return;
      case 'unhealthy':
        this.#state = { cost, precedence: 'failed' };
        return;
      case 'event':
        return;
      case 'cost': {
        // A terminator that is out of service already is not made dearer on top.
        if (effect.change > 0 && precedence === 'failed') return;
        this.#state = { cost: Math.min(maxCost, Math.max(this.#baseline.cost, cost + effect.change)), precedence };
        return;
      }
    }
  }
}

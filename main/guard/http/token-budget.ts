/**
 * One call's share of a token budget: set aside before it goes on, extended while its answer grows, settled when it is over. Pure.
 */
import type { HttpRules } from '../../base/engagement.ts';
import type { GuardLedger } from '../guard.ts';

type Budget = NonNullable<HttpRules['tokenBudget']>;

/** Taken at a time where an answer outgrows what was set aside. */
const extensionTokens = 512;

export class BudgetShare {
  readonly #budget: Budget;
  readonly #ledger: GuardLedger;
  readonly #key: string;
  readonly #startedMs: number;
  readonly #releases: (() => void)[] = [];
  #reserved = 0;

  /** Undefined where nothing is left of the budget. `most`: what the call asks and may be answered; it gets at most the remainder. */
  static reserve(
    budget: Budget,
    ledger: GuardLedger,
    key: string,
    most: number,
    nowMs: number,
  ): BudgetShare | undefined {
    const share = new BudgetShare(budget, ledger, key, nowMs);
    return share.#take(most) ? share : undefined;
  }

  private constructor(budget: Budget, ledger: GuardLedger, key: string, nowMs: number) {
    this.#budget = budget;
    this.#ledger = ledger;
    this.#key = key;
    this.#startedMs = nowMs;
  }

  /** What it may use so far. */
  get reserved(): number {
    return this.#reserved;
  }

  /** May it have used so many? Takes more of the budget where there is more. */
  allows(tokens: number): boolean {
    if (tokens <= this.#reserved) return true;
    return this.#take(Math.max(tokens - this.#reserved, extensionTokens)) && tokens <= this.#reserved;
  }

  /** It used so many in the end; what was set aside beyond is free again. Once. */
  settle(tokens: number, nowMs: number): void {
    for (const release of this.#releases.splice(0)) release();
    this.#ledger.charge(this.#key, tokens, this.#budget.perSeconds * 1000, nowMs);
  }

  #take(tokens: number): boolean {
    const windowMs = this.#budget.perSeconds * 1000;
    const left = this.#budget.tokens - this.#ledger.used(this.#key, windowMs, this.#startedMs);
    if (left <= 0) return false;
    const amount = Math.min(tokens, left);
    this.#releases.push(this.#ledger.hold(this.#key, amount, windowMs, this.#startedMs));
    this.#reserved += amount;
    return true;
  }
}

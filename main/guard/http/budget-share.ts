/**
 * One call's share of a budget: set aside before it goes on, extended while its answer grows, settled when it is over. Pure. Whatever is counted
 * is whole numbers: tokens, or millionths of a currency.
 */
import type { GuardLedger } from '../guard.ts';

/** So much within a rolling span. */
export interface Budget {
  readonly limit: number;
  readonly perSeconds: number;
}

/** One call's share of one budget. */
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

  /** May it have used so much? Takes more of the budget where there is more, `step` at the least. */
  allows(amount: number, step: number): boolean {
    if (amount <= this.#reserved) return true;
    return this.#take(Math.max(amount - this.#reserved, step)) && amount <= this.#reserved;
  }

  /** It used so much in the end; what was set aside beyond is free again. Once. */
  settle(amount: number, nowMs: number): void {
    for (const release of this.#releases.splice(0)) release();
    this.#ledger.charge(this.#key, amount, this.#budget.perSeconds * 1000, nowMs);
  }

  #take(amount: number): boolean {
    const windowMs = this.#budget.perSeconds * 1000;
    const left = this.#budget.limit - this.#ledger.used(this.#key, windowMs, this.#startedMs);
    if (left <= 0) return false;
    const taken = Math.min(amount, left);
    this.#releases.push(this.#ledger.hold(this.#key, taken, windowMs, this.#startedMs));
    this.#reserved += taken;
    return true;
  }
}

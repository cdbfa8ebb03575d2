/** The budgets of a contract, tokens and money, asked for every call to a model. Pure but for the ledger. */
import type { HttpRules } from '../../base/engagement.ts';
import type { Reason } from '../../base/reason.ts';
import type { GuardContext } from '../guard.ts';
import { BudgetShare, type Budget } from './budget-share.ts';
import { asCost, costOf, mostCostOf, type Cost, type Price } from './prices.ts';
import type { HttpRefusal } from './refusal.ts';
import type { TokenUse } from './token-meter.ts';

/** What a call asks for: its prompt by estimate, and the most its answer may have. */
export interface AskedTokens {
  /** Every model that may answer it; the dearest counts. */
  readonly models: readonly string[];
  readonly input: number;
  readonly output: number;
}

type Reserved =
  | { readonly kind: 'share'; readonly share: CallShare }
  | { readonly kind: 'refuse'; readonly refusal: Omit<HttpRefusal, 'target'> };

/** One budget: where it is kept, how it is said, and what tokens are of it. */
interface Counted {
  readonly key: string;
  readonly rule: string;
  /** `100 tokens in 60 s`. */
  readonly words: string;
  readonly budget: Budget;
  amountOf(use: TokenUse, prices: readonly Price[]): number;
  mostOf(asked: AskedTokens, prices: readonly Price[]): number;
}

/** Tokens that are taken at a time where an answer outgrows what was set aside. */
const extension: TokenUse = { input: 0, output: 512 };
/** Used so far, a budget is told of: there is time left to do something about it. */
const warnedAt = 0.8;

/** The budgets that one session's calls are held to. */
export class Budgets {
  readonly #context: GuardContext;
  readonly #currency: string | undefined;
  readonly #counted: readonly Counted[];
  readonly #warn: (reason: Reason) => void;

  /** `warn`: told once a span that most of a budget is used. */
  constructor(rules: HttpRules, context: GuardContext, warn: (reason: Reason) => void) {
    this.#context = context;
    this.#currency = rules.costBudget?.currency;
    this.#counted = [...tokenBudget(rules, context), ...costBudget(rules, context)];
    this.#warn = warn;
  }

  /** Set aside what the call may use, at most the remainder; refused where a budget is used, or a model has no price and money is counted. */
  reserve(asked: AskedTokens, nowMs: number): Reserved {
    const prices = asked.models.map((model) => this.#context.prices?.priceOf(model, this.#currency));
    if (this.#currency !== undefined) {
      const unpriced = asked.models.find((_, index) => prices[index] === undefined);
      if (unpriced !== undefined || asked.models.length === 0) {
        return { kind: 'refuse', refusal: noPrice(this.#currency, unpriced) };
      }
    }
    const known = prices.filter((price) => price !== undefined);
    const shares: Shared[] = [];
    for (const counted of this.#counted) {
      const { key, budget } = counted;
      const { ledger } = this.#context;
      const before = ledger.spent(key, budget.perSeconds * 1000, nowMs);
      const share = BudgetShare.reserve(budget, ledger, key, counted.mostOf(asked, known), nowMs);
      if (share === undefined) {
        for (const taken of shares) taken.share.settle(0, nowMs);
        return { kind: 'refuse', refusal: this.#used(counted, nowMs) };
      }
      shares.push({ counted, share, warnAt: warnedAt * budget.limit - before });
    }
    return {
      kind: 'share',
      share: new CallShare(shares, known, nowMs, (counted, atMs) => this.#warned(counted, atMs)),
    };
  }

  /** The refusal of a budget that is used, before anything is set aside. */
  usedUp(nowMs: number): Omit<HttpRefusal, 'target'> | undefined {
    const used = this.#counted.find(
      ({ key, budget }) => this.#context.ledger.used(key, budget.perSeconds * 1000, nowMs) >= budget.limit,
    );
    return used === undefined ? undefined : this.#used(used, nowMs);
  }

  #used({ key, budget, rule, words }: Counted, nowMs: number): Omit<HttpRefusal, 'target'> {
    const windowMs = budget.perSeconds * 1000;
    const atMs = this.#context.ledger.freeAt?.(key, budget.limit, windowMs, nowMs) ?? nowMs + windowMs;
    const retryAfterSeconds = Math.max(1, Math.ceil((atMs - nowMs) / 1000));
    return { status: 429, rule, why: `the budget of ${words} is used`, retryAfterSeconds };
  }

  #warned({ key, budget, rule, words }: Counted, nowMs: number): void {
    if (!this.#context.ledger.take(`${key}|warned`, 1, 1, budget.perSeconds * 1000, nowMs)) return;
    this.#warn({
      code: 'guard.http.budget_low',
      sentence: `four fifths of the budget of ${words} are used`,
      next: `ask for less, or have the contract allow more: what is older than ${budget.perSeconds} s does not count`,
      rule,
    });
  }
}

interface Shared {
  readonly counted: Counted;
  readonly share: BudgetShare;
  /** From so much on, this call alone, the budget is told of. */
  readonly warnAt: number;
}

/** One call's share of every budget. */
export class CallShare {
  readonly #shares: readonly Shared[];
  readonly #prices: readonly Price[];
  readonly #startedMs: number;
  readonly #warn: (counted: Counted, nowMs: number) => void;

  constructor(
    shares: readonly Shared[],
    prices: readonly Price[],
    startedMs: number,
    warn: (counted: Counted, nowMs: number) => void,
  ) {
    this.#shares = shares;
    this.#prices = prices;
    this.#startedMs = startedMs;
    this.#warn = warn;
  }

  /** Why an answer that has used so much ends here; undefined where it may go on. */
  beyond(use: TokenUse): Reason | undefined {
    for (const { counted, share, warnAt } of this.#shares) {
      const amount = counted.amountOf(use, this.#prices);
      if (amount >= warnAt) this.#warn(counted, this.#startedMs);
      if (share.allows(amount, counted.amountOf(extension, this.#prices))) continue;
      const sentence = `an answer was ended: the budget of ${counted.words} is used`;
      return { code: 'guard.http.budget_used', sentence, rule: counted.rule };
    }
    return undefined;
  }

  /** What so much costs at the dearest of the models that may have answered; undefined where no price is known. */
  cost(use: TokenUse): Cost | undefined {
    const currency = this.#prices[0]?.currency;
    if (currency === undefined) return undefined;
    return asCost(
      costOf(
        use,
        this.#prices.filter((price) => price.currency === currency),
      ),
      currency,
    );
  }

  /** It used so much in the end. Once, this or {@link settleWhole}. */
  settle(use: TokenUse, nowMs: number): void {
    for (const { counted, share, warnAt } of this.#shares) {
      const amount = counted.amountOf(use, this.#prices);
      share.settle(amount, nowMs);
      if (amount > 0 && amount >= warnAt) this.#warn(counted, nowMs);
    }
  }

  /** Nobody knows what it used: all that was set aside counts, and no less than `known`. */
  settleWhole(nowMs: number, known: TokenUse): void {
    for (const { counted, share } of this.#shares) {
      share.settle(Math.max(share.reserved, counted.amountOf(known, this.#prices)), nowMs);
    }
  }
}

function tokenBudget({ tokenBudget: rule }: HttpRules, context: GuardContext): readonly Counted[] {
  if (rule === undefined) return [];
  const { tokens, perSeconds } = rule;
  return [
    {
      key: `${accountOf(context)}|http.tokens`,
      rule: 'contract:http.tokenBudget',
      words: `${tokens} tokens in ${perSeconds} s`,
      budget: { limit: tokens, perSeconds },
      amountOf: ({ input, output }) => input + output,
      mostOf: ({ input, output }) => input + output,
    },
  ];
}

function costBudget({ costBudget: rule }: HttpRules, context: GuardContext): readonly Counted[] {
  if (rule === undefined) return [];
  const { amount, currency, perSeconds } = rule;
  return [
    {
      key: `${accountOf(context)}|http.cost.${currency}`,
      rule: 'contract:http.costBudget',
      words: `${amount} ${currency} in ${perSeconds} s`,
      budget: { limit: Math.floor(amount * 1_000_000), perSeconds },
      amountOf: costOf,
      mostOf: ({ input, output }, prices) => mostCostOf(input, output, prices),
    },
  ];
}

function accountOf({ budgetKey, ledgerKey }: GuardContext): string {
  return budgetKey ?? ledgerKey;
}

function noPrice(currency: string, model: string | undefined): Omit<HttpRefusal, 'target'> {
  const rule = 'contract:http.costBudget';
  if (model === undefined) {
    return { status: 403, rule, why: 'money is counted here, and a request that names no model has no price' };
  }
  const why = `no price in ${currency} is known for ${model}, and money is counted here: set one under llm.prices in culvert.yaml`;
  return { status: 404, rule, why, model };
}

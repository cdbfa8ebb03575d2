/**
 * What models cost. Pure. Money is counted in whole millionths of its currency: a price in units of the currency a million tokens is the same
 * number of millionths a token.
 */
import { compileGlob } from '../../base/glob.ts';
import type { TokenUse } from './token-meter.ts';

/** Units of the currency for a million tokens of each kind. What is absent costs what the whole of it does. */
export interface Price {
  /** Glob over the model's name. */
  readonly model: string;
  /** `USD`. */
  readonly currency: string;
  readonly input: number;
  /** Of the prompt: what the provider had kept from before. */
  readonly cached?: number;
  /** Of the prompt: what it keeps for later. */
  readonly cacheWrite?: number;
  readonly output: number;
  /** Of the answer: what was thought and not shown. */
  readonly reasoning?: number;
  /** The day it was looked up, `2026-08-21`. */
  readonly checked: string;
  /** Where it says so. */
  readonly source: string;
}

/** Money as the record has it, in units of the currency. */
export interface Cost {
  readonly amount: number;
  readonly currency: string;
}

/** Prices by model. */
export interface PriceBook {
  /** The first line that names the model, in this currency where one is given. */
  priceOf(model: string, currency?: string): Price | undefined;
}

/** Of lines in the order in which they hold. */
export function priceBook(lines: readonly Price[]): PriceBook {
  const compiled = lines.map((price) => ({ price, glob: compileGlob(price.model) }));
  return {
    priceOf: (model, currency) =>
      compiled.find(({ price, glob }) => glob.matches(model) && (currency ?? price.currency) === price.currency)?.price,
  };
}

/** Millionths that this use costs at the dearest of the prices, rounded up. */
export function costOf(use: TokenUse, prices: readonly Price[]): number {
  return Math.max(0, ...prices.map((price) => costAt(use, price)));
}

/** The most that so many tokens may cost: the whole answer thought, where that is dearer. */
export function mostCostOf(input: number, output: number, prices: readonly Price[]): number {
  const plain = { input, output };
  return Math.max(costOf(plain, prices), costOf({ ...plain, reasoning: output }, prices));
}

/** Millionths as units of the currency. */
export function asCost(millionths: number, currency: string): Cost {
  return { amount: millionths / 1_000_000, currency };
}

function costAt(use: TokenUse, price: Price): number {
  const cached = Math.min(use.cached ?? 0, use.input);
  const written = Math.min(use.cacheWritten ?? 0, use.input - cached);
  const thought = Math.min(use.reasoning ?? 0, use.output);
  const sum =
    (use.input - cached - written) * price.input +
    cached * (price.cached ?? price.input) +
    written * (price.cacheWrite ?? price.input) +
    (use.output - thought) * price.output +
    thought * (price.reasoning ?? price.output);
  // Prices such as 0.1 are no exact doubles: what they leave far behind the point is no millionth more.
  return Math.ceil(Number(sum.toFixed(6)));
}

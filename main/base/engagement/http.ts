/** What may be asked of an HTTP service. */
import * as v from 'valibot';
import { exact, globs, positive, terms } from './terms.ts';

/** The largest amount of money whose millionths are still counted exactly. */
const maxAmount = 9_000_000_000;

/** Terms that turn the HTTP guard on. */
export const http = terms({
  /** Methods that may be used. Absent: any. */
  methods: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z]+$/, 'expected an upper-case method')))),
  /** Globs over the path (`*` within a segment, `**` across). */
  paths: v.optional(globs),
  /** Globs over the model an LLM request names. */
  models: v.optional(globs),
  /**
   * Tokens that one answer of a model may have. A question that asks for more, or says nothing, goes on with this number in the words of its dialect; a
   * stream that has more all the same is ended.
   */
  maxAnswerTokens: v.optional(positive),
  /**
   * Websocket handshakes pass. What flows then is read beside models, `maxAnswerTokens` or a budget, where it is OpenAI's Responses or Realtime; others, and all
   * beside `data`, do not pass there. Without any of these nothing of it is read.
   */
  websocket: v.optional(v.boolean()),
  /** Tokens of models that an identity may use at this service within a rolling span, kept over restarts. */
  tokenBudget: v.optional(
    terms({
      /** So many tokens, prompts and answers together. */
      tokens: positive,
      /** Length of that span. */
      perSeconds: positive,
    }),
  ),
  /**
   * Money that an identity may spend on models at this service within a rolling span, kept over restarts. A model whose price is not known is
   * refused. Not beside `mcp`, whose calls have no price.
   */
  costBudget: v.optional(
    terms({
      /** So much money, in units of the currency. */
      amount: v.pipe(
        exact,
        v.minValue(0.000_001, 'expected at least a millionth'),
        v.maxValue(maxAmount, `expected at most ${maxAmount}`),
      ),
      /** Code of the currency, such as `USD`: only prices in it count. */
      currency: v.pipe(v.string(), v.regex(/^[A-Z]{3}$/, 'expected the three capitals of a currency')),
      /** Length of that span. */
      perSeconds: positive,
    }),
  ),
});

/** The parsed `http` part of a contract. */
export type HttpRules = Readonly<v.InferOutput<typeof http>>;

/** Do these rules ask what model a request names, or what its answer may use or used? */
export function asksModels(rules: HttpRules): boolean {
  return [rules.models, rules.maxAnswerTokens, rules.tokenBudget, rules.costBudget].some((rule) => rule !== undefined);
}

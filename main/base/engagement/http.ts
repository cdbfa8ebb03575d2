/** What may be asked of an HTTP service. */
import * as v from 'valibot';
import { globs, positive, terms } from './terms.ts';

/** Terms that turn the HTTP guard on. */
export const http = terms({
  /** Methods that may be used. Absent: any. */
  methods: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z]+$/, 'expected an upper-case method')))),
  /** Globs over the path (`*` within a segment, `**` across). */
  paths: v.optional(globs),
  /** Globs over the model an LLM request names. */
  models: v.optional(globs),
  /** Websocket handshakes pass; what flows then is not read. Not beside models or a budget, which could not be held to there. */
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
});

/** The parsed `http` part of a contract. */
export type HttpRules = Readonly<v.InferOutput<typeof http>>;

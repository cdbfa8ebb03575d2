/** What may be asked of an HTTP service. */
import * as v from 'valibot';
import { globs, positive, terms } from './terms.ts';

/** Terms that turn the HTTP guard on. */
export const http = terms({
  methods: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z]+$/, 'expected an upper-case method')))),
  /** Globs over the path (`*` within a segment, `**` across). */
  paths: v.optional(globs),
  /** Globs over the model an LLM request names. */
  models: v.optional(globs),
  /** Websocket handshakes pass; what flows then is not read. Not beside models or a budget, which could not be held to there. */
  websocket: v.optional(v.boolean()),
  tokenBudget: v.optional(terms({ tokens: positive, perSeconds: positive })),
});

/** The parsed `http` part of a contract. */
export type HttpRules = Readonly<v.InferOutput<typeof http>>;

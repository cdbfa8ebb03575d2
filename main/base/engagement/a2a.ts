/** What may be said to an agent that speaks A2A. */
import * as v from 'valibot';
import { globs, positive, terms, whole } from './terms.ts';

/** Terms that turn the A2A guard on. */
export const a2a = terms({
  /**
   * Globs over the ids of skills: these stand in the agent's card, and a message names one of them in its `metadata.skillId`. `*` lets
   * messages pass that name none. Absent: all of them.
   */
  skills: v.optional(globs),
  /**
   * Globs over what a message is made of, by kind (`text`, `data`, `file`) or media type (`text/plain`, `image/*`), both ways; of an envelope
   * over its `message_type`. Each part has to be one of them; an empty list lets none through. Absent: all of them.
   */
  messageTypes: v.optional(globs),
  /** Messages an identity may send to the agent within `grantSeconds` (without: within a day), however often it connects. */
  maxMessages: v.optional(whole),
  /** A single message or answer larger than this is a violation. Default 16 MiB, of envelopes 10 MiB. */
  maxMessageBytes: v.optional(positive),
});

/** The parsed `a2a` part of a contract. */
export type A2aRules = Readonly<v.InferOutput<typeof a2a>>;

/** Sessions that wait for a second person's word. */
import * as v from 'valibot';
import { positive, terms } from './terms.ts';

/** Who is let in without approval where there is nobody to ask, with an alarm where the service is hosted. */
const breakGlass = terms({
  /** Calling identities that may: names, or ids where a network vouches for no names. */
  by: v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1)),
  /** How long that lasts, from its first use. */
  forSeconds: positive,
});

/** Terms that let no session in without approval. */
export const approval = terms({
  /** Identities whose engine's person may approve: names, or ids where a network vouches for no names. */
  by: v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1)),
  /** How long one approval lasts, from its first use. */
  forSeconds: positive,
  /** Whether whoever answers must say why. Default `optional`. */
  reason: v.optional(v.picklist(['required', 'optional'])),
  /** In an emergency these are let in without it. Absent: nobody is. */
  breakGlass: v.optional(breakGlass),
});

/** The parsed `approval` part of a contract. */
export type ApprovalRules = Readonly<v.InferOutput<typeof approval>>;

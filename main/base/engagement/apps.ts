/** Which programs may use a service. */
import * as v from 'valibot';
import { globs, terms } from './terms.ts';

/** Terms about the dialling program. */
export const apps = terms({
  /** Globs over an executable's path, `agent:NAME` or `sha256:HEX`. Present: only these. */
  allow: v.optional(globs),
  /** The same; deny wins over allow. */
  deny: v.optional(globs),
  /** The hosting side refuses callers that do not tell which program dials. */
  required: v.optional(v.boolean()),
});

/** What entries of the schema are made of. */
import * as v from 'valibot';
import { TunnelerError } from '../base/errors.ts';

/** Of calls that ask for nothing in particular. */
export const nothing = (raw: unknown): void => {
  if (raw !== undefined && raw !== null) throw new TunnelerError('base.invalid', 'request: expected nothing');
};

/** Text that is not empty. */
export const text = (maxLength = 4096) => v.pipe(v.string(), v.minLength(1), v.maxLength(maxLength));
/** Names that become file names: no separators, no leading dot. */
export const identityName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_-][A-Za-z0-9._@ -]{0,127}$/, 'a name has letters, digits, ".", "_", "-", "@" or blanks'),
);

/** Beside the engine's own person, for itself: users of the machine who are let in. */
export const members = ['member'] as const;
/** Beside that person, for itself: an agent. */
export const agents = ['agent'] as const;
/** Both of them. */
export const agentsAndMembers = ['agent', 'member'] as const;
/** Whoever reaches the socket. */
export const everyone = ['agent', 'member', 'unknown'] as const;

/** What records are searched for. */
export const auditQuery = v.strictObject({
  text: v.optional(v.pipe(v.string(), v.maxLength(1024))),
  kind: v.optional(text(256)),
  service: v.optional(text(256)),
  identity: v.optional(text(256)),
  agent: v.optional(text(256)),
  tool: v.optional(text(256)),
  session: v.optional(text(256)),
  decision: v.optional(v.picklist(['allow', 'deny'])),
  since: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  until: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000))),
  beforeSeq: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

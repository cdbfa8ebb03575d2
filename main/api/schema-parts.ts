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

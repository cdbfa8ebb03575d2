/** Who somebody is to the operating system. */

/** A user: the uid on Unix, the SID on Windows. Equal only for the same user of the same machine. */
export type UserId = number | string;

/** Accounts that may do everything on the machine, so that nothing need be hidden from them: root; SYSTEM and the administrators of Windows. */
const superusers: ReadonlySet<UserId> = new Set<UserId>([0, 'S-1-5-18', 'S-1-5-32-544']);

/** True for an account that may do everything here. */
export function isSuperuser(user: UserId | undefined): boolean {
  return user !== undefined && superusers.has(user);
}

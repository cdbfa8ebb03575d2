/**
 * When a user logs out, on Linux. Where logind knows the user as logged in, it says when that ends: its state of a user is a file under
 * /run/systemd/users (systemd sd_uid_get_state(3): `online` and `active` are logged in; `closing` and `lingering` are not). Elsewhere the login
 * is the session (setsid(2)) in which the user's program ran: it ends with its leader, the login shell or the desktop's first process.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UserId } from '../../base/user-id.ts';

/** Has the login ended? Asked again and again. */
export type LoginEnded = () => boolean;

/** Where the host keeps its word on logins; others in tests. */
export interface LoginPlaces {
  readonly logindUsers: string;
  readonly processes: string;
}

const hostPlaces: LoginPlaces = { logindUsers: '/run/systemd/users', processes: '/proc' };

/** Follow the login of `uid` that the process `pid` belongs to. Undefined where this host does not tell when it ends. */
export function followLogin(uid: UserId, pid: number | undefined, places = hostPlaces): LoginEnded | undefined {
  if (isLoggedIn(uid, places)) return () => !isLoggedIn(uid, places);
  const leader = pid === undefined ? undefined : statusOf(pid, places)?.session;
  if (leader === undefined || leader === 0) return undefined;
  const began = statusOf(leader, places)?.startedAtTicks;
  // Pids are given out anew: the same one with another start is another process.
  return () => began === undefined || statusOf(leader, places)?.startedAtTicks !== began;
}

function isLoggedIn(uid: UserId, { logindUsers }: LoginPlaces): boolean {
  return /^STATE=(active|online)$/m.test(read(join(logindUsers, String(uid))) ?? '');
}

/** Fields 3, 6 and 22 of proc_pid_stat(5); a zombie is over. */
function statusOf(
  pid: number,
  { processes }: LoginPlaces,
): { readonly session: number; readonly startedAtTicks: string } | undefined {
  const text = read(join(processes, String(pid), 'stat'));
  // The second field is the program's name in brackets, and may hold anything.
  const [state, , , session, ...rest] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  const startedAtTicks = rest[15];
  if (state === undefined || state === 'Z' || state === 'X' || startedAtTicks === undefined) return undefined;
  return { session: Number(session), startedAtTicks };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not there is an answer: no such user is logged in, no such process lives.
    return undefined;
  }
}

/**
 * When a person unlocked the screen, for MFA checks that ask again then. On Linux logind is asked, and only while some check in force wants
 * to know; elsewhere the desktop's shell tells.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { RunCommand } from '../../net/run-command.ts';
import type { UserId } from '../../base/user-id.ts';

const lookMs = 3000;

/** The last unlocking of each user of this host, as far as any was told. */
export class ScreenUnlocks {
  readonly #byUser = new Map<UserId | undefined, number>();

  /** `uid` undefined: the host does not say whose screen it is. */
  note(uid: UserId | undefined, atMs: number): void {
    this.#byUser.set(uid, atMs);
  }

  /** For an identity of one user, by that user alone; for the machine's, by anyone. */
  lastFor(owner: UserId | undefined): number | undefined {
    const known = [...this.#byUser].flatMap(([uid, atMs]) =>
      owner === undefined || uid === undefined || uid === owner ? [atMs] : [],
    );
    return known.length === 0 ? undefined : Math.max(...known);
  }
}

/** How logind is asked, and whether anybody wants to know. */
export interface LogindDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly run: RunCommand;
  /** Whether anyone wants to know; nothing is asked otherwise. */
  asks(): boolean;
}

/**
 * Ask logind until disposed; each session that was locked and is not any more is told with its user's id. A host without logind is asked
 * once. Source: systemd org.freedesktop.login1(5), `LockedHint`.
 */
export function watchLogind({ clock, log, run, asks }: LogindDeps, unlocked: (uid: number) => void): Disposable {
  let locked: ReadonlySet<string> = new Set();
  let looking = false;

  const look = async (): Promise<void> => {
    const sessions = await lockHints(run);
    if (sessions === undefined) {
      timer[Symbol.dispose]();
      log.debug('engine.no_logind');
      return;
    }
    const before = locked;
    locked = new Set(sessions.filter((one) => one.locked).map(({ id }) => id));
    for (const { id, uid } of sessions) if (before.has(id) && !locked.has(id)) unlocked(uid);
  };

  const timer = clock.every(lookMs, () => {
    if (looking || !asks()) return;
    looking = true;
    void look().finally(() => (looking = false));
  });
  return timer;
}

interface LockHint {
  readonly id: string;
  readonly uid: number;
  readonly locked: boolean;
}

/** Of every session; undefined where nobody answers. */
async function lockHints(run: RunCommand): Promise<readonly LockHint[] | undefined> {
  const listed = await run('loginctl', ['list-sessions', '--no-legend']);
  if (listed.code !== 0) return undefined;
  const ids = listed.stdout.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []);
  if (ids.length === 0) return [];
  const shown = await run('loginctl', ['show-session', ...ids, '-p', 'Id', '-p', 'User', '-p', 'LockedHint']);
  // One that ended in between fails the command; the others are told all the same.
  return shown.stdout.split(/\n\s*\n/).flatMap((block) => {
    const facts = new Map(block.split('\n').map((line) => line.split('=', 2) as [string, string | undefined]));
    const [id, uid] = [facts.get('Id'), Number(facts.get('User'))];
    return id === undefined || !Number.isInteger(uid) ? [] : [{ id, uid, locked: facts.get('LockedHint') === 'yes' }];
  });
}

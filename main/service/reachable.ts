/** What a service may run and keep: nothing that somebody else than the machine could exchange. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { posix, win32 } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import { foreignOwner, guardDirectory, strangerAtProgram, type RightsReader } from '../files/directory-rights.ts';
import type { ServiceFile } from './plan.ts';

/** The machine, as far as it is looked at here. */
export interface ServicePlaces {
  readonly platform: NodeJS.Platform;
  readonly program: readonly string[];
  readonly rights?: RightsReader | undefined;
  /** macOS: whose a file is, and who may write to it. */
  readonly look?: (path: string) => FileOwner;
}

/** A file's, of stat(2). */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Groups of macOS whose members may become root anyway: wheel, admin. */
const machineGroups: ReadonlySet<number> = new Set([0, 80]);

/**
 * A service sees no homes, and its user could not enter them; on Windows and macOS it is the system itself, which must run nothing that others may
 * change.
 * Throws `engine.service_unreachable`.
 */
export function requireReachable({ platform, program, rights, look = statSync }: ServicePlaces): void {
  const homes =
    platform === 'win32' ? /^[a-z]:[\\/]users[\\/]/i : /^\/(?:home|root|Users|var\/root|private\/var\/root)\//;
  const hidden = program.find((path) => homes.test(path));
  if (hidden !== undefined) {
    const next =
      platform === 'win32'
        ? 'install Culvert for all users, or move it (and Node) below C:\\Program Files and call it from there'
        : 'install the package, or move Culvert (and Node) to /opt and call it from there';
    throw unreachable(hidden, "it lies in somebody's home", next);
  }
  if (platform === 'darwin') {
    for (const path of program.filter((word) => posix.isAbsolute(word))) requireMachines(path, look);
  }
  if (platform !== 'win32' || rights === undefined) return;
  for (const path of program.filter((word) => win32.isAbsolute(word))) {
    const stranger = strangerAtProgram(path, rights);
    if (stranger === undefined) continue;
    const because = `${stranger.sid} may change ${stranger.at}`;
    throw unreachable(path, because, 'move Culvert (and Node) below C:\\Program Files');
  }
}

/** Homebrew's programs are its user's, as is what somebody unpacked by hand. */
function requireMachines(path: string, look: (path: string) => FileOwner): void {
  for (let at = path; ; at = posix.dirname(at)) {
    const who = strangerAt(look(at));
    if (who !== undefined) {
      const next =
        "copy Culvert (and Node) to a place that is root's, such as /Library/Culvert, and call it from there";
      throw unreachable(path, `${who} may change ${at}`, next);
    }
    if (posix.dirname(at) === at) return;
  }
}

/** Who but root may write there. */
function strangerAt({ uid, gid, mode }: FileOwner): string | undefined {
  if (uid !== 0) return `uid ${uid}`;
  if ((mode & 0o002) !== 0) return 'everybody';
  return (mode & 0o020) !== 0 && !machineGroups.has(gid) ? `group ${gid}` : undefined;
}

/**
 * Windows: make the directories where they are not there, and leave them to the machine alone. One that somebody made beforehand is refused, and
 * so are settings that somebody put into it: the service would obey them. Throws `engine.state_unusable`.
 */
export function guardPlaces(
  { rights }: ServicePlaces,
  directories: readonly string[],
  files: readonly ServiceFile[],
): void {
  if (rights === undefined) {
    throw new TunnelerError(
      'engine.state_unusable',
      'whose files are cannot be asked here: the native addon is missing',
      {
        details: { next: 'install the package, which has it, or build it with node native/build.mjs' },
      },
    );
  }
  for (const directory of directories) {
    try {
      mkdirSync(directory, { recursive: true });
      guardDirectory(directory, undefined, rights);
    } catch (error) {
      throw notOurs(directory, (error as Error).message, error);
    }
  }
  for (const { path } of files) {
    if (!existsSync(path)) continue;
    const stranger = foreignOwner(path, undefined, rights);
    if (stranger !== undefined) throw notOurs(path, `it belongs to another user (${stranger})`);
  }
}

function unreachable(path: string, because: string, next: string): TunnelerError {
  return new TunnelerError('engine.service_unreachable', `a service cannot run ${path}: ${because}`, {
    details: { path, next },
  });
}

function notOurs(path: string, because: string, cause?: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `${path} cannot be the service's: ${because}`, {
    cause,
    details: { path, next: 'look at what it holds, and remove it' },
  });
}

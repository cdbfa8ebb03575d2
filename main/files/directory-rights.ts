/**
 * Windows: who owns a file or directory and who else gets at it. There a mode means nothing: what lies under a directory that everybody may
 * write to, such as ProgramData, is everybody's until a list of its own says otherwise.
 */
import { win32 } from 'node:path';
import { loadNative, type Native } from 'node-tun';
import { isSuperuser, type UserId } from '../base/user-id.ts';

/** How rights are read and set; absent where the addon is not built. */
export type RightsReader = Pick<Native, 'fileRights' | 'restrictFile'>;

/** This machine's; undefined where it has none, or the addon is not built. */
export function windowsRights(): RightsReader | undefined {
  const found = loadNative();
  return process.platform === 'win32' && found.ok ? found.native : undefined;
}

/** Writes programs of Windows itself, and nothing else: NT SERVICE\TrustedInstaller. */
const installer = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464';
/** Stand for the owner, whoever that is: CREATOR OWNER, OWNER RIGHTS. */
const ownersOwn = new Set(['S-1-3-0', 'S-1-3-4']);
/**
 * Rights by which somebody changes a file, what lies in a directory, or who may: FILE_WRITE_DATA, FILE_APPEND_DATA, FILE_WRITE_EA,
 * FILE_DELETE_CHILD, DELETE, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_WRITE (winnt.h).
 */
const changing = 0x2 | 0x4 | 0x10 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000;

/** Rights by which somebody puts another directory in a directory's place: FILE_DELETE_CHILD, DELETE, WRITE_DAC, WRITE_OWNER, GENERIC_ALL. */
const moving = 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000;

function isTrusted(sid: string, own: UserId | undefined): boolean {
  return sid === own || sid === installer || isSuperuser(sid);
}

/** Whose it is, where that is neither `own` nor the machine's. */
export function foreignOwner(path: string, own: UserId | undefined, rights: RightsReader): string | undefined {
  const { owner } = rights.fileRights(path);
  return isTrusted(owner, own) ? undefined : owner;
}

/**
 * Who but the machine may exchange a program: change the file, put something beside it, or another directory in the place of one above it. The
 * first that is found, with where; undefined where nobody may.
 */
export function strangerAtProgram(path: string, rights: RightsReader): { sid: string; at: string } | undefined {
  let mask = changing;
  for (let at = path, level = 0; ; at = win32.dirname(at), level += 1) {
    // What lies beside it is loaded with it; further up only what leads to it counts.
    if (level > 1) mask = moving;
    const [sid] = strangers(at, undefined, rights, mask);
    if (sid !== undefined) return { sid, at };
    if (win32.dirname(at) === at) return undefined;
  }
}

/**
 * Leave a directory, and what will lie in it, to `own` and the machine alone. Done already: nothing happens. Throws where it belongs to
 * somebody else, who could change it again.
 */
export function guardDirectory(path: string, own: UserId | undefined, rights: RightsReader): void {
  const stranger = foreignOwner(path, own, rights);
  if (stranger !== undefined) throw new Error(`it belongs to another user (${stranger})`);
  if (strangers(path, own, rights, ~0).length === 0) return;
  rights.restrictFile(path, machineAccounts(own));
}

/** Who gets at what is `own`'s: that account, SYSTEM and the administrators. */
export function machineAccounts(own: UserId | undefined): readonly string[] {
  const self = typeof own === 'string' ? [own] : [];
  return [...new Set(['S-1-5-18', 'S-1-5-32-544', ...self])];
}

function strangers(path: string, own: UserId | undefined, rights: RightsReader, mask: number): readonly string[] {
  const { grants } = rights.fileRights(path);
  const found = grants.filter(
    (grant) => (grant.mask & mask) !== 0 && !isTrusted(grant.sid, own) && !ownersOwn.has(grant.sid),
  );
  return [...new Set(found.map(({ sid }) => sid))];
}

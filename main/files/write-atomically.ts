/** Whole files replaced at once: after a crash, a full disk or a kill -9 the old content or the new stands there, never a mixture. */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from './read-if-there.ts';
import { whileHeld, whileHeldSync } from './while-held.ts';

/** Mode of everything that holds or names a key. */
export const secretFileMode = 0o600;
/** Mode of a directory with such files. */
export const secretDirectoryMode = 0o700;

/** How a file is written; what is left out is its default. */
export interface WriteOptions {
  /** Permission bits, whatever the umask takes away; `kept`: those of the file it replaces. {@link secretFileMode} otherwise. */
  readonly mode?: number | 'kept';
  /**
   * False: nothing is synced. The file survives a kill whole, but not the loss of power, and nobody waits for the disk. Only for what is
   * written many times a second and checked when it is read.
   */
  readonly synced?: boolean;
  /** False: a file that somebody holds (Windows) is not waited for. Only for what is written again soon anyway. */
  readonly patient?: boolean;
}

/**
 * Write `content` to `path` by way of a temporary file beside it and a rename, both synced. On failure the temporary file is gone and the
 * old content stands; the file system's error (`ENOSPC`, `EACCES`, …) is thrown as it is. A link at `path` is replaced, not followed.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { mode = secretFileMode, synced = true, patient = true }: WriteOptions = {},
): Promise<void> {
  const temporary = besides(path);
  const bits = bitsOf(path, mode);
  const file = await open(temporary, 'wx', bits);
  try {
    try {
      await file.writeFile(content);
      await file.chmod(bits);
      if (synced) await file.sync();
    } finally {
      await file.close();
    }
    const replace = (): Promise<void> => rename(temporary, path);
    await (patient ? whileHeld(replace) : replace());
  } catch (error) {
    await whileHeld(() => rm(temporary, { force: true }));
    throw error;
  }
  if (synced) await syncDirectory(dirname(path));
}

/** As {@link writeAtomically}, for those who may not go on before it is done; the thread waits for the disk. */
export function writeAtomicallySync(
  path: string,
  content: string | Uint8Array,
  { mode = secretFileMode, synced = true, patient = true }: WriteOptions = {},
): void {
  const temporary = besides(path);
  const bits = bitsOf(path, mode);
  const file = openSync(temporary, 'wx', bits);
  try {
    try {
      writeFileSync(file, content);
      fchmodSync(file, bits);
      if (synced) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (patient) whileHeldSync(() => renameSync(temporary, path));
    else renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (synced) syncDirectorySync(dirname(path));
}

/** Remove a file for good, its absence synced. Absent already: nothing happens. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await whileHeld(() => unlink(path));
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** A rename is durable only once its directory is. Windows has no such call and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function syncDirectorySync(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function bitsOf(path: string, mode: number | 'kept'): number {
  if (mode !== 'kept') return mode;
  const before = statSync(path, { throwIfNoEntry: false });
  return before === undefined ? secretFileMode : before.mode & 0o7777;
}

/** A name of its own for each write, so that two at a time do not write into one file; `.tmp` is what a sweep looks for. */
function besides(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}

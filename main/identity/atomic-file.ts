/** Whole files replaced at once: after a crash, a full disk or a kill -9 the old content or the new stands there, never a mixture. */
import { open, rename, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';

/** Mode of everything that holds or names a key. */
export const secretFileMode = 0o600;
export const secretDirectoryMode = 0o700;

/**
 * Write `content` to `path` by way of a synced temporary file and a rename. On failure the temporary file is gone and the old
 * content stands; the file system's error (`ENOSPC`, `EACCES`, …) is thrown as it is.
 */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', secretFileMode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch((unlinkError: NodeJS.ErrnoException) => {
      if (unlinkError.code !== 'ENOENT') throw unlinkError;
    });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Remove a file for good, its absence synced. Absent already: nothing happens. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
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

/** The one directory that holds everything an engine keeps: 0700, owned by the engine's user; on Windows by a list of its own. */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';
import { guardDirectory, windowsRights } from '../../files/directory-rights.ts';
import { ownUser } from '../../files/own-user.ts';

/** Where changes to the host are written down before they are made. */
export const hostJournalDirectory = (stateDirectory: string): string => join(stateDirectory, 'host-journal');

/** The settings of an engine that is given no file of its own. */
export const ownSettingsFile = (stateDirectory: string): string => join(stateDirectory, 'culvert.yaml');

/**
 * Make the directory where it is not there, and check that it is this user's alone: what another user owns, that user can change under the
 * engine. `byRoot`: root works for a moment in the directory of the service's own user, which only root can have placed where it is.
 * Throws `engine.state_unusable`.
 */
export async function openStateDirectory(path: string, options: { readonly byRoot?: boolean } = {}): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const found = await stat(path);
    if (!found.isDirectory()) throw new Error('it is no directory');
    if (process.platform === 'win32') {
      const rights = windowsRights();
      if (rights !== undefined) guardDirectory(path, ownUser(), rights);
      return;
    }
    const uid = process.getuid?.() ?? 0;
    const placed = options.byRoot === true && uid === 0 && (await placedByRoot(path));
    if (found.uid !== uid && !placed) throw new Error(`it belongs to another user (uid ${found.uid})`);
    if ((found.mode & 0o022) !== 0) await chmod(path, found.mode & 0o755);
  } catch (error) {
    throw new TunnelerError('engine.state_unusable', `state directory ${path}: ${(error as Error).message}`, {
      cause: error,
      details: { directory: path, next: 'choose another with --state, or mend its owner and permissions' },
    });
  }
}

async function placedByRoot(path: string): Promise<boolean> {
  const above = await stat(dirname(resolve(path)));
  return above.uid === 0 && (above.mode & 0o022) === 0;
}

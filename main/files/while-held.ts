/**
 * Windows refuses to replace or remove a file that another program holds open: a virus scanner, a backup, an editor. Most hold it for moments,
 * so it is tried again for about a second before it counts as failed.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** What the file system says of a file that somebody holds, and of a directory with such a file in it. */
const heldCodes: ReadonlySet<unknown> = new Set(['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY']);
/** Pauses between tries, milliseconds: about a second in all. */
const pausesMs = [5, 10, 20, 40, 80, 160, 320, 400];

/** Do it, again and again while it fails for being held. On other systems nobody can hold a file so, and the first failure counts. */
export async function whileHeld<T>(act: () => Promise<T>, platform: NodeJS.Platform = process.platform): Promise<T> {
  for (const pauseMs of pausesMs) {
    try {
      return await act();
    } catch (error) {
      if (!isHeld(error, platform)) throw error;
    }
    await delay(pauseMs);
  }
  return act();
}

/** As {@link whileHeld}; the thread waits. */
export function whileHeldSync<T>(act: () => T, platform: NodeJS.Platform = process.platform): T {
  for (const pauseMs of pausesMs) {
    try {
      return act();
    } catch (error) {
      if (!isHeld(error, platform)) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
  }
  return act();
}

function isHeld(error: unknown, platform: NodeJS.Platform): boolean {
  return platform === 'win32' && error instanceof Error && heldCodes.has((error as NodeJS.ErrnoException).code);
}

/** A directory of our own that goes with everything in it. */
import { rm } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { whileHeld } from './while-held.ts';

/**
 * Remove it; absent already: nothing happens. Windows removes no file that is open, and a database that this process closed is open until the
 * statements made on it are collected: so they are.
 */
export async function removeTree(path: string): Promise<void> {
  await whileHeld(async () => {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      if (process.platform === 'win32') await collectGarbage();
      throw error;
    }
  });
}

/** What native code lets go, it lets go in the turn after. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  await new Promise((resolve) => setImmediate(resolve));
}

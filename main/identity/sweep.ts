/** What a crash left behind in a state directory: half-written files, and sealed keys whose identity never came to be or is gone already. */
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import { removeDurably } from '../files/write-atomically.ts';

const keyFilePattern = /^([0-9a-f]{32})\.(key|tpm)$/;

/**
 * Remove it. Only while the state directory is held (instance lock): a key is on the disk before its identity is, so another's enrolment
 * under way looks like a crash.
 */
export async function sweepLeftovers(
  { identities, keys }: { readonly identities: string; readonly keys: string },
  log: Log,
): Promise<void> {
  await sweepTemporaries([identities, keys], log);
  await sweepOrphans(identities, keys, log);
}

async function sweepTemporaries(directories: readonly string[], log: Log): Promise<void> {
  for (const directory of directories) {
    for (const file of await readdir(directory)) {
      if (!file.endsWith('.tmp')) continue;
      await unlink(join(directory, file));
      log.info('identity.temporary_swept', { file });
    }
  }
}

/** A key stays while any text beside the identities holds its name, well formed or not; where one cannot be read, all stay. */
async function sweepOrphans(identities: string, keys: string, log: Log): Promise<void> {
  const found = (await readdir(keys)).filter((file) => keyFilePattern.test(file));
  if (found.length === 0) return;
  const texts: string[] = [];
  for (const entry of await readdir(identities, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    try {
      texts.push(await readFile(join(entry.parentPath, entry.name), 'utf8'));
    } catch (error) {
      log.warn('identity.orphans_not_swept', { file: entry.name, error });
      return;
    }
  }
  for (const file of found) {
    const id = keyFilePattern.exec(file)?.[1] ?? file;
    if (texts.some((text) => text.includes(id))) continue;
    await removeDurably(join(keys, file));
    log.info('identity.orphan_swept', { file });
  }
}

import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLog } from '../../main/engine/runtime/logger.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Files that this process has open below a directory, where the system lists them. */
function openBelow(directory: string): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      // The descriptor of the listing itself is gone by now.
      return [];
    }
  });
}

it('a log that was closed has written everything, lets its file go, and writes no more to it', async () => {
  const directory = temporaryDirectory('log');
  const file = join(directory, 'engine.log');
  const log = openLog({ level: 'info', file });
  log.info('engine.first');
  await log.close();
  log.info('engine.late');
  await log.close();
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1);
  expect(readFileSync(file, 'utf8')).toContain('engine.first');
  expect(log.recent()).toHaveLength(2);
  if (process.platform === 'linux') expect(openBelow(directory)).toEqual([]);
});

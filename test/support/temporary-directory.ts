/** Directories that go with the test that asked for them. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { removeTree } from '../../main/files/remove-tree.ts';

/** A new directory, removed with all that is in it once the test under way, its `afterEach` included, is over. Only within a test. */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `culvert-${name}-`));
  onTestFinished(() =>
    removeTree(directory).catch((error: unknown) => {
      // What a test left open on purpose stays among the temporary files of Windows.
      if (process.platform !== 'win32') throw error;
    }),
  );
  return directory;
}

/** The Debian package is the same bytes wherever and whenever its sources are built: window, programs, addon, bill of materials. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { mustSkip } from '../support/optional.ts';
import { addonMissing, toolsMissing } from '../support/tools.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const reason = process.platform === 'linux' ? (toolsMissing('dpkg-deb', 'cargo') ?? addonMissing()) : 'needs Linux';

it.skipIf(mustSkip(reason))('the package built twice, in two places, is one package', { timeout: 600_000 }, () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['resources/scripts/reproduce.mjs'], {
    cwd: project,
    encoding: 'utf8',
  });
  expect({ stdout, stderr }).toEqual({
    stdout: expect.stringMatching(/^reproducible: sha256 [0-9a-f]{64}\n$/) as string,
    stderr: '',
  });
});

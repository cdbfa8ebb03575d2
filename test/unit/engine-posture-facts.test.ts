/** What posture checks are told of this very host, on whatever system it is. */
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { postureGatherer } from '../../main/engine/monitor/posture-facts.ts';
import type { PostureCheck } from '../../main/ziti/model.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const osType = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }[process.platform as string] ?? '';
const checkOf = (path: string): PostureCheck => ({
  id: 'p',
  policyId: 'policy',
  policyType: 'Dial',
  queryType: 'PROCESS',
  isPassing: false,
  timeoutSeconds: -1,
  promptOnWake: false,
  promptOnUnlock: false,
  process: { path, osType },
});

it(
  'a program that runs is told as one, by its file, and the same program elsewhere is not',
  { timeout: 60_000 },
  async () => {
    const idle = join(temporaryDirectory('posture'), 'idle.exe');
    copyFileSync(process.execPath, idle);
    const gather = postureGatherer({ wokenAt: () => undefined, unlockedAt: () => undefined });
    // Windows knows no case in paths.
    const running = process.platform === 'win32' ? process.execPath.toUpperCase() : process.execPath;
    const { processes } = await gather([checkOf(running), checkOf(idle)], undefined);
    const hash = createHash('sha512').update(readFileSync(process.execPath)).digest('hex');
    expect(processes).toEqual([
      { path: running, isRunning: true, hash },
      { path: idle, isRunning: false, hash },
    ]);
  },
);

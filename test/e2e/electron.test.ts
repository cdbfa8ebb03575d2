/** The same window in Electron itself, where its binary is installed; elsewhere reported as skipped, for it cannot be downloaded everywhere. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { sceneEngine } from '../support/window/scene-engine.ts';
import { serveScene } from '../support/window/scene-socket.ts';
import { sceneState } from '../support/window/scene.ts';
import { mustSkip } from '../support/optional.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const missing = electronMissing();

function electronMissing(): string | undefined {
  try {
    const home = dirname(createRequire(import.meta.url).resolve('electron/package.json'));
    const binary = join(home, 'dist', readFileSync(join(home, 'path.txt'), 'utf8'));
    if (!existsSync(binary)) return 'Electron’s binary is not installed';
  } catch {
    return 'Electron is not installed';
  }
  return existsSync(join(root, 'dist/shell/main.mjs')) ? undefined : 'the shell is not built (npm run build)';
}

describe.skipIf(mustSkip(missing))("the shell in Electron (needs Electron's binary)", () => {
  it('shows the window of the engine behind its socket, and lets its page do nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'culvert-electron-'));
    const socket = join(directory, 'engine.sock');
    const engine = sceneEngine(sceneState(Date.now()), Date.now(), { still: true });
    const served = await serveScene(engine, socket);
    const app = await _electron.launch({ args: ['--no-sandbox', root, '--socket', socket], cwd: root });
    try {
      const page = await app.firstWindow();
      await page.getByRole('row').filter({ hasText: 'grafana' }).first().waitFor();
      expect(await page.evaluate(() => typeof (globalThis as { require?: unknown }).require)).toBe('undefined');
      expect(
        await page.evaluate(() =>
          fetch('https://example.com').then(
            () => 'reached',
            () => 'refused',
          ),
        ),
      ).toBe('refused');
      expect(await page.evaluate(() => window.open('file:///etc/passwd') === null)).toBe(true);
    } finally {
      await app.close();
      await served[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { showInBrowser, showWindow } from '../../main/cli/show-window.ts';
import { browserPlaces, windowFacts, windowPlaces, type WindowFacts } from '../../main/cli/window-place.ts';
import { until } from '../support/until.ts';
import { isUnix, keepsModes } from '../support/modes.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-place-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const screen = { DISPLAY: ':7' };
const desktop = (over: Partial<WindowFacts> = {}): WindowFacts => ({
  env: screen,
  platform: 'linux',
  shellDirectory: '/opt/culvert',
  electron: '/opt/electron/electron',
  find: (command) => (command === 'xdg-open' ? '/usr/bin/xdg-open' : undefined),
  ...over,
});

async function program(path: string, script: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('where the window can be shown', () => {
  it('is Electron first and the browser after it', () => {
    expect(windowPlaces(desktop())).toEqual([
      { kind: 'electron', file: '/opt/electron/electron', args: ['/opt/culvert'] },
      { kind: 'browser', file: '/usr/bin/xdg-open', args: [] },
    ]);
  });

  it('is the browser alone where there is no Electron, or no shell to run in it', () => {
    const browser = [{ kind: 'browser', file: '/usr/bin/xdg-open', args: [] }];
    expect(windowPlaces(desktop({ electron: undefined }))).toEqual(browser);
    expect(windowPlaces(desktop({ shellDirectory: undefined }))).toEqual(browser);
    expect(browserPlaces(desktop())).toEqual(browser);
    expect(windowPlaces(desktop({ env: { WAYLAND_DISPLAY: 'wayland-0' }, electron: undefined }))).toEqual(browser);
  });

  it('is nowhere without a screen, without a browser, and where nobody wants it', () => {
    expect(windowPlaces(desktop({ env: {} }))).toBe('no-screen');
    expect(windowPlaces(desktop({ env: { DISPLAY: '' } }))).toBe('no-screen');
    expect(windowPlaces(desktop({ electron: undefined, find: () => undefined }))).toBe('no-browser');
    expect(windowPlaces(desktop({ env: { ...screen, CULVERT_NO_WINDOW: '1' } }))).toBe('unwanted');
    // Whoever says --open wants it all the same.
    expect(browserPlaces(desktop({ env: { ...screen, CULVERT_NO_WINDOW: '1' } }))).toHaveLength(1);
  });

  it('needs no display variable where every desktop has an opener', () => {
    expect(windowPlaces(desktop({ platform: 'darwin', env: {}, electron: undefined }))).toMatchObject([
      { file: '/usr/bin/open' },
    ]);
    expect(windowPlaces(desktop({ platform: 'win32', env: {}, electron: undefined }))).toMatchObject([
      {
        file: expect.stringMatching(/^C:\\Windows\\System32\\rundll32\.exe$/i) as string,
        args: ['url.dll,FileProtocolHandler'],
      },
    ]);
  });

  it.runIf(isUnix)(
    'finds Electron as its package does, the built shell beside the program, and openers on the path',
    async () => {
      const dist = join(home, 'dist');
      await mkdir(join(dist, 'shell'), { recursive: true });
      expect(windowFacts({}, dist)).toMatchObject({ electron: undefined, shellDirectory: undefined });
      await writeFile(join(dist, 'shell/main.mjs'), '');
      const electron = join(home, 'node_modules/electron');
      await mkdir(electron, { recursive: true });
      await writeFile(join(electron, 'package.json'), '{"name":"electron"}');
      expect(windowFacts({}, dist)).toMatchObject({ electron: undefined, shellDirectory: home }); // its download failed
      await writeFile(join(electron, 'path.txt'), 'electron');
      const binary = await program(join(electron, 'dist/electron'), 'exit 0');
      expect(windowFacts({}, dist).electron).toBe(binary);
      const other = await program(join(home, 'elsewhere/electron'), 'exit 0');
      expect(windowFacts({ ELECTRON_OVERRIDE_DIST_PATH: dirname(other) }, dist).electron).toBe(other);
      await chmod(other, 0o644);
      expect(windowFacts({ ELECTRON_OVERRIDE_DIST_PATH: dirname(other) }, dist).electron).toBeUndefined();
      const opener = await program(join(home, 'bin/xdg-open'), 'exit 0');
      expect(windowFacts({ PATH: `relative:/nowhere:${dirname(opener)}` }, dist).find('xdg-open')).toBe(opener);
      expect(windowFacts({ PATH: '' }, dist).find('xdg-open')).toBeUndefined();
    },
  );
});

describe('showing the window', () => {
  const subject = { state: '/var/lib/demo', url: 'http://127.0.0.1:9/?token=x' };
  const at = (name: string): string => join(home, name);

  it.runIf(isUnix)(
    'starts Electron on the engine’s state with settings of its own, and ends it when disposed',
    async () => {
      const script = `echo "$@" >${at('said')}; trap 'echo ended >${at('ended')}; exit 0' TERM; while :; do sleep 0.05; done`;
      const electron = await program(at('electron'), script);
      const shown = await showWindow(subject, desktop({ electron }), systemClock);
      expect(shown.where).toBe('electron');
      expect(await readFile(at('said'), 'utf8')).toBe(
        '/opt/culvert --user-data-dir=/var/lib/demo/window --state /var/lib/demo\n',
      );
      await shown[Symbol.asyncDispose]();
      expect(await readFile(at('ended'), 'utf8')).toBe('ended\n');
      await shown[Symbol.asyncDispose]();
    },
  );

  it.runIf(isUnix)('falls back to the browser where Electron cannot run here', async () => {
    const electron = await program(at('electron'), 'exit 1');
    const opener = await program(at('xdg-open'), `echo "$@" >${at('opened')}`);
    const shown = await showWindow(subject, desktop({ electron, find: () => opener }), systemClock);
    expect(shown.where).toBe('browser');
    await until(() => Promise.resolve(existsSync(at('opened'))), 2_000);
    // The address is a secret, and arguments are everybody's to read: a file of the user's own leads there.
    const opened = (await readFile(at('opened'), 'utf8')).trim();
    expect(opened).not.toContain('token');
    const file = fileURLToPath(opened);
    if (keepsModes) expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain(`content="0;url=${subject.url}"`);
    await shown[Symbol.asyncDispose]();
    expect(existsSync(file)).toBe(false);
  });

  it('says that it failed where nothing could be started', async () => {
    const nothing = desktop({ electron: '/nowhere/electron', find: () => '/nowhere/xdg-open' });
    expect((await showWindow(subject, nothing, systemClock)).where).toBe('failed');
    const broken = await program(at('xdg-open'), 'exit 3');
    expect((await showInBrowser(subject.url, desktop({ find: () => broken }), systemClock)).where).toBe('failed');
  });
});

/** The desktop as a person has it: shell and window in a real Electron under a user of their own, on a desktop with and without a tray. */
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ElectronApplication, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDesktop, type Desktop } from '../support/electron/desktop.ts';
import { installShell, oldElectronMissing, type Installed } from '../support/electron/old-electron.ts';
import type { FakeEngine } from '../support/fake-engine.ts';
import { listening } from '../support/listening.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';
import { jobs, pressesOf } from '../support/window/newcomer.ts';
import { closed, sceneEngine } from '../support/window/scene-engine.ts';
import { serveScene } from '../support/window/scene-socket.ts';
import { sceneState } from '../support/window/scene.ts';
import { madeUpToken as token } from '../support/window/token.ts';

const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });

/** Of Electron's `DownloadItem`. */
interface Download {
  getFilename(): string;
  setSavePath(path: string): void;
}

/** Of Electron's `ProcessMetric`. */
interface Process {
  readonly pid: number;
  readonly type: string;
}

describe.skipIf(mustSkip(oldElectronMissing()))('the desktop in an Electron that the registry has', () => {
  let directory: string;
  let installed: Installed;
  let desktop: Desktop;
  let engine: FakeEngine;
  let socket: string;
  let served: AsyncDisposable;
  let updates: Server;
  const asked: string[] = [];
  let app: ElectronApplication;
  let page: Page;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'culvert-desktop-'));
    await chmod(directory, 0o755);
    socket = join(directory, 'engine.sock');
    engine = sceneEngine(sceneState(Date.now()), Date.now(), { still: true });
    served = await serveScene(engine, socket);
    updates = createServer((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').pathname);
      response.end('version: 9.9.9\nfiles:\n  - url: culvert-9.9.9.AppImage\n    sha512: AAAA\n    size: 4\n');
    });
    const port = await listening(updates);
    installed = await installShell(`http://127.0.0.1:${port}/`);
    desktop = await openDesktop(installed.person);
    await desktop.addTray();
    await open();
  }, 90_000);
  afterAll(async () => {
    await app?.close();
    await desktop?.[Symbol.asyncDispose]();
    await installed?.[Symbol.asyncDispose]();
    updates?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }, 30_000);

  async function open(): Promise<void> {
    // Updates are looked for by an AppImage alone.
    app = await installed.launch(desktop, ['--socket', socket], { APPIMAGE: join(directory, 'Culvert.AppImage') });
    page = await app.firstWindow();
    page.setDefaultTimeout(15_000);
    await heading(page, 'Sessions').waitFor();
    await app.evaluate(({ session }, into) => {
      const names: string[] = [];
      Object.assign(globalThis, { culvertSaves: names });
      // Else a dialog of the desktop's own would ask where to.
      session.defaultSession.on('will-download', (_event: unknown, item: Download) => {
        item.setSavePath(`${into}/${item.getFilename()}`);
        names.push(item.getFilename());
      });
    }, installed.person.home);
  }
  /** Names of files that the window handed over. */
  const saves = (): Promise<readonly string[]> =>
    app.evaluate(() => (globalThis as unknown as { readonly culvertSaves: readonly string[] }).culvertSaves);
  /** A second start, as a desktop makes one for a link or a file: it hands that over and ends. */
  async function startAgain(argument?: string): Promise<void> {
    const second = installed.start(desktop, argument === undefined ? [] : [argument]);
    await once(second, 'exit');
    expect(second.exitCode).toBe(0);
  }
  const isVisible = (): Promise<boolean> =>
    app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.isVisible() ?? false);
  const closeWindow = (): Promise<void> =>
    app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close());

  it('shows the engine behind its socket, as a user of its own, in a sandbox, and its page can do nothing else', async () => {
    await row(page, 'grafana').first().waitFor();
    const processes: readonly Process[] = await app.evaluate(({ app: own }) => own.getAppMetrics());
    const status = (pid: number, name: string) =>
      new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    for (const { pid } of processes) expect(status(pid, 'Uid')).toBe(String(installed.person.uid));
    const pages = processes.filter(({ type }) => type === 'Tab');
    expect(pages).not.toEqual([]);
    for (const { pid } of pages) {
      expect(status(pid, 'Seccomp')).toBe('2'); // filtered
      expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
    }
    expect(await page.evaluate(() => typeof (globalThis as { require?: unknown }).require)).toBe('undefined');
    expect(await page.evaluate(() => fetch('https://example.com').then(String, () => 'refused'))).toBe('refused');
    for (const address of ['file:///etc/passwd', 'http://example.com/', 'https://example.com/']) {
      expect(await page.evaluate((to) => window.open(to) === null, address)).toBe(true);
    }
    await expect.poll(() => installed.person.browsed()).toEqual(['https://example.com/']);
  });

  it.each(jobs)('as in a browser: $name, $presses presses', async (job) => {
    await page.reload(); // as each begins in a browser
    await page.locator('main[aria-busy=false]').waitFor();
    const before = (await saves()).length;
    const saved = (name: RegExp) =>
      expect
        .poll(async () => (await saves()).slice(before).some((file) => name.test(file)), { timeout: 15_000 })
        .toBe(true);
    expect(await pressesOf(job, { page, engine, saved })).toBe(job.presses);
  });

  it('enrols by an address that a second start brings', async () => {
    await startAgain('culvert://enrol?url=https%3A%2F%2Flinked.example');
    await page.getByRole('textbox', { name: 'Name on this device' }).fill('by-address');
    await page.getByRole('button', { name: 'Enrol', exact: true }).click();
    await page.getByRole('heading', { name: 'You are in' }).waitFor();
    const enrolled = engine.calls.filter(({ name }) => name === 'identity.enroll').map(({ request }) => request);
    expect(enrolled.at(-1)).toMatchObject({ source: 'https://linked.example', name: 'by-address' });
  });

  it('takes a token’s file and links from a second start, and leaves lying what is neither', async () => {
    const file = join(directory, 'second.jwt');
    await writeFile(file, token);
    await startAgain(file);
    await page.getByText('https://ctrl.example:1280').waitFor();
    await startAgain('culvert://show/audit');
    await heading(page, 'Audit').waitFor();
    await startAgain('culvert://show/nowhere');
    await startAgain('culvert://show/sessions');
    await heading(page, 'Sessions').waitFor();
  });

  it('fetches no update that nobody known has signed, and says no more of it than was learnt', async () => {
    await page.getByRole('link', { name: 'Settings', exact: true }).click();
    await page.getByText('9.9.9').waitFor();
    await page.getByText('Up to date').waitFor({ state: 'detached' });
    expect(asked).toEqual(['/latest-linux.yml']);
  });

  it('hides behind its tray icon when it is closed, tells of what happens meanwhile, and comes back', async () => {
    expect(desktop.trayIcons()).toBe(1);
    await closeWindow();
    await until(async () => !(await isVisible()));
    const session = Object.values(engine.state().sessions).find(({ state }) => state === 'open')!;
    engine.push(closed(session, 'quarantined'));
    await until(() => desktop.notifications().length > 0);
    expect(desktop.notifications()[0]?.title).toBe(`Session to ${session.service} closed`);
    await desktop.pressNotification();
    await until(isVisible);
    await heading(page, 'Sessions').waitFor();
    await closeWindow();
    await until(async () => !(await isVisible()));
    await startAgain();
    await until(isVisible);
  });

  it('ends with its window where no tray would bring it back, and stands at the next start where it stood', async () => {
    await desktop.removeTray();
    const place = { x: 60, y: 40, width: 900, height: 640 };
    const bounds = () => app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.getNormalBounds());
    await app.evaluate(({ BrowserWindow }, to) => BrowserWindow.getAllWindows()[0]?.setBounds(to), place);
    await expect.poll(bounds).toEqual(place);
    const ended = app.waitForEvent('close');
    await closeWindow().catch(() => undefined); // it may be gone before it has answered
    await ended;
    await open();
    expect(await bounds()).toEqual(place);
  }, 60_000);
});

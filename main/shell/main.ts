/** Electron's main process: wires window, tray, notifications and the engine's lines. Decisions stand in the files beside it. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defined } from '../base/defined.ts';
import { systemClock } from '../base/clock.ts';
import type { ShellSettings } from '../api/shell-bridge.ts';
import type { StateChange } from '../api/state.ts';
import { connectSocket } from '../ipc/socket-transport.ts';
import { ArrivalBox, arrivalOf, parseLink, readTokenFile } from './arrivals.ts';
import { loadElectron, type BrowserWindowLike, type TrayLike } from './electron.ts';
import { EngineLines } from './engine-lines.ts';
import { enginePath } from './engine-path.ts';
import { watchEngine } from './engine-watch.ts';
import { serveIpc } from './ipc.ts';
import { lockSession, openWindow, registerScheme } from './main-window.ts';
import { gather, Notices, type Notice } from './notices.ts';
import { readSettings, writeSettings, type KeptSettings } from './shell-settings.ts';
import { tellUnlocks } from './screen-unlock.ts';
import { stderrLog } from './stderr-log.ts';
import { hasTrayHost } from './tray-host.ts';
import { readUpdateKeys } from './update-signature.ts';
import { watchUpdates, type Updater, type Updates } from './updates.ts';
import { openWindowFiles } from './window-files.ts';
import { shellWords } from './words.ts';

const electron = loadElectron();
const { app } = electron;
const here = dirname(fileURLToPath(import.meta.url));
const paths = {
  preload: join(here, 'preload.cjs'),
  icon: join(here, '../../resources/icons/256.png'),
  window: join(here, '../app'),
  updateKeys: join(here, '../../resources/update-keys.pem'),
};
const log = stderrLog();
const abort = new AbortController();
const arrivals = new ArrivalBox();
const connect = () => connectSocket(enginePath({ argv: process.argv, env: process.env, platform: process.platform }));

let window: BrowserWindowLike | undefined;
let tray: TrayLike | undefined;
let updates: Updates | undefined;
let quitting = false;
const settingsFile = join(app.getPath('userData'), 'shell.json');
let kept = readSettings(settingsFile);

function keep(change: Partial<KeptSettings>): void {
  kept = { ...kept, ...change };
  writeSettings(settingsFile, kept);
}

function showWindow(screen?: string): void {
  window ??= openOwnWindow();
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
  if (screen !== undefined) arrivals.put({ kind: 'screen', value: screen });
}

function openOwnWindow(): BrowserWindowLike {
  const made = openWindow(electron, paths, kept.window, log);
  made.on('close', (event) => {
    keep({ window: { ...made.getNormalBounds(), maximized: made.isMaximized() } });
    if (quitting) return;
    event.preventDefault();
    void hideOrQuit(made);
  });
  return made;
}

/** Where a tray shows how to have it back the window only hides; else closing it ends the shell, never the tunnel. */
async function hideOrQuit(closed: BrowserWindowLike): Promise<void> {
  if (tray !== undefined && (await hasTrayHost(process.platform))) closed.hide();
  else app.quit();
}

function notify(notice: Notice, press: () => void): void {
  if (!electron.Notification.isSupported() || window?.isFocused() === true) return;
  const shown = new electron.Notification({
    title: notice.title,
    body: notice.body,
    icon: paths.icon,
    actions: [{ type: 'button', text: notice.action }],
  });
  shown.on('click', press);
  shown.on('action', press);
  shown.show();
}

async function openTray(words: ReturnType<typeof shellWords>): Promise<void> {
  try {
    tray = new electron.Tray(electron.nativeImage.createFromPath(join(dirname(paths.icon), 'tray.png')));
    tray.on('click', () => showWindow());
    tray.setContextMenu(
      electron.Menu.buildFromTemplate([
        { label: words.open, click: () => showWindow() },
        { type: 'separator' },
        { label: words.quit, click: () => app.quit() },
      ]),
    );
  } catch (error) {
    // a desktop without a tray: the window is first and enough
    log.info('shell.no_tray', { message: error instanceof Error ? error.message : String(error) });
  }
}

async function start(): Promise<void> {
  await app.whenReady();
  const words = shellWords(app.getLocale());
  const settings = (): ShellSettings => {
    const update = updates?.state();
    return {
      autostart: app.getLoginItemSettings().openAtLogin,
      notifications: kept.notifications,
      version: app.getVersion(),
      ...defined({ update }),
    };
  };
  electron.Menu.setApplicationMenu(null);
  lockSession(electron.session.defaultSession, openWindowFiles(paths.window), log);
  serveIpc(electron.ipcMain, {
    lines: new EngineLines({ connect }),
    settings,
    set: ({ autostart, notifications }) => {
      if (autostart !== undefined) app.setLoginItemSettings({ openAtLogin: autostart, args: ['--hidden'] });
      if (notifications !== undefined) keep({ notifications });
      return settings();
    },
    openOutside: (url) => electron.shell.openExternal(url),
    installUpdate: () => updates?.install(),
    arrivals: (deliver) => arrivals.open(deliver),
    log,
  });
  await openTray(words);
  const hidden = process.argv.includes('--hidden') && tray !== undefined && (await hasTrayHost(process.platform));
  if (!hidden) showWindow();

  const notices = new Notices(words);
  const tell = (changes: readonly StateChange[]): void => {
    const found = changes.map((change) => notices.of(change)).filter((notice) => notice !== undefined);
    if (!kept.notifications) return;
    for (const notice of gather(found, words)) notify(notice, () => showWindow(notice.screen));
  };
  void watchEngine(
    {
      connect,
      clock: systemClock,
      log,
      onSnapshot: (snapshot) => {
        if (snapshot !== undefined) notices.seen(snapshot.state);
        tray?.setToolTip(snapshot === undefined ? words.noEngine : words.status(snapshot.state.status.sessions.open));
      },
      onChanges: (changes, snapshot) => {
        tell(changes);
        tray?.setToolTip(words.status(snapshot.state.status.sessions.open));
      },
    },
    abort.signal,
  );
  tellUnlocks(electron.powerMonitor, { connect, log });
  const { autoUpdater } = createRequire(import.meta.url)('electron-updater') as { autoUpdater: Updater };
  updates = watchUpdates(autoUpdater, {
    clock: systemClock,
    log,
    keys: readUpdateKeys(readFileSync(paths.updateKeys, 'utf8')),
    onReady: (version) => {
      const notice: Notice = {
        key: 'update',
        title: words.updateReady(version),
        body: '',
        screen: 'settings',
        action: words.restart,
      };
      notify(notice, () => showWindow('settings'));
    },
  });
}

function take(arrival: Awaited<ReturnType<typeof arrivalOf>>): void {
  if (arrival === undefined) return;
  showWindow();
  arrivals.put(arrival);
}

/** Nothing is half alive: Electron itself would say it in a dialog of its own, and hold everything still until somebody answers. */
function fail(error: unknown): void {
  log.error('shell.failed', { message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  app.exit(1);
}

process.on('uncaughtException', fail);
registerScheme(electron);
app.enableSandbox();
if (!app.requestSingleInstanceLock()) {
  app.quit();
} else {
  // One that is only tried out, from a checkout, leaves the desktop's links alone.
  if (app.isPackaged) app.setAsDefaultProtocolClient('culvert');
  app.on('second-instance', (_event, argv) => {
    showWindow();
    void arrivalOf(argv).then(take);
  });
  app.on('open-url', (event, url) => {
    event.preventDefault();
    void app.whenReady().then(() => take(parseLink(url)));
  });
  app.on('open-file', (event, path) => {
    event.preventDefault();
    void app.whenReady().then(async () => take(await readTokenFile(path)));
  });
  app.on('activate', () => showWindow());
  app.on('window-all-closed', () => {
    if (tray === undefined) app.quit();
  });
  app.on('before-quit', () => {
    quitting = true;
    abort.abort();
    updates?.[Symbol.dispose]();
  });
  start()
    .then(async () => take(await arrivalOf(process.argv)))
    .catch(fail);
}

/** The one window, shut off from everything but its own page and the preload's door. */
import type { Log } from '../base/log.ts';
import { windowAddress, windowScheme } from './channels.ts';
import type { BrowserWindowLike, ElectronApi, SessionLike, WebContentsLike } from './electron.ts';
import { mayHave, mayNavigate, mayOpenOutside, mayRequest } from './refusals.ts';
import type { FileAnswer } from './window-files.ts';
import { placeOptions, smallest, type WindowPlace } from './window-place.ts';

/** Must be said before the app is ready. */
export function registerScheme(electron: ElectronApi): void {
  electron.protocol.registerSchemesAsPrivileged([
    { scheme: windowScheme, privileges: { standard: true, secure: true, supportFetchAPI: false, corsEnabled: false } },
  ]);
}

/** Refuse permissions and every request that is not the window's own. */
export function lockSession(session: SessionLike, files: (url: string) => FileAnswer, log: Log): void {
  session.setPermissionRequestHandler((_contents, permission, decide) => {
    if (!mayHave(permission)) log.warn('shell.permission_refused', { permission });
    decide(mayHave(permission));
  });
  session.setPermissionCheckHandler(() => false);
  session.webRequest.onBeforeRequest(({ url }, decide) => decide({ cancel: !mayRequest(url) }));
  session.protocol.handle(windowScheme, (request) => {
    const { status, headers, body } = files(request.url);
    return new Response(body, { status, headers });
  });
}

/** Refuse leaving the page, other windows and web views; https links go to the user's browser. */
export function lockContents(contents: WebContentsLike, openOutside: (url: string) => void, log: Log): void {
  const stay = (event: { preventDefault(): void }, url: string): void => {
    if (mayNavigate(url)) return;
    event.preventDefault();
    log.warn('shell.navigation_refused');
  };
  contents.on('will-navigate', stay);
  contents.on('will-redirect', stay);
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (mayOpenOutside(url)) openOutside(url);
    return { action: 'deny' };
  });
}

/** The window's fixed options: sandboxed, isolated, without Node. */
export function windowOptions(preload: string, icon: string): Readonly<Record<string, unknown>> {
  return {
    minWidth: smallest.width,
    minHeight: smallest.height,
    show: false,
    backgroundColor: '#f3f2ee',
    icon,
    autoHideMenuBar: true,
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  };
}

/** Open it where it was; it shows itself once painted. */
export function openWindow(
  electron: ElectronApi,
  paths: { readonly preload: string; readonly icon: string },
  place: WindowPlace | undefined,
  log: Log,
): BrowserWindowLike {
  const screens = electron.screen.getAllDisplays().map(({ workArea }) => workArea);
  const window = new electron.BrowserWindow({
    ...windowOptions(paths.preload, paths.icon),
    ...placeOptions(place, screens),
  });
  lockContents(window.webContents, (url) => void electron.shell.openExternal(url), log);
  window.once('ready-to-show', () => {
    if (place?.maximized === true) window.maximize();
    window.show();
  });
  void window.loadURL(windowAddress);
  return window;
}

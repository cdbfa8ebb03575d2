/** New versions: looked for now and then, fetched and verified by electron-updater, installed when the person says so. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

/** The part of electron-updater's `autoUpdater` that is used. Source: electron.build/auto-update. */
export interface Updater {
  autoDownload: boolean;
  autoInstallOnAppQuit: boolean;
  checkForUpdates(): Promise<unknown>;
  quitAndInstall(): void;
  on(event: 'update-available' | 'update-downloaded', listener: (info: { readonly version: string }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface UpdateState {
  readonly version: string;
  readonly ready: boolean;
}

export interface Updates extends Disposable {
  readonly state: () => UpdateState | undefined;
  /** Restart into the new version; nothing where none is ready. */
  readonly install: () => void;
}

const checkEveryMs = 6 * 3_600_000;

/** Begin to look. A failed look is logged and made again later. */
export function watchUpdates(
  updater: Updater,
  deps: { readonly clock: Clock; readonly log: Log; readonly onReady: (version: string) => void },
): Updates {
  let state: UpdateState | undefined;
  updater.autoDownload = true;
  updater.autoInstallOnAppQuit = true;
  updater.on('update-available', ({ version }) => {
    state = { version, ready: false };
  });
  updater.on('update-downloaded', ({ version }) => {
    state = { version, ready: true };
    deps.onReady(version);
  });
  updater.on('error', (error) => deps.log.warn('shell.update_failed', { message: error.message }));
  const check = (): void => {
    updater.checkForUpdates().catch((error: unknown) => {
      deps.log.warn('shell.update_failed', { message: error instanceof Error ? error.message : String(error) });
    });
  };
  check();
  const timer = deps.clock.every(checkEveryMs, check);
  return {
    state: () => state,
    install: () => {
      if (state?.ready === true) updater.quitAndInstall();
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}

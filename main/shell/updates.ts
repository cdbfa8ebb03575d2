/**
 * New versions: looked for now and then, fetched by electron-updater once their signature has been checked, installed when the person says so
 * or at the next end of the program.
 */
import type { KeyObject } from 'node:crypto';
import type { ShellUpdate } from '../api/shell-bridge.ts';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { iso } from '../base/iso.ts';
import type { Log } from '../base/log.ts';
import { distrustOf } from './update-signature.ts';

interface Version {
  readonly version: string;
}

/** The part of electron-updater's `autoUpdater` that is used. Source: electron.build/auto-update. */
export interface Updater {
  autoDownload: boolean;
  autoInstallOnAppQuit: boolean;
  allowDowngrade: boolean;
  checkForUpdates(): Promise<unknown>;
  downloadUpdate(): Promise<unknown>;
  quitAndInstall(): void;
  on(
    event: 'update-available' | 'update-not-available' | 'update-downloaded',
    listener: (info: Version) => void,
  ): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Whose updates are trusted, and when they are looked for. */
export interface UpdatesDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Of whoever may make updates; with none, no update is trusted. */
  readonly keys: readonly KeyObject[];
  readonly onReady: (version: string) => void;
}

/** The search for updates; disposing ends it. */
export interface Updates extends Disposable {
  readonly state: () => ShellUpdate;
  /** Restart into the new version; nothing where none is ready. */
  readonly install: () => void;
}

const checkEveryMs = 6 * 3_600_000;

/** Begin to look. A failed look is logged, told, and made again later. */
export function watchUpdates(updater: Updater, { clock, log, keys, onReady }: UpdatesDeps): Updates {
  let state: ShellUpdate = { kind: 'not-looked' };
  const become = (kind: Exclude<ShellUpdate['kind'], 'not-looked'>, version?: string): void => {
    // What is ready stays so, whatever a later look says.
    if (state.kind === 'ready' && kind !== 'ready') return;
    state = { kind, at: iso(clock.now()), ...defined({ version }) };
  };
  const failed = (error: unknown): void => {
    log.warn('shell.update_failed', { message: error instanceof Error ? error.message : String(error) });
    become('failed');
  };
  updater.autoDownload = false;
  updater.autoInstallOnAppQuit = false;
  updater.allowDowngrade = false;
  updater.on('update-not-available', () => become('current'));
  updater.on('update-available', (info) => {
    const distrust = distrustOf(info, keys);
    if (distrust !== undefined) {
      log.warn('shell.update_untrusted', { version: info.version, message: distrust });
      return become('untrusted', info.version);
    }
    become('fetching', info.version);
    updater.downloadUpdate().catch(failed);
  });
  updater.on('update-downloaded', ({ version }) => {
    become('ready', version);
    updater.autoInstallOnAppQuit = true;
    onReady(version);
  });
  updater.on('error', failed);
  const check = (): void => void updater.checkForUpdates().catch(failed);
  check();
  const timer = clock.every(checkEveryMs, check);
  return {
    state: () => state,
    install: () => {
      if (state.kind === 'ready') updater.quitAndInstall();
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}

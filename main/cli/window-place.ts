/** Where the window can be shown on this machine: in Electron where its binary is, else in the person's browser, else nowhere. */
import { createRequire } from 'node:module';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { systemTool } from '../files/system-tools.ts';

/** What this machine has that could show the window. */
export interface WindowFacts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Directory with `package.json` and the built shell; absent in packages that carry none. */
  readonly shellDirectory: string | undefined;
  /** Electron's binary, where it is installed. */
  readonly electron: string | undefined;
  /** Full path of a command, where the PATH has it. */
  find(command: string): string | undefined;
}

/** A program that shows the window, and what it is started with besides what it is to show. */
export type WindowPlace =
  | { readonly kind: 'electron'; readonly file: string; readonly args: readonly string[] }
  | { readonly kind: 'browser'; readonly file: string; readonly args: readonly string[] };

/** Why nothing can show it: it is not wanted, there is no screen, or no browser. */
export type Nowhere = 'unwanted' | 'no-screen' | 'no-browser';

/** Set to anything, nothing opens by itself: for scripts, and for whoever does not like it. */
export const optOut = 'CULVERT_NO_WINDOW';

/**
 * Places to try, best first; or why there is none. A place may still fail when it is started (Electron refuses root, a library is missing),
 * so the next one is tried then.
 */
export function windowPlaces(facts: WindowFacts): readonly WindowPlace[] | Nowhere {
  if ((facts.env[optOut] ?? '') !== '') return 'unwanted';
  if (!hasScreen(facts)) return 'no-screen';
  const places: WindowPlace[] = [];
  if (facts.electron !== undefined && facts.shellDirectory !== undefined) {
    places.push({ kind: 'electron', file: facts.electron, args: [facts.shellDirectory] });
  }
  const browser = browserPlace(facts);
  if (browser !== undefined) places.push(browser);
  return places.length === 0 ? 'no-browser' : places;
}

/** The person's own browser, where there is a screen for it; or why not. */
export function browserPlaces(facts: WindowFacts): readonly WindowPlace[] | Nowhere {
  if (!hasScreen(facts)) return 'no-screen';
  const browser = browserPlace(facts);
  return browser === undefined ? 'no-browser' : [browser];
}

function hasScreen({ env, platform }: WindowFacts): boolean {
  // There, whoever runs a program has a desktop, or the opener says that it has none.
  if (platform === 'darwin' || platform === 'win32') return true;
  return (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== '';
}

function browserPlace({ platform, find }: WindowFacts): WindowPlace | undefined {
  const args = platform === 'win32' ? ['url.dll,FileProtocolHandler'] : [];
  const opener = { win32: 'rundll32.exe', darwin: 'open' }[platform as string];
  const file = opener === undefined ? find('xdg-open') : systemTool(opener, platform);
  return file === undefined ? undefined : { kind: 'browser', file, args };
}

/** What this machine has, for the program that runs from `distDirectory`. */
export function windowFacts(env: WindowFacts['env'], distDirectory: string): WindowFacts {
  const { platform } = process;
  const shell = join(distDirectory, 'shell', 'main.mjs');
  return {
    env,
    platform,
    shellDirectory: isThere(shell, constants.R_OK) ? dirname(distDirectory) : undefined,
    electron: electronBinary(env, distDirectory),
    find: (command) => {
      const candidates = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
      return candidates.map((directory) => join(directory, command)).find((path) => isThere(path, constants.X_OK));
    },
  };
}

/**
 * As Electron's own package finds it: `path.txt` names the file in `dist`, or in ELECTRON_OVERRIDE_DIST_PATH.
 * Source: github.com/electron/electron, npm/index.js.
 */
function electronBinary(env: WindowFacts['env'], distDirectory: string): string | undefined {
  const override = env['ELECTRON_OVERRIDE_DIST_PATH'];
  let file: string;
  try {
    const home = dirname(createRequire(join(distDirectory, 'culvert.mjs')).resolve('electron/package.json'));
    file = join(override ?? join(home, 'dist'), readFileSync(join(home, 'path.txt'), 'utf8').trim());
  } catch {
    // Not installed, or installed without its binary, which then nothing names.
    if (override === undefined) return undefined;
    file = join(override, process.platform === 'win32' ? 'electron.exe' : 'electron');
  }
  return isThere(file, constants.X_OK) ? file : undefined;
}

function isThere(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Starts what shows the window, and the next best thing where that fails. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { redirectFile } from './redirect-file.ts';
import { browserPlaces, windowPlaces, type Nowhere, type WindowFacts, type WindowPlace } from './window-place.ts';

/** What is to be shown: an engine's state directory for the shell, an address that works once for a browser. */
export interface WindowSubject {
  readonly state: string;
  readonly url: string;
}

/** Where the window is shown, or why it is not; disposing closes what was started. */
export interface ShownWindow extends AsyncDisposable {
  readonly where: WindowPlace['kind'] | Nowhere | 'failed';
}

/** A shell that cannot run here (no sandbox for root, a missing library) ends sooner than this. */
const settlesMs = 1_500;
/** How long a shell that was asked to end may take. */
const endsMs = 3_000;

/** Show the window as well as this machine can. Disposing ends an Electron started here; a browser is the person's own and stays. */
export function showWindow(subject: WindowSubject, facts: WindowFacts, clock: Clock): Promise<ShownWindow> {
  return showFirst(windowPlaces(facts), subject, facts.env, clock);
}

/** The same in the browser alone, because a person asked for it. */
export function showInBrowser(url: string, facts: WindowFacts, clock: Clock): Promise<ShownWindow> {
  return showFirst(browserPlaces(facts), { url, state: '' }, facts.env, clock);
}

async function showFirst(
  places: readonly WindowPlace[] | Nowhere,
  subject: WindowSubject,
  env: WindowFacts['env'],
  clock: Clock,
): Promise<ShownWindow> {
  if (typeof places === 'string') return shown(places);
  for (const place of places) {
    if (place.kind === 'browser') {
      const redirect = await redirectFile(subject.url, env);
      if (await stays(openIn(place, redirect.address), clock)) {
        return shown('browser', async () => redirect[Symbol.asyncDispose]());
      }
      await redirect[Symbol.asyncDispose]();
      continue;
    }
    const child = start(place, subject);
    if (await stays(child, clock)) return shown('electron', () => end(child, clock));
  }
  return shown('failed');
}

function shown(where: ShownWindow['where'], close = async (): Promise<void> => undefined): ShownWindow {
  return { where, [Symbol.asyncDispose]: close };
}

function openIn(place: WindowPlace, address: string): ChildProcess {
  const child = spawn(place.file, [...place.args, address], { stdio: 'ignore', detached: true });
  child.unref();
  return child;
}

function start(place: WindowPlace, { state }: WindowSubject): ChildProcess {
  // Settings of its own: it neither meets a window that is open already nor leaves anything behind.
  const args = [...place.args, `--user-data-dir=${join(state, 'window')}`, '--state', state];
  return spawn(place.file, args, { stdio: 'ignore' });
}

/** An opener may end at once, well; Electron stays, unless its window was closed that soon. */
function stays(child: ChildProcess, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(settlesMs, () => resolve(true));
    const settle = (good: boolean): void => {
      timer[Symbol.dispose]();
      resolve(good);
    };
    child.once('error', () => settle(false));
    child.once('exit', (code) => settle(code === 0));
  });
}

function end(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.after(endsMs, () => child.kill('SIGKILL'));
    child.once('exit', () => {
      timer[Symbol.dispose]();
      resolve();
    });
    child.kill();
  });
}

/** The real window, built, behind the real console, over the scene's fake engine: all but the engine is what people run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { TunnelerError } from '../../../main/base/errors.ts';
import { systemClock } from '../../../main/base/clock.ts';
import { DisposalStack } from '../../../main/base/lifecycle.ts';
import { silentLog } from '../../../main/base/log.ts';
import type { Permission } from '../../../main/api/call.ts';
import type { EngineState } from '../../../main/api/state.ts';
import { openConsole, type Console } from '../../../main/console/console.ts';
import type { FakeEngine } from '../fake-engine.ts';
import { sceneEngine } from './scene-engine.ts';

/** Build the window into a directory of its own, removed on disposal. React's own checks are in it unless `production`. */
export async function buildWindow(
  options: { readonly production?: boolean } = {},
): Promise<{ readonly directory: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-window-'));
  const configFile = fileURLToPath(new URL('../../../app/vite.config.ts', import.meta.url));
  const before = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = options.production === true ? 'production' : 'development';
  try {
    await build({ configFile, logLevel: 'error', build: { outDir: directory } });
  } finally {
    process.env['NODE_ENV'] = before;
  }
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

export interface ServedWindow extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly console: Console;
  /** A fresh one-time address, with the screen after it. */
  url(): string;
}

/** Serve `state`; nothing in it moves but what a test pushes. */
export async function serveWindow(
  directory: string,
  state: EngineState,
  permission: Permission = 'administer',
  port = 0,
): Promise<ServedWindow> {
  const engine = sceneEngine(state, Date.now(), { still: true });
  const stack = new DisposalStack();
  const open = stack.use(
    await openConsole({
      listen: { host: '127.0.0.1', port },
      assetsDir: directory,
      connect: engine.dispatcher.connect,
      visitorOf: () => Promise.resolve({ kind: 'user', uid: undefined }),
      // Links of questions are an engine's to make.
      questions: {
        find: () => undefined,
        answer({ id }) {
          throw new TunnelerError('approvals.unknown', `no approval ${id}`);
        },
      },
      permission,
      clock: systemClock,
      log: silentLog,
    }),
  );
  return { engine, console: open, url: () => open.url(), [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}

/**
 * The program behind a bridge: `culvert mcp connect` speaks for the MCP client that started it, and it is that client a decision is about.
 */
import { existsSync, realpathSync } from 'node:fs';
import { defined } from '../base/defined.ts';
import type { App, AppFinder } from './app.ts';

/** The program that this process runs; the bridge is the same under other words. */
export interface OwnProgram {
  /** Executable; an interpreter where there is a script. */
  readonly path: string;
  readonly script: string | undefined;
}

/** Real paths, as finders give them. */
export function ownProgram(): OwnProgram {
  const [, script = ''] = process.argv;
  return { path: realpathSync(process.execPath), script: existsSync(script) ? realpathSync(script) : undefined };
}

/** The first of all processes adopts what others left behind: it started nothing. */
const initPid = 1;

/**
 * `app`, or its nearest parent where `app` is our own program, as certain as `app` is: the kernel says whose child it is. Pure. Only the very
 * file that the engine runs counts, so that no program gains its parent's standing by a name.
 */
export function programBehind(app: App, own: OwnProgram): App {
  const [client, ...parents] = app.parents;
  if (client === undefined || client.pid === initPid || app.path !== own.path || app.script !== own.script) return app;
  const { uid, user, cgroup, container, attribution, proven } = app;
  return {
    pid: client.pid,
    path: client.path,
    ...defined({
      script: client.script,
      hash: client.hash,
      scriptHash: client.scriptHash,
      signer: client.signer,
      doubt: client.doubt,
      shared: client.shared,
      uid,
      user,
      cgroup,
      container,
      proven,
    }),
    attribution,
    parents,
  };
}

/** The same finder, which looks behind our own bridge where one comes in. */
export function findBehind(finder: AppFinder, own: OwnProgram): AppFinder {
  return {
    async find(flow) {
      const app = await finder.find(flow);
      return flow.entry === 'mcp' ? programBehind(app, own) : app;
    },
    identify: (app, asked) => finder.identify(app, asked),
  };
}

/** The finder for this platform, and agents recognised in what it finds. */
import type { Native } from 'node-tun';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Log } from '../base/log.ts';
import { createDarwinAppFinder } from './app-finder.darwin.ts';
import { createLinuxAppFinder } from './app-finder.linux.ts';
import { createWindowsAppFinder } from './app-finder.windows.ts';
import type { AgentRuns } from './agent-runs.ts';
import { ancestryReader } from './ancestry.ts';
import type { AncestryReader, App, AppFinder } from './app.ts';
import { unknownApp } from './app.ts';
import { narrowest, withAgent } from './recognise.ts';
import type { AgentRules } from './recognise.ts';
import { runCommand } from './run-command.ts';

/** What every platform's finder is opened with. */
export interface AppFinderDeps {
  readonly log: Log;
  readonly clock: Clock;
  /** The addon where it is there; everything works without it, on busy hosts more slowly. */
  readonly native?: Pick<Native, 'socketOwner' | 'socketHolders' | 'watchProcesses' | 'processChain'>;
  readonly platform?: NodeJS.Platform;
  /** Programs that were started as an agent (Linux). */
  readonly runs?: AgentRuns | undefined;
  /** Where what is learnt of processes outlives a restart (Linux). */
  readonly keptFile?: string | undefined;
}

/** A finder, and what it has learnt of who started whom; the latter absent on a platform whose processes nobody wrote a reader for. */
export interface ProgramFinder extends AppFinder, Disposable {
  readonly ancestry: AncestryReader | undefined;
}

/** A finder of owners, without agents. On a platform nobody wrote one for every owner is unknown. */
export function createAppFinder(deps: AppFinderDeps): ProgramFinder {
  const { log, clock } = deps;
  const native = defined({ native: deps.native });
  switch (deps.platform ?? process.platform) {
    case 'linux':
      return createLinuxAppFinder({ log, clock, runs: deps.runs, keptFile: deps.keptFile, ...native });
    case 'darwin':
      return lasting(createDarwinAppFinder({ log, clock, run: runCommand, ...native }), 'darwin');
    case 'win32':
      return lasting(createWindowsAppFinder({ log, clock, run: runCommand, ...native }), 'win32');
    default:
      return lasting({
        find: () => Promise.resolve(unknownApp),
        identify: (app) => Promise.resolve(app),
      });
  }
}

/** Nothing to close. */
function lasting(finder: AppFinder, platform?: NodeJS.Platform): ProgramFinder {
  const ancestry = platform === undefined ? undefined : ancestryReader(platform);
  return { ...finder, ancestry, [Symbol.dispose]: () => undefined };
}

/**
 * The same finder, whose apps carry their agent's name. Executables are hashed before a flow is answered only where a binding asks for it, or
 * `hashesMatter` says that somebody else's rules do (a contract that names `sha256:…`): the first flow of a program then waits until its
 * executable is read. `rules` is read at each call, so that new settings count from the next flow on.
 */
export function recogniseAgents(
  finder: AppFinder,
  rules: () => AgentRules,
  hashesMatter: () => boolean = () => false,
): AppFinder {
  const known = async (app: App): Promise<App> => {
    const current = rules();
    if (app.pid === undefined || !(current.needsIdentify || hashesMatter())) return withAgent(app, current);
    return withAgent(await finder.identify(app, { signers: current.needsSigners }), current);
  };
  return {
    async find(flow) {
      const { holders = [], ...app } = await finder.find(flow);
      return narrowest([await known(app), ...(await Promise.all(holders.map(known)))]);
    },
    async identify(app) {
      const current = rules();
      return withAgent(await finder.identify(app, { signers: current.needsSigners }), current);
    },
  };
}

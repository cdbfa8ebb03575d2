/** Whose flow is it: the program behind a socket on this host, and the agent it is by the settings. */
import { loadNative } from 'node-tun';
import type { AgentRuns } from '../../apps/agent-runs.ts';
import type { AppFinder } from '../../apps/app.ts';
import { createAppFinder, recogniseAgents, type ProgramFinder } from '../../apps/open-app-finder.ts';
import { findBehind, ownProgram } from '../../apps/program-behind.ts';
import type { AgentRules } from '../../apps/recognise.ts';
import type { Clock } from '../../base/clock.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';

/** Watches processes until the stack is disposed. Without the addon it works as well, on busy hosts more slowly. */
export function openAppFinder(deps: {
  /** As they stand when asked. */
  readonly rules: () => AgentRules;
  readonly clock: Clock;
  readonly log: Log;
  readonly stack: DisposalStack;
  readonly runs: AgentRuns;
  /** Where what is learnt of processes outlives this engine. */
  readonly keptFile: string;
}): AppFinder & Pick<ProgramFinder, 'ancestry'> {
  const { clock, log } = deps;
  const native = loadNative();
  const finder = deps.stack.use(
    createAppFinder({
      log,
      clock,
      runs: deps.runs,
      keptFile: deps.keptFile,
      ...(native.ok ? { native: native.native } : {}),
    }),
  );
  const { ancestry } = finder;
  return { ...recogniseAgents(findBehind(finder, ownProgram()), deps.rules), ancestry };
}

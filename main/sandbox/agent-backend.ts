/** What the verbs `culvert agent …` are answered by. */
import { join } from 'node:path';
import { insidePorts } from '../base/inside-ports.ts';
import { bindAgent, listAgents, unbindAgent, type BindingFields } from './agents-file.ts';
import { cleanEnvironment } from './clean-environment.ts';
import { hiddenPlaces } from './hidden-places.ts';
import { hostedPrograms, type HostedOptions, type HostedPrograms } from './hosted-programs.ts';
import { runInside, type InsideOptions } from './inside.ts';
import type { Limits } from './limits.ts';
import { requireCommand } from './require-command.ts';
import { startAgent } from './start-agent.ts';

/** One `culvert agent run`. */
export interface AgentStartOptions {
  readonly agent: string;
  readonly id: string;
  /** Its one way out, where it has no other network. */
  readonly gate: string | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** Variables passed on by name. */
  readonly named: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stateDirectory: string;
  readonly machineDirectory: string;
  readonly socketPath: string;
  readonly command: readonly string[];
  readonly entered: (pid: number) => Promise<void>;
}

/** Starts of agents, and the bindings of the settings file. */
export interface AgentBackend {
  start(options: AgentStartOptions): Promise<number>;
  inside(options: InsideOptions): Promise<number>;
  hosted(options: HostedOptions): HostedPrograms;
  settingsFile(stateDirectory: string): Promise<string>;
  list(file: string): Readonly<Record<string, unknown>>;
  bind(stateDirectory: string, file: string, name: string, fields: BindingFields): Promise<void>;
  unbind(stateDirectory: string, file: string, name: string): Promise<void>;
}

/**
 * `program`: how this program is started again. `requirePerson` rejects where an agent asks; `settingsFile`: what a directory's engine
 * last ran with.
 */
export function agentBackend(
  program: readonly string[],
  requirePerson: (stateDirectory: string) => Promise<void>,
  settingsFile: (stateDirectory: string) => Promise<string>,
): AgentBackend {
  return {
    start(options) {
      const { agent, id, gate, env, stateDirectory, socketPath } = options;
      const { directories, files } = hiddenPlaces(env, [stateDirectory, options.machineDirectory]);
      const ports = Object.values(insidePorts).flatMap((port) => ['--port', String(port)]);
      const inside = gate === undefined ? [] : [...program, 'agent', 'inside', '--gate', gate, ...ports, '--'];
      const own = { CULVERT_STATE: stateDirectory, CULVERT_AGENT: agent };
      const view = {
        directory: process.cwd(),
        environment: cleanEnvironment(env, options.named, { ...options.variables, ...own }),
        hiddenDirectories: directories,
        hiddenFiles: files,
        // The agent has calls of its own: what it may reach, and by which it reaches it.
        shown: [socketPath, ...(gate === undefined ? [] : [join(gate, '..')])],
      };
      requireCommand(options.command[0] ?? '', view);
      return startAgent({
        ...view,
        name: `culvert-agent-${agent.replaceAll(/[^A-Za-z0-9]/g, '-')}-${id.replaceAll(/[^A-Za-z0-9]/g, '')}`,
        ownNetwork: gate !== undefined,
        command: [...inside, ...options.command],
        limits: options.limits,
        entered: options.entered,
      });
    },
    inside: runInside,
    hosted: hostedPrograms,
    settingsFile,
    list: listAgents,
    async bind(stateDirectory, file, name, fields) {
      await requirePerson(stateDirectory);
      bindAgent(file, name, fields);
    },
    async unbind(stateDirectory, file, name) {
      await requirePerson(stateDirectory);
      unbindAgent(file, name);
    },
  };
}

/** Programs that answer for a service: each start apart from the host where this machine can do that, with nothing but a clean environment in any case. */
import { spawn, type ChildProcess } from 'node:child_process';
import { defined } from '../base/defined.ts';
import { isTunnelerError } from '../base/errors.ts';
import { requireSandbox } from './availability.ts';
import { cleanEnvironment } from './clean-environment.ts';
import { hiddenPlaces } from './hidden-places.ts';
import { planLimits, type Limits } from './limits.ts';
import { requireCommand } from './require-command.ts';
import { startApart } from './start-apart.ts';

/** Which program, and what it is kept from. */
export interface HostedOptions {
  /** Names its control group. */
  readonly service: string;
  /** `auto`: in namespaces where they are to be had; `required`: else not at all; `none`: without. */
  readonly sandbox: 'auto' | 'required' | 'none';
  /** Without any network but its own loopback. */
  readonly ownNetwork: boolean;
  readonly limits: Limits;
  /** Variables passed on by name. */
  readonly named: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stateDirectory: string;
  readonly machineDirectory: string;
  readonly command: readonly string[];
}

/** How programs are started here, and what they are kept in. */
export interface HostedPrograms {
  readonly sandbox: 'namespaces' | 'none';
  /** Why there are no namespaces, where they were not declined. */
  readonly why?: string;
  /** One more of them, on pipes, its standard error that of this process. */
  start(): ChildProcess;
}

/**
 * Throws `sandbox.unavailable` where namespaces, a network of its own or limits are asked for and not to be had, `sandbox.failed` where the
 * command is no program that could be started.
 */
export function hostedPrograms(options: HostedOptions): HostedPrograms {
  const environment = cleanEnvironment(options.env, options.named, {});
  const why = options.sandbox === 'none' ? undefined : whyNot(options);
  const [file = '', ...args] = options.command;
  if (options.sandbox === 'none' || why !== undefined) {
    // Windows finds programs in a way of its own.
    if (process.platform !== 'win32') requireCommand(file, { ...plainView, environment });
    return {
      sandbox: 'none',
      ...defined({ why }),
      start: () => spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: environment }),
    };
  }
  // That limits can be held is known before anybody dials.
  planLimits('culvert-mcp', options.limits);
  let started = 0;
  const view = (): Parameters<typeof requireCommand>[1] => {
    const { directories, files } = hiddenPlaces(options.env, [options.stateDirectory, options.machineDirectory]);
    return { ...plainView, environment, hiddenDirectories: directories, hiddenFiles: files };
  };
  requireCommand(file, view());
  return {
    sandbox: 'namespaces',
    start() {
      started += 1;
      const { child, first, letGo } = startApart(
        {
          name: `culvert-mcp-${options.service.replaceAll(/[^A-Za-z0-9]/g, '-')}-${process.pid}-${started}`,
          ownNetwork: options.ownNetwork,
          ...view(),
          ownSession: true,
          command: options.command,
          limits: options.limits,
        },
        ['pipe', 'pipe', 'inherit'],
      );
      first.then(letGo, () => child.kill('SIGKILL'));
      return child;
    },
  };
}

/** What a program sees from here where nothing is hidden from it. */
const plainView = { directory: process.cwd(), hiddenDirectories: [], hiddenFiles: [], shown: [] } as const;

/** Why there are no namespaces here. Throws it where whoever asks cannot do without. */
function whyNot({ sandbox, ownNetwork, limits }: HostedOptions): string | undefined {
  try {
    requireSandbox(ownNetwork);
    return undefined;
  } catch (error) {
    const needed = sandbox === 'required' || ownNetwork || Object.values(limits).some((limit) => limit !== undefined);
    if (needed || !isTunnelerError(error, 'sandbox.unavailable')) throw error;
    return error.message;
  }
}

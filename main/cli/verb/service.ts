import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { lockFilePath } from '../../ipc/socket-path.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import type { ServiceOptions, ServiceReport } from '../backends.ts';

interface Options extends CommonOptions {
  readonly dryRun?: true;
  readonly seePrograms?: true;
  readonly root?: string;
}

/** A tool that service managers run has so long for all it does; the rest of it is for what comes after the engine. */
const endsMs = 12_000;
const looksMs = 100;

/** `culvert service install|stop|uninstall`: the engine as a service of this machine, started at boot. */
export function addService(program: Command, cli: Cli): void {
  const group = program.command('service').description('the engine as a service of this machine');
  addServiceVerb(group, 'install', 'start the engine at boot, as a user of its own')
    .option('--see-programs', 'let it see which program of which user owns a connection')
    .action(async (options: Options) => {
      tell(await cli.programs.installService(serviceOptions(options, cli)), options, cli);
    });
  addVerb(group, 'stop', 'have it end by itself, with all that it changed of the machine put back').action(
    async (options: CommonOptions) => {
      const state = cli.machineStateDirectory(options);
      await cli.withEngine({ ...options, state }, (engine) => engine.engine.stop());
      await gone(lockFilePath(state), cli);
      cli.print(options, { stopped: true }, () => 'The engine has ended.\n');
    },
  );
  addServiceVerb(group, 'uninstall', 'stop it and take away what install placed').action(async (options: Options) => {
    tell(await cli.programs.uninstallService(serviceOptions(options, cli)), options, cli);
  });
}

function addServiceVerb(group: Command, name: string, description: string): Command {
  return addVerb(group, name, description)
    .option('--dry-run', 'show what would be done, and do nothing')
    .option('--root <dir>', 'work on a system that lies there, such as an image');
}

/** The lock is the last that an engine lets go. */
async function gone(lock: string, cli: Cli): Promise<void> {
  const until = cli.clock.monotonic() + endsMs;
  // The clock's timers hold no process open.
  const hold = setInterval(() => undefined, endsMs);
  try {
    while (existsSync(lock)) {
      if (cli.clock.monotonic() > until) {
        throw new TunnelerError('base.timeout', 'the engine was asked to end and has not ended yet', {
          details: { next: 'wait for it, or end its process and run culvert repair' },
        });
      }
      await new Promise<void>((resolve) => cli.clock.after(looksMs, resolve));
    }
  } finally {
    clearInterval(hold);
  }
}

function serviceOptions(options: Options, cli: Cli): ServiceOptions {
  return {
    stateDirectory: cli.machineStateDirectory(options),
    dryRun: options.dryRun ?? false,
    seePrograms: options.seePrograms ?? false,
    ...defined({ root: whenDefined(options.root, (root) => resolve(root)) }),
  };
}

/** An engine that is installed and does not start is a failure, with what was done told all the same. */
function tell(report: ServiceReport, options: Options, cli: Cli): void {
  cli.print(options, report, (told) => describe(told, cli));
  const failed =
    report.action === 'install' &&
    report.changes.some(({ state, what }) => state === 'failed' && !isMoot(what, report));
  if (failed) cli.exit = exitCode.failed;
}

/** To stop what does not run fails, and so does launchd's start of what runs already. */
function isMoot(command: string, { changed }: ServiceReport): boolean {
  return /bootout|\/End|service stop/.test(command) || (!changed && /bootstrap/.test(command));
}

function describe(report: ServiceReport, cli: Cli): string {
  if (report.changes.length === 0) return 'The service is not installed: there is nothing to do.\n';
  const colours = { done: 'green', unchanged: 'dim', planned: 'dim', skipped: 'yellow', failed: 'red' } as const;
  const lines = report.changes.map(({ what, state, reason, content }) => {
    const because = reason === undefined ? '' : cli.paint('dim', `  (${reason})`);
    const shown = content === undefined ? '' : `${content.trimEnd().replaceAll(/^/gm, '      ')}\n`;
    return `${cli.paint(colours[state], state.padEnd(9))}  ${what}${because}\n${shown}`;
  });
  const stays = report.stays.length === 0 ? '' : `What stays: ${report.stays.join('; ')}.\n`;
  return `${lines.join('')}${stays}${report.note === undefined ? '' : `${report.note}\n`}`;
}

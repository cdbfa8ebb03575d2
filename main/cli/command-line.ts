/** The command line: verbs in, exit code out. */
import { Command, CommanderError } from 'commander';
import { TunnelerError } from '../base/errors.ts';
import { Cli, exitCode, usage, type CliDeps } from './cli.ts';
import { addEnroll } from './verb/enroll.ts';
import { addIdentity } from './verb/identity.ts';
import { addMcp } from './verb/mcp.ts';
import { addSecret } from './verb/secret.ts';
import { addOverlay } from './verb/overlay.ts';
import { addRun } from './verb/run.ts';
import { addService } from './verb/service.ts';
import { addServices } from './verb/services.ts';
import { addSession, addSessions } from './verb/sessions.ts';
import { addStatus } from './verb/status.ts';
import { addApps } from './verb/apps.ts';
import { addQuarantine } from './verb/quarantine.ts';
import { addWhy } from './verb/why.ts';
import { addPolicy } from './verb/policy.ts';
import { addRepair } from './verb/repair.ts';
import { addAudit } from './verb/audit.ts';
import { addBundle } from './verb/bundle.ts';
import { addConsole } from './verb/console.ts';
import { addDemo } from './verb/demo.ts';
import { addDns } from './verb/dns.ts';
import { addCollect } from './verb/collect.ts';
import { addFleet } from './verb/fleet.ts';

const verbs = [
  addDemo,
  addOverlay,
  addRun,
  addEnroll,
  addIdentity,
  addStatus,
  addServices,
  addSessions,
  addApps,
  addSession,
  addQuarantine,
  addSecret,
  addWhy,
  addPolicy,
  addMcp,
  addAudit,
  addCollect,
  addFleet,
  addConsole,
  addBundle,
  addRepair,
  addService,
  addDns,
];

/** Run one command line (without `node` and script). Never throws; the exit code says how it went. */
export async function runCommandLine(args: readonly string[], deps: CliDeps): Promise<number> {
  const cli = new Cli(deps);
  const json = args.includes('--json');
  const program = new Command('culvert')
    .description('zero-trust access to dark services')
    .version(deps.programs.version, '-V, --version')
    .helpCommand('help [verb]', 'show help for a verb')
    .showHelpAfterError(false)
    .configureHelp({ showGlobalOptions: false });
  for (const add of verbs) add(program, cli);
  for (const command of allCommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => deps.terminal.out(text),
      writeErr: () => undefined, // told once, in our own words, below
    });
  }
  if (args.length === 0) {
    deps.terminal.err(program.helpInformation());
    return exitCode.usage;
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return cli.exit;
  } catch (error) {
    if (error instanceof CommanderError) return commanderOutcome(error, cli, program, args, json);
    if (deps.signal.aborted && !(error instanceof TunnelerError && error.code !== 'base.cancelled')) return cli.exit;
    cli.fail(error, json);
    return cli.exit;
  }
}

function commanderOutcome(
  error: CommanderError,
  cli: Cli,
  program: Command,
  args: readonly string[],
  json: boolean,
): number {
  if (error.exitCode === 0) return exitCode.done;
  if (error.code === 'commander.help') {
    // A group without its verb (`culvert identity`).
    const group = groupOf(program, args);
    const verbs = group.commands.map((command) => command.name()).join(', ');
    cli.fail(usage(`${group.name()} needs one of: ${verbs}`), json);
    return exitCode.usage;
  }
  cli.fail(usage(error.message.replace(/^error: /, '')), json);
  return exitCode.usage;
}

/** The innermost group that the arguments name. */
function groupOf(program: Command, args: readonly string[]): Command {
  const [first, ...rest] = args;
  const group = program.commands.find((command) => command.name() === first);
  return group === undefined ? program : groupOf(group, rest);
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

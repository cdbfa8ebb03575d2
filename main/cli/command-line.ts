/** The command line: verbs in, exit code out. */
import { Command, CommanderError } from 'commander';
import { TunnelerError } from '../base/errors.ts';
import { Cli, exitCode, usage, type CliDeps } from './cli.ts';

type AddVerb = (program: Command, cli: Cli) => void;

/** Each verb with where it is, in the order of the help. One is looked up alone: loading all of them takes as long as starting Node. */
const verbs: readonly (readonly [name: string, load: () => Promise<AddVerb>])[] = [
  ['demo', async () => (await import('./verb/demo.ts')).addDemo],
  ['overlay', async () => (await import('./verb/overlay.ts')).addOverlay],
  ['run', async () => (await import('./verb/run.ts')).addRun],
  ['enroll', async () => (await import('./verb/enroll.ts')).addEnroll],
  ['identity', async () => (await import('./verb/identity.ts')).addIdentity],
  ['status', async () => (await import('./verb/status.ts')).addStatus],
  ['services', async () => (await import('./verb/services.ts')).addServices],
  ['sessions', async () => (await import('./verb/sessions.ts')).addSessions],
  ['apps', async () => (await import('./verb/apps.ts')).addApps],
  ['session', async () => (await import('./verb/sessions.ts')).addSession],
  ['quarantine', async () => (await import('./verb/quarantine.ts')).addQuarantine],
  ['secret', async () => (await import('./verb/secret.ts')).addSecret],
  ['why', async () => (await import('./verb/why.ts')).addWhy],
  ['policy', async () => (await import('./verb/policy.ts')).addPolicy],
  ['mcp', async () => (await import('./verb/mcp.ts')).addMcp],
  ['audit', async () => (await import('./verb/audit.ts')).addAudit],
  ['record', async () => (await import('./verb/record.ts')).addRecord],
  ['inventory', async () => (await import('./verb/inventory.ts')).addInventory],
  ['collect', async () => (await import('./verb/collect.ts')).addCollect],
  ['fleet', async () => (await import('./verb/fleet.ts')).addFleet],
  ['console', async () => (await import('./verb/console.ts')).addConsole],
  ['bundle', async () => (await import('./verb/bundle.ts')).addBundle],
  ['repair', async () => (await import('./verb/repair.ts')).addRepair],
  ['service', async () => (await import('./verb/service.ts')).addService],
  ['dns', async () => (await import('./verb/dns.ts')).addDns],
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
import { addCompletion } from './verb/completion.ts';
import { addConfig } from './verb/config.ts';
import { addDoctor } from './verb/doctor.ts';
import { addVersion } from './verb/version.ts';
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
  addDoctor,
  addConfig,
  addVersion,
  addCompletion,
];

/** The verb that `args` begin with; all of them where it is none, for the help, and for what to say of a wrong one. */
async function verbsFor(args: readonly string[]): Promise<readonly AddVerb[]> {
  if (args[0] === '--version' || args[0] === '-V') return [];
  const asked = verbs.filter(([name]) => name === args[0]);
  return Promise.all((asked.length > 0 ? asked : verbs).map(([, load]) => load()));
}

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
  for (const add of await verbsFor(args)) add(program, cli);
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

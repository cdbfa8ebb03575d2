/** The command line: verbs in, exit code out. */
import { Command, CommanderError, Help, type Option } from 'commander';
import { TunnelerError } from '../base/errors.ts';
import { examples } from './examples.ts';
import { pathOf } from './verb-tree.ts';
import { verbs } from './verbs.ts';
import { Cli, commonOptions, exitCode, usage, type CliDeps } from './cli.ts';

/** Verbs that speak of all the others. */
const aboutAll = new Set(['completion', 'manual']);

/** The verb that `args` begin with; all of them where it is none, for the help, and for what to say of a wrong one. */
async function addVerbs(program: Command, cli: Cli, args: readonly string[]): Promise<void> {
  if (args[0] === '--version' || args[0] === '-V') return;
  const asked = aboutAll.has(args[0] ?? '') ? [] : verbs.filter(([name]) => name === args[0]);
  const wanted = asked.length > 0 ? asked : verbs;
  const loaded = await Promise.all(wanted.map(async ([name, group, load]) => ({ name, group, add: await load() })));
  for (const { name, group, add } of loaded) {
    add(program, cli);
    const verb = program.commands.find((command) => command.name() === name);
    verb?.helpGroup(`${group}:`);
  }
  for (const command of allCommands(program)) {
    const example = examples[pathOf(command)];
    if (example === undefined) continue;
    command.addHelpText('after', `\nExample:\n  $ ${example}${seeAlso(pathOf(command))}`);
  }
}

/** Verbs one letter apart mean different things: where one was used wrongly, what the other is for. */
const hints: Readonly<Record<string, string>> = {
  service: 'services that this device may dial or hosts: culvert services',
  services: 'the engine as a service of the machine: culvert service install',
  session: 'sessions open now, and lately closed: culvert sessions',
  sessions: 'to close one: culvert session close ID',
};

/** Groups in their order, but what every verb has stands last. */
function commonLast<T extends Command | Option>(
  all: T[],
  visible: T[],
  heading: (item: T) => string,
): Map<string, T[]> {
  const groups = new Help().groupItems(all, visible, heading);
  const common = groups.get(commonOptions);
  if (common === undefined) return groups;
  groups.delete(commonOptions);
  return groups.set(commonOptions, common);
}

function seeAlso(name: string): string {
  const hint = hints[name];
  return hint === undefined ? '' : `\n\nSee also:\n  ${hint}`;
}

function wrongUsage(message: string, args: readonly string[]): TunnelerError {
  const next = hints[args[0] ?? ''];
  return next === undefined ? usage(message) : new TunnelerError('cli.usage', message, { details: { next } });
}

/** Run one command line (without `node` and script). Never throws; the exit code says how it went. */
export async function runCommandLine(args: readonly string[], deps: CliDeps): Promise<number> {
  // What stands behind `--` is the command of somebody else.
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const json = own.includes('--json');
  const cli = new Cli({ ...deps, wide: own.includes('--wide'), colour: !own.includes('--no-color') });
  const program = new Command('culvert')
    .description('zero-trust access to dark services')
    .version(deps.programs.version, '-V, --version')
    .helpCommand('help [verb]', 'show help for a verb')
    .showHelpAfterError(false)
    .configureHelp({ showGlobalOptions: false, groupItems: commonLast });
  await addVerbs(program, cli, args);
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
    const names = group.commands.map((command) => command.name()).join(', ');
    cli.fail(wrongUsage(`${group.name()} needs one of: ${names}`, args), json);
    return exitCode.usage;
  }
  cli.fail(wrongUsage(error.message.replace(/^error: /, ''), args), json);
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

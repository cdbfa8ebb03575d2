/** The command line: verbs in, exit code out. */
import { Command, CommanderError, Help, type Option } from 'commander';
import { TunnelerError } from '../base/errors.ts';
import { Cli, commonOptions, exitCode, usage, type CliDeps } from './cli.ts';

type AddVerb = (program: Command, cli: Cli) => void;
type Verb = readonly [name: string, group: string, example: string, load: () => Promise<AddVerb>];

/** Each verb with its group and an example, in the order of the help. One is looked up alone: loading all of them takes as long as starting Node. */
const verbs: readonly Verb[] = [
  ['demo', 'Start', 'culvert demo --once', async () => (await import('./verb/demo.ts')).addDemo],
  [
    'overlay',
    'Start',
    'culvert overlay --dir /tmp/overlay --seed seed.json --json',
    async () => (await import('./verb/overlay.ts')).addOverlay,
  ],
  [
    'run',
    'Start',
    'culvert run --mode proxy --proxy-listen 127.0.0.1:1080',
    async () => (await import('./verb/run.ts')).addRun,
  ],
  ['service', 'Start', 'sudo culvert service install', async () => (await import('./verb/service.ts')).addService],
  [
    'enroll',
    'Identities',
    'culvert enroll laptop.jwt --name laptop',
    async () => (await import('./verb/enroll.ts')).addEnroll,
  ],
  ['identity', 'Identities', 'culvert identity list', async () => (await import('./verb/identity.ts')).addIdentity],
  ['secret', 'Identities', 'culvert secret set provider-key', async () => (await import('./verb/secret.ts')).addSecret],
  ['status', 'Look', 'culvert status', async () => (await import('./verb/status.ts')).addStatus],
  ['services', 'Look', 'culvert services', async () => (await import('./verb/services.ts')).addServices],
  ['sessions', 'Look', 'culvert sessions --watch', async () => (await import('./verb/sessions.ts')).addSessions],
  ['apps', 'Look', 'culvert apps', async () => (await import('./verb/apps.ts')).addApps],
  ['why', 'Look', 'culvert why db.dark:5432 --app psql', async () => (await import('./verb/why.ts')).addWhy],
  [
    'audit',
    'Look',
    'culvert audit search --since yesterday --decision deny',
    async () => (await import('./verb/audit.ts')).addAudit,
  ],
  ['record', 'Look', 'culvert record list', async () => (await import('./verb/record.ts')).addRecord],
  ['inventory', 'Look', 'culvert inventory', async () => (await import('./verb/inventory.ts')).addInventory],
  ['console', 'Look', 'culvert console --open', async () => (await import('./verb/console.ts')).addConsole],
  ['session', 'Act', 'culvert session close ses_1', async () => (await import('./verb/sessions.ts')).addSession],
  [
    'approvals',
    'Act',
    'culvert approvals grant app_1 --minutes 30 --reason "belt is stuck"',
    async () => (await import('./verb/approvals.ts')).addApprovals,
  ],
  [
    'quarantine',
    'Act',
    'culvert quarantine add app:claude-code',
    async () => (await import('./verb/quarantine.ts')).addQuarantine,
  ],
  ['policy', 'Act', 'culvert policy check', async () => (await import('./verb/policy.ts')).addPolicy],
  [
    'agent',
    'Agents',
    'culvert agent run claude --net only -- claude',
    async () => (await import('./verb/agent.ts')).addAgent,
  ],
  ['env', 'Agents', 'eval "$(culvert env)"', async () => (await import('./verb/agent.ts')).addEnv],
  ['mcp', 'Agents', 'culvert mcp connect notes.dark', async () => (await import('./verb/mcp.ts')).addMcp],
  ['llm', 'Agents', 'culvert llm serve --listen 127.0.0.1:4000', async () => (await import('./verb/llm.ts')).addLlm],
  [
    'collect',
    'Fleet',
    'culvert collect --service collector --state /var/lib/collector',
    async () => (await import('./verb/collect.ts')).addCollect,
  ],
  ['fleet', 'Fleet', 'culvert fleet devices', async () => (await import('./verb/fleet.ts')).addFleet],
  ['assess', 'Fleet', 'culvert assess', async () => (await import('./verb/assess.ts')).addAssess],
  ['doctor', 'Mend', 'culvert doctor', async () => (await import('./verb/doctor.ts')).addDoctor],
  ['dns', 'Mend', 'culvert dns status', async () => (await import('./verb/dns.ts')).addDns],
  ['repair', 'Mend', 'sudo culvert repair', async () => (await import('./verb/repair.ts')).addRepair],
  [
    'bundle',
    'Mend',
    'culvert bundle --redact full support.zip',
    async () => (await import('./verb/bundle.ts')).addBundle,
  ],
  [
    'config',
    'Settings',
    'culvert config set proxy.listen 127.0.0.1:1080',
    async () => (await import('./verb/config.ts')).addConfig,
  ],
  [
    'completion',
    'Settings',
    'source <(culvert completion bash)',
    async () => (await import('./verb/completion.ts')).addCompletion,
  ],
  ['version', 'Settings', 'culvert version --json', async () => (await import('./verb/version.ts')).addVersion],
];

/** The verb that `args` begin with; all of them where it is none, for the help, and for what to say of a wrong one. */
async function addVerbs(program: Command, cli: Cli, args: readonly string[]): Promise<void> {
  if (args[0] === '--version' || args[0] === '-V') return;
  // Completion is of all of them.
  const asked = args[0] === 'completion' ? [] : verbs.filter(([name]) => name === args[0]);
  const wanted = asked.length > 0 ? asked : verbs;
  const loaded = await Promise.all(
    wanted.map(async ([name, group, example, load]) => ({ name, group, example, add: await load() })),
  );
  for (const { name, group, example, add } of loaded) {
    add(program, cli);
    const verb = program.commands.find((command) => command.name() === name);
    verb?.helpGroup(`${group}:`).addHelpText('after', `\nExample:\n  $ ${example}${seeAlso(name)}`);
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

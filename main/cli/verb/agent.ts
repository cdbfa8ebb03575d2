import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import type { AgentView } from '../../api/views.ts';
import { isTunnelerError } from '../../base/errors.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { addLimitOptions, bytesOf, collect, limitsOf, type LimitOptions } from '../limit-options.ts';
import { table } from '../table.ts';

interface RunOptions extends CommonOptions, LimitOptions {
  readonly net: 'host' | 'only';
  readonly env: readonly string[];
  readonly bandwidth?: string;
}

/** Conditions of a binding, as `culvert.yaml` has them. */
const conditions = ['identity', 'path', 'hash', 'signer', 'cgroup', 'parent', 'user', 'image', 'internet'] as const;
type Conditions = Partial<Record<(typeof conditions)[number], readonly string[]>>;

type AgentRow = { readonly name: string } & Readonly<Record<string, unknown>>;

/** `culvert agent run|list|bind|unbind`: programs that act for a model, each as an identity of its own. */
export function addAgent(program: Command, cli: Cli): void {
  const group = program.command('agent').description('agents: start them, and say which program is which');
  addRun(group, cli);
  addVerb(group, 'list', 'agents of the settings, and what each may reach').action(async (options: CommonOptions) => {
    const rows = await listRows(options, cli);
    cli.print(options, rows, (all) => describe(all, cli));
  });
  const bind = addVerb(group, 'bind <name>', 'say which program is this agent, and which identity it dials as');
  for (const condition of conditions) bind.option(`--${condition} <value>`, helpOf[condition], collect, []);
  bind.action(async (name: string, options: CommonOptions & Conditions) => {
    const fields = Object.fromEntries(
      conditions.map((condition) => [condition, one(options[condition] ?? [], condition)]),
    );
    if (Object.values(fields).every((value) => value === undefined)) {
      throw usage(`bind needs --identity, or a condition such as --path`);
    }
    const agents = await cli.programs.agents();
    const file = await agents.settingsFile(cli.stateDirectory(options));
    await agents.bind(cli.stateDirectory(options), file, name, fields);
    await tellEngine(options, cli);
    cli.print(options, { name, file }, () => `${name} is bound in ${file}\n`);
  });
  addVerb(group, 'unbind <name>', 'take an agent out of the settings').action(
    async (name: string, options: CommonOptions) => {
      const agents = await cli.programs.agents();
      const file = await agents.settingsFile(cli.stateDirectory(options));
      await agents.unbind(cli.stateDirectory(options), file, name);
      await tellEngine(options, cli);
      cli.print(options, { name, file }, () => `${name} is bound no more in ${file}\n`);
    },
  );
  // The other half of `run --net only`, inside the namespaces that it made.
  group
    .command('inside <command...>', { hidden: true })
    .requiredOption('--gate <path>')
    .requiredOption('--port <number>', 'may be repeated', collect, [])
    .action(async (command: string[], { gate, port }: { gate: string; port: readonly string[] }) => {
      cli.outputIsPayload = true;
      cli.exit = await (await cli.programs.agents()).inside({ gate, ports: port.map(Number), command });
    });
}

/** `culvert env`: what a shell has to know. */
export function addEnv(program: Command, cli: Cli): void {
  addVerb(program, 'env', 'variables by which programs find Culvert, for a shell to take in')
    .option('--agent <name>', 'those of this agent')
    .action(async (options: CommonOptions & { agent?: string }) => {
      const { agent } = options;
      const { variables } = await cli.withEngine(options, (engine) => engine.agent.environment(defined({ agent })));
      cli.print(options, variables, (all) =>
        Object.entries(all)
          .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
          .join(''),
      );
    });
}

function addRun(group: Command, cli: Cli): void {
  const run = addVerb(
    group,
    'run <name> <command...>',
    'start a program as this agent, in namespaces that it cannot leave',
  )
    .addOption(
      new Option('--net <way>', "the host's network, or none but Culvert").choices(['host', 'only']).default('host'),
    )
    .option('--env <name>', 'pass this variable on as well, or NAME=VALUE; may be repeated', collect, [])
    .option('--bandwidth <bytes>', 'let it send and receive so much a second at most, e.g. 2M; with --net only');
  addLimitOptions(run).action(async (name: string, command: string[], options: RunOptions) => {
    cli.outputIsPayload = true;
    cli.exit = await cli.withEngine(options, async (engine) => {
      const bandwidth = whenDefined(options.bandwidth, (text) => bytesOf(text, '--bandwidth'));
      const start = await engine.agent.begin({ agent: name, net: options.net, ...defined({ bandwidth }) });
      const agents = await cli.programs.agents();
      return agents.start({
        agent: name,
        id: start.id,
        gate: start.gate,
        variables: start.variables,
        limits: { ...start.limits, ...limitsOf(options) },
        named: options.env,
        env: cli.terminal.env,
        stateDirectory: cli.stateDirectory(options),
        machineDirectory: cli.machineStateDirectory({}),
        socketPath: cli.socketPath(options),
        command,
        entered: (pid) => engine.agent.enter({ id: start.id, pid }),
      });
    });
  });
}

const helpOf: Readonly<Record<(typeof conditions)[number], string>> = {
  identity: 'the identity it dials as',
  path: "a glob over its executable's or script's path",
  hash: 'the SHA-256 of its executable or script',
  signer: 'who must have signed it',
  cgroup: 'a glob over its control group',
  parent: "a glob over an ancestor's path",
  user: 'whose program it must be',
  image: "the digest of its container's image",
  internet: 'a name on the Internet that it may reach where it has no other network',
};

function one(values: readonly string[], condition: string): string | readonly string[] | undefined {
  if (condition === 'identity' && values.length > 1) throw usage('an agent dials as one identity');
  return values.length > 1 ? values : values[0];
}

/** An engine that runs takes it up at once; where none does, the next one will. */
async function tellEngine(options: CommonOptions, cli: Cli): Promise<void> {
  await cli.withEngineOr(
    options,
    async (engine) => void (await engine.policy.reload()),
    () => Promise.resolve(),
  );
}

async function listRows(options: CommonOptions, cli: Cli): Promise<readonly AgentRow[]> {
  const agents = await cli.programs.agents();
  const bound = agents.list(await agents.settingsFile(cli.stateDirectory(options)));
  let known: readonly AgentView[] = [];
  try {
    known = await cli.withEngine(options, (engine) => engine.app.list());
  } catch (error) {
    if (!isTunnelerError(error, 'engine.not_running')) throw error;
  }
  const names = [...new Set([...Object.keys(bound), ...known.map(({ name }) => name)])].sort();
  return names.map((name) => ({
    name,
    ...(bound[name] as object | undefined),
    ...known.find((row) => row.name === name),
  }));
}

function describe(rows: readonly AgentRow[], cli: Cli): string {
  if (rows.length === 0) return 'No agent is bound; culvert agent bind NAME says which program is one.\n';
  const text = (value: unknown): string => (value === undefined ? '' : [value].flat().join(' '));
  return table(
    rows,
    [
      { title: 'AGENT', text: (row) => row.name },
      { title: 'IDENTITY', text: (row) => text(row['identity']) || "the device's" },
      { title: 'PATH', text: (row) => text(row['path']) || '–', spare: 1 },
      { title: 'OPEN', align: 'right', text: (row) => text(row['openSessions']) || '0' },
      { title: 'MAY REACH', text: (row) => text(row['reach']) || 'nothing' },
    ],
    cli,
  );
}

import { homedir } from 'node:os';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { clientAliases, clientKinds, type ClientKind, type ServerEntry } from '../mcp/client-kinds.ts';

interface ConfigOptions extends CommonOptions {
  readonly client?: ClientKind;
  readonly project?: true;
  readonly remove?: true;
}

/** The one server that stands for all. */
const frontDoorName = 'culvert';

/** `culvert mcp config`: entries for MCP clients, printed, or written into a client's own settings. */
export function addMcpConfig(group: Command, cli: Cli): void {
  addVerb(group, 'config [services...]', 'an entry for MCP clients (default: one for all that you may see)')
    .addOption(
      new Option(
        '--client <name>',
        `write it into this client's settings: ${clientKinds.map(({ name }) => name).join(', ')}`,
      ).argParser(parseClient),
    )
    .option('--project', 'into the settings of this directory instead of your own')
    .option('--remove', 'take our entries out again')
    .action(async (services: string[], options: ConfigOptions) => {
      const { client, remove } = options;
      const entries = Object.fromEntries(
        services.length === 0
          ? [[frontDoorName, entryOf(['serve'], options, cli)]]
          : services.map((service) => [service, entryOf(['connect', service], options, cli)]),
      );
      if (client === undefined) {
        if (remove === true) throw usage('--remove needs --client, whose settings to take them out of');
        cli.terminal.out(`${JSON.stringify({ mcpServers: entries }, undefined, options.json === true ? 0 : 2)}\n`);
        return;
      }
      const file = fileOf(client, options, cli);
      // Only here, for editors of two notations are no small thing.
      const { changeClientConfig } = await import('../mcp/client-config.ts');
      const done = await changeClientConfig(client, file, {
        add: remove === true ? {} : entries,
        remove: (name, entry) => remove === true && isOurs(entry) && (services.length === 0 || services.includes(name)),
      });
      cli.print(options, { client: client.name, ...done }, ({ file: changed, added, removed }) => {
        if (remove !== true) return `${added.join(', ')} written to ${changed}\n`;
        return removed.length === 0
          ? `nothing of ours stands in ${changed}\n`
          : `${removed.join(', ')} taken out of ${changed}\n`;
      });
    });
}

function parseClient(name: string): ClientKind {
  const kind = clientKinds.find((one) => one.name === (clientAliases[name] ?? name));
  if (kind !== undefined) return kind;
  throw new InvalidArgumentError(`known are ${clientKinds.map((one) => one.name).join(', ')}`);
}

function fileOf(kind: ClientKind, options: ConfigOptions, cli: Cli): string {
  const { env } = cli.terminal;
  const place = { home: env['HOME'] ?? homedir(), cwd: process.cwd(), env, platform: process.platform };
  if (options.project !== true) return kind.user(place);
  if (kind.project === undefined) throw usage(`${kind.name} has no settings of a directory`);
  return kind.project(place);
}

/** An entry that runs this program as an MCP server, under whatever name and in whatever client's words. */
function isOurs(entry: unknown): boolean {
  const { command, args } = (entry ?? {}) as { readonly command?: unknown; readonly args?: unknown };
  const words = [command, args].flat();
  const at = words.indexOf('mcp');
  return (
    at > 0 &&
    ['serve', 'connect'].includes(String(words[at + 1])) &&
    words.slice(0, at).some((word) => /culvert/i.test(String(word)))
  );
}

function entryOf(verb: readonly string[], options: CommonOptions, cli: Cli): ServerEntry {
  const script = process.argv[1] ?? 'culvert';
  const state = ['--state', cli.stateDirectory(options)];
  const socket = options.socket === undefined ? [] : ['--socket', options.socket];
  return { command: process.execPath, args: [script, 'mcp', ...verb, ...state, ...socket] };
}

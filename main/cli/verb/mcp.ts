import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { parseHostPort } from '../../base/ip.ts';
import type { Engine } from '../backends.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import { toErrorView } from '../../api/wire.ts';
import { bridge } from '../../mcp/bridge/bridge.ts';
import { refuseAll } from '../../mcp/bridge/refuse-all.ts';
import type { Transport } from '../../mcp/bridge/route.ts';
import { addMcpPins } from './mcp-pins.ts';
import { addMcpConfig } from './mcp-config.ts';
import { addMcpHost } from './mcp-host.ts';

/** `culvert mcp connect SERVICE` and `culvert mcp config`: MCP clients and dark MCP services. */
export function addMcp(program: Command, cli: Cli): void {
  const group = program.command('mcp').description('MCP clients and dark MCP services');
  addMcpPins(group, cli);

  addVerb(group, 'connect <service>', 'standard input and output ↔ a dark MCP service')
    .option('--path <path>', "path of the server's MCP endpoint", '/mcp')
    .addOption(
      new Option('--transport <name>', 'what the service speaks')
        .choices(['auto', 'http', 'sse', 'lines'])
        .default('auto'),
    )
    .action(async (service: string, options: CommonOptions & { path: string; transport: Transport }) => {
      cli.outputIsPayload = true;
      await bridgeTo(service, options, cli, async (engine) => {
        const { url } = await engine.mcp.endpoint({ service });
        return { url: new URL(options.path, url), transport: options.transport };
      });
    });

  addVerb(group, 'serve', 'every dark MCP service you may see, as one MCP server')
    .addOption(
      new Option('--listen <address>', 'streamable HTTP there, for programs of this machine').argParser(parseListen),
    )
    .addOption(new Option('--max-tools <count>', 'tools listed before find_tools').default(200).argParser(parseCount))
    .action(async (options: CommonOptions & { readonly listen?: ListenAddress; readonly maxTools: number }) => {
      const { listen, maxTools } = options;
      cli.outputIsPayload = listen === undefined;
      if (listen === undefined) {
        return bridgeTo('serve', options, cli, async (engine) => {
          const { url } = await engine.mcp.front({ maxTools });
          return { url: new URL(url), transport: 'lines' };
        });
      }
      await cli.withEngine(options, async (engine) => {
        for await (const place of engine.mcp.listen({ ...listen, maxTools }, { signal: cli.signal })) {
          cli.printItem(options, place, ({ url }) => `MCP clients of this machine find it at ${url}`);
        }
      });
    });

  addMcpHost(group, cli);
  addMcpConfig(group, cli);
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

function parseListen(text: string): ListenAddress {
  const { host, port } = parseHostPort(text, '--listen');
  return { host, port };
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw usage(`--max-tools: expected a number from 1 to 99999, got "${text}"`);
}

/** How long requests under way may take once standard input has ended. */
const lingerMs = 2_500;
/** A client without a service is listened to until it has been quiet for so long. */
const quietMs = 1_000;

type Where = Pick<Parameters<typeof bridge>[0], 'url' | 'transport'>;

/** Bridge the client to what `open` finds; where that is nothing, each of its requests is answered with the reason, and the exit code says so. */
async function bridgeTo(
  service: string,
  options: CommonOptions,
  cli: Cli,
  open: (engine: Engine) => Promise<Where>,
): Promise<void> {
  const client = clientOf(service, options, cli);
  let isOpen = false;
  try {
    await cli.withEngine(options, async (engine) => {
      const where = await open(engine);
      isOpen = true;
      await bridge({ ...where, ...client });
    });
  } catch (error) {
    // A person at a terminal waits for no answers.
    if (isOpen || cli.signal.aborted || cli.terminal.inIsTty) throw error;
    cli.fail(error, options.json === true);
    const { code, message, details } = toErrorView(error);
    const next = details?.['next'];
    const reason = { code, sentence: message, next: typeof next === 'string' ? next : undefined };
    await refuseAll({ ...client, quietMs }, reason);
  }
}

/** The client's end of a bridge: this process's standard input and output. */
function clientOf(
  service: string,
  options: CommonOptions,
  cli: Cli,
): Omit<Parameters<typeof bridge>[0], 'url' | 'transport'> {
  const { terminal } = cli;
  const startedBy = process.ppid;
  return {
    input: (signal) => terminal.inputLines(signal),
    output: (line) => terminal.payload(`${line}\n`),
    complain: (text) => terminal.err(`culvert: mcp ${service}: ${text}\n`),
    // Said once on standard error; the client is answered for each of its requests.
    refused({ code, sentence, next }) {
      if (cli.exit !== exitCode.done) return;
      const view = { code, message: sentence, ...defined({ details: whenDefined(next, (step) => ({ next: step })) }) };
      cli.tell(view, options.json === true);
    },
    orphaned: () => process.ppid !== startedBy,
    lingerMs,
    signal: cli.signal,
  };
}

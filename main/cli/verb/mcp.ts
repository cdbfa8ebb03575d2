import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { parseHostPort } from '../../base/ip.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import { bridge } from '../../mcp/bridge/bridge.ts';
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
      await cli.withEngine(options, async (engine) => {
        const { url } = await engine.mcp.endpoint({ service });
        await bridge({
          url: new URL(options.path, url),
          transport: options.transport,
          ...clientOf(service, options, cli),
        });
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
      await cli.withEngine(options, async (engine) => {
        if (listen === undefined) {
          const { url } = await engine.mcp.front({ maxTools });
          await bridge({ url: new URL(url), transport: 'lines', ...clientOf('serve', options, cli) });
          return;
        }
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

/**
 * The front door with many services: its first list cold and warm, what the bridge to it takes, and what a call through it costs against one that goes
 * straight to the server, beside `mcp-remote` in the same run.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Child } from '../support/child.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { median, quantile, table } from './figures.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('ai/many-server.mjs', import.meta.url));
const [services, toolsEach, calls, warmLists] = [40, 15, 300, 20];

export async function measureMcp(rounds: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-mcp-'));
  const many = new Child(process.execPath, [script, String(services), String(toolsEach)], {
    logFile: join(directory, 'many.log'),
  });
  try {
    await many.until('ports', (output) => output.includes('"ports"'));
    const { ports } = JSON.parse(many.output()) as { ports: number[] };
    const named = Object.fromEntries(ports.map((target, at) => [`bench-${at}`, { target }]));
    await using world = await McpWorld.open(named);
    return `${await lists(world, rounds)}\n\n${await callsThrough(world, ports[0] ?? 0, directory)}`;
  } finally {
    await many[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

async function allTools(client: Client): Promise<number> {
  let [count, cursor]: [number, string | undefined] = [0, undefined];
  do {
    const { tools, nextCursor }: { tools: unknown[]; nextCursor?: string | undefined } = await client.listTools({
      cursor,
    });
    count += tools.length;
    cursor = nextCursor;
  } while (cursor !== undefined);
  return count;
}

async function lists(world: McpWorld, rounds: number): Promise<string> {
  const [first, started, cold, warm, memory] = [0, 0, 0, 0, 0].map((): number[] => []) as [
    number[],
    number[],
    number[],
    number[],
    number[],
  ];
  for (let round = 0; round < rounds; round += 1) {
    const client = new Client({ name: 'bench', version: '1' });
    const transport = new StdioClientTransport(await world.command('serve', '--max-tools', '1000'));
    const begin = performance.now();
    await client.connect(transport);
    const connected = performance.now();
    let count = await allTools(client);
    first.push(count);
    // A service that a busy machine is late with is absent from the first list, and told of.
    while (count < services * toolsEach) count = await allTools(client);
    cold.push(performance.now() - connected);
    started.push(performance.now() - begin);
    for (let at = 0; at < warmLists; at += 1) {
      const since = performance.now();
      await allTools(client);
      warm.push(performance.now() - since);
    }
    const status = await readFile(`/proc/${transport.pid}/status`, 'utf8');
    memory.push(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
    await client.close();
  }
  const ms = (values: readonly number[]): string =>
    `${median(values).toFixed(0)} (${quantile(values, 0.99).toFixed(0)})`;
  return [
    `mcp serve, ${services} services, ${services * toolsEach} tools, ${rounds} rounds: median (p99)`,
    table(
      ['first list of all, ms', 'with the start of the bridge, ms', 'again, ms', 'memory of the bridge, MB'],
      [[ms(cold), ms(started), ms(warm), ms(memory)]],
    ),
    `tools in the first answer: ${first.join(', ')}`,
  ].join('\n');
}

async function callsThrough(world: McpWorld, port: number, directory: string): Promise<string> {
  const url = `http://127.0.0.1:${port}/mcp`;
  const ways: { readonly name: string; readonly client: Client; readonly tool: string; readonly times: number[] }[] =
    [];
  const add = async (name: string, tool: string, transport: Parameters<Client['connect']>[0]): Promise<void> => {
    const client = new Client({ name: 'bench', version: '1' });
    await client.connect(transport);
    await client.listTools();
    ways.push({ name, client, tool, times: [] });
  };
  await add('direct', 'tool_0', new StreamableHTTPClientTransport(new URL(url)));
  await add('culvert mcp serve', 'bench-0__tool_0', new StdioClientTransport(await world.command('serve')));
  await add('culvert mcp connect', 'tool_0', new StdioClientTransport(await world.command('connect', 'bench-0')));
  await writeFile(join(directory, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--silent', '--no-audit', '--no-fund', 'mcp-remote@latest'], { cwd: directory });
  const remote = join(directory, 'node_modules', 'mcp-remote', 'dist', 'proxy.js');
  await add('mcp-remote', 'tool_0', new StdioClientTransport({ command: process.execPath, args: [remote, url] }));
  for (let round = 0; round < calls; round += 1) {
    for (const { client, tool, times } of ways) {
      const since = performance.now();
      await client.callTool({ name: tool, arguments: { text: 'x'.repeat(100) } });
      times.push(performance.now() - since);
    }
  }
  for (const { client } of ways) await client.close();
  const direct = median(ways[0]?.times ?? []);
  const rows = ways.map(({ name, times }) => [
    name,
    median(times).toFixed(2),
    quantile(times, 0.99).toFixed(2),
    (median(times) - direct).toFixed(2),
  ]);
  const added = (name: string): number => median(ways.find((way) => way.name === name)?.times ?? []) - direct;
  const ratio = added('culvert mcp serve') / added('mcp-remote');
  return [
    `a call, ${calls} of each in turn`,
    table(['way', 'p50, ms', 'p99, ms', 'added at p50, ms'], rows),
    `added by mcp serve against mcp-remote: ${ratio.toFixed(2)}`,
  ].join('\n');
}

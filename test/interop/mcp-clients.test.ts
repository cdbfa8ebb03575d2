/** Real clients of both eras through `culvert mcp connect`, against real servers of every kind: each cell by its own assertions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  openEventStreamServer,
  openHandshakeServer,
  openStatelessServer,
  type McpTestServer,
} from '../support/mcp-servers.ts';
import { McpWorld } from '../support/mcp-world.ts';

/** What each cell asks of a client, whatever it is. */
interface AnyClient {
  names(): Promise<string[]>;
  call(name: string): Promise<string>;
  close(): Promise<void>;
}

const servers = ['events', 'json', 'older', 'stateless'] as const;
const contract = { mcp: { deny: ['delete_*'] } };
let world: McpWorld;
let opened: Record<(typeof servers)[number], McpTestServer>;

beforeAll(async () => {
  opened = {
    events: await openHandshakeServer(),
    json: await openHandshakeServer({ json: true }),
    older: await openEventStreamServer(),
    stateless: await openStatelessServer(),
  };
  world = await McpWorld.open(
    Object.fromEntries(servers.map((name) => [name, { target: opened[name].port, contract }])),
  );
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const server of Object.values(opened ?? {})) await server[Symbol.asyncDispose]();
}, 30_000);

async function first(service: string): Promise<AnyClient> {
  const client = new Client({ name: 'culvert-test', version: '1' });
  await client.connect(new StdioClientTransport(await world.command('connect', service)));
  return {
    names: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name) => textIn(await client.callTool({ name, arguments: { text: 'abc' } })),
    close: () => client.close(),
  };
}

type Mode = 'auto' | 'legacy' | { pin: string };
async function second(service: string, mode: Mode): Promise<AnyClient> {
  const client = new ModernClient({ name: 'culvert-test', version: '2' }, { versionNegotiation: { mode } });
  await client.connect(new ModernStdio(await world.command('connect', service)));
  return {
    names: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name) => textIn(await client.callTool({ name, arguments: { text: 'abc' } })),
    close: () => client.close(),
  };
}

const textIn = (result: object): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

async function works(client: AnyClient, server: McpTestServer): Promise<void> {
  const before = server.ran.length;
  expect(await client.names()).toEqual(['search', 'list_users']);
  expect(await client.call('search')).toBe('search:3');
  await expect(client.call('delete_all')).rejects.toThrow(/Unknown tool: delete_all/);
  expect(server.ran.slice(before)).toEqual(['search']);
  await client.close();
}

const clients: Readonly<Record<string, (service: string) => Promise<AnyClient>>> = {
  'TypeScript 1.x': first,
  'TypeScript 2.x, auto': (service) => second(service, 'auto'),
  'TypeScript 2.x, legacy': (service) => second(service, 'legacy'),
};

for (const [name, open] of Object.entries(clients)) {
  describe(name, () => {
    for (const server of servers) {
      test(`with a server of ${server}`, { timeout: 60_000 }, async () => {
        await works(await open(server), opened[server]);
      });
    }
  });
}

describe('TypeScript 2.x, pinned to 2026-07-28', () => {
  test('with a server of stateless', { timeout: 60_000 }, async () => {
    await works(await second('stateless', { pin: '2026-07-28' }), opened.stateless);
  });

  test(
    'with a server of the handshake era is told at once that it does not speak it',
    { timeout: 60_000 },
    async () => {
      await expect(second('events', { pin: '2026-07-28' })).rejects.toThrow();
    },
  );
});

test('killed, a client takes bridge and session with it within five seconds', { timeout: 60_000 }, async () => {
  const { command, args } = await world.command('connect', 'events');
  // A client that hands its bridge a request and dies: a shell that is killed while its child holds the pipe's other end.
  const bridge = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'dying', version: '1' } };
  bridge.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello })}\n`);
  await once(bridge.stdout, 'data');
  const exited = once(bridge, 'exit');
  const since = performance.now();
  bridge.stdin.destroy();
  bridge.stdout.destroy();
  await exited;
  expect(performance.now() - since).toBeLessThan(5_000);
});

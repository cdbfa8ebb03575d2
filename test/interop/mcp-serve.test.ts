/** `culvert mcp serve`: every dark MCP service a program may see as one server, in both eras, on standard streams and on loopback. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openHandshakeServer, openStatelessServer, type McpTestServer } from '../support/mcp-servers.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/stdio-mcp-server.mjs', import.meta.url));
let world: McpWorld;
const servers: McpTestServer[] = [];

beforeAll(async () => {
  const old = await openHandshakeServer();
  const json = await openHandshakeServer({ json: true });
  const modern = await openStatelessServer();
  servers.push(old, json, modern);
  world = await McpWorld.open({
    old: { target: old.port, contract: { mcp: { deny: ['delete_*', 'secret_plan', 'doc://private/*'] } } },
    json: { target: json.port, contract: { mcp: { allow: ['search', 'greet'] } } },
    modern: { target: modern.port, contract: { mcp: { deny: ['delete_*', 'doc://private/*'] } } },
    asking: {},
    silent: { contract: null, target: old.port },
    nobody: { bound: false },
  });
  await world.start(['mcp', 'host', 'asking', '--state', world.box, '--', process.execPath, program]);
  await world.hosted('asking');
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
}, 30_000);

const namesOf = (tools: readonly { name: string }[]): string[] => tools.map(({ name }) => name).sort();
const expected = [
  ...['ask', 'count', 'echo', 'exit', 'pid'].map((name) => `asking__${name}`),
  'json__search',
  ...['list_users', 'search'].map((name) => `modern__${name}`),
  ...['list_users', 'search'].map((name) => `old__${name}`),
];
/** A program that starts slowly is absent from a first list, and in a later one. */
const whole = async (list: () => Promise<readonly { name: string }[]>): Promise<string[]> => {
  await until(async () => (await list()).length >= expected.length, 60_000);
  return namesOf(await list());
};
const textIn = (result: object): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

test(
  'a client of the handshake era: tools, prompts and resources of all services, calls, progress, questions',
  { timeout: 150_000 },
  async () => {
    const made = new Client({ name: 'culvert-test', version: '1' }, { capabilities: { elicitation: {} } });
    made.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'me' } }));
    const client = await world.client(['serve'], made);
    expect(await whole(async () => (await client.listTools()).tools)).toEqual(expected);
    const listed = await client.listTools();
    // What is down is named, and takes nothing else with it; what is hidden is nowhere.
    expect(listed._meta).toMatchObject({ 'culvert/absent': [{ service: 'nobody' }] });
    expect(JSON.stringify(listed)).not.toMatch(/delete_|secret_plan|private/);
    expect(textIn(await client.callTool({ name: 'old__search', arguments: { text: 'abc' } }))).toBe('search:3');
    expect(textIn(await client.callTool({ name: 'modern__search', arguments: { text: 'abcd' } }))).toBe('search:4');
    await expect(client.callTool({ name: 'old__delete_all', arguments: {} })).rejects.toThrow(
      /Unknown tool: old__delete_all/,
    );
    await expect(client.callTool({ name: 'silent__search', arguments: {} })).rejects.toThrow(/Unknown tool/);
    const seen: number[] = [];
    const onprogress = ({ progress }: { progress: number }): void => void seen.push(progress);
    await client.callTool({ name: 'asking__count', arguments: { to: 3 } }, undefined, { onprogress });
    expect(seen).toEqual([1, 2, 3]);
    expect(textIn(await client.callTool({ name: 'asking__ask', arguments: {} }))).toBe('accept me');
    const { prompts } = await client.listPrompts();
    expect(namesOf(prompts)).toEqual(['json__greet', 'modern__greet', 'modern__secret_plan', 'old__greet']);
    expect((await client.getPrompt({ name: 'old__greet' })).messages).toHaveLength(1);
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(['doc://public/a', expect.stringMatching(/^culvert:\/\/old\//)]);
    for (const { uri } of resources) {
      expect((await client.readResource({ uri })).contents).toMatchObject([{ text: 'doc://public/a' }]);
    }
  },
);

describe('clients of the era without handshakes', () => {
  for (const mode of ['auto', { pin: '2026-07-28' }] as const) {
    test(
      `${typeof mode === 'string' ? mode : 'pinned'}: lists, calls and questions`,
      { timeout: 150_000 },
      async () => {
        const client = new ModernClient(
          { name: 'culvert-test', version: '2' },
          { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
        );
        client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'you' } }));
        await client.connect(new ModernStdio(await world.command('serve')));
        expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
        expect(await whole(async () => (await client.listTools()).tools)).toEqual(expected);
        expect(textIn(await client.callTool({ name: 'old__search', arguments: { text: 'abc' } }))).toBe('search:3');
        expect(textIn(await client.callTool({ name: 'modern__search', arguments: { text: 'abcd' } }))).toBe('search:4');
        expect(textIn(await client.callTool({ name: 'asking__ask', arguments: {} }))).toBe('accept you');
        await client.close();
      },
    );
  }
});

test(
  'beyond a count tools are found by words, listed from then on, and the client is told',
  { timeout: 150_000 },
  async () => {
    const client = await world.client(['serve', '--max-tools', '4']);
    let changed = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (changed += 1));
    const first = namesOf((await client.listTools()).tools);
    expect(first).toHaveLength(5);
    expect(first).toContain('find_tools');
    const search = (): Promise<object> =>
      client.callTool({ name: 'find_tools', arguments: { query: 'say again what it is told: echo' } });
    await until(async () => textIn(await search()).includes('asking__echo'), 60_000);
    const found = await search();
    expect(textIn(found)).toContain('asking__echo');
    expect(textIn(found)).not.toContain('delete');
    await until(() => changed > 0, 60_000);
    expect(namesOf((await client.listTools()).tools)).toContain('asking__echo');
  },
);

test('on loopback it serves whoever connects, and no page of a browser', { timeout: 150_000 }, async () => {
  const served = await world.start(['mcp', 'serve', '--listen', '127.0.0.1:0', '--state', world.laptop]);
  const url = new URL(String(served.ready['url']));
  const client = new Client({ name: 'culvert-test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(url));
  expect(await whole(async () => (await client.listTools()).tools)).toEqual(expected);
  expect(textIn(await client.callTool({ name: 'asking__echo', arguments: { text: 'hello' } }))).toBe('hello');
  await client.close();
  const post = { method: 'POST', body: '{}', headers: { origin: 'http://evil.example' } };
  expect((await fetch(url, post)).status).toBe(403);
  const modern = new ModernClient({ name: 'culvert-test', version: '2' }, { versionNegotiation: { mode: 'auto' } });
  const { StreamableHTTPClientTransport: ModernHttp } = await import('@modelcontextprotocol/client');
  await modern.connect(new ModernHttp(url));
  expect(await whole(async () => (await modern.listTools()).tools)).toEqual(expected);
  await modern.close();
});

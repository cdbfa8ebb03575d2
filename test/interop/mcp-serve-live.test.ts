/** `culvert mcp serve` over a server that lives: pages, completion, subscriptions, lists that change; and what is hidden is in none of them. */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLiveServer, type LiveServer } from '../support/mcp-live-server.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { until } from '../support/until.ts';

let live: LiveServer;
let world: McpWorld;

beforeAll(async () => {
  live = await openLiveServer();
  const contract = { mcp: { deny: ['hidden_*', 'secret_plan', 'doc://private/*'] } };
  world = await McpWorld.open({ live: { target: live.port, contract } });
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await live?.[Symbol.asyncDispose]();
}, 30_000);

const toolsOf = async (client: Client): Promise<string[]> =>
  (await client.listTools()).tools.map(({ name }) => name).sort();

test(
  'a list of many pages is whole, and has nothing hidden on any of them; one that changes is told',
  { timeout: 120_000 },
  async () => {
    const client = await world.client(['serve']);
    let told = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (told += 1));
    await until(async () => (await toolsOf(client)).length > 0, 60_000);
    expect(await toolsOf(client)).toEqual(['live__grow', 'live__touch']);
    const before = told;
    await client.callTool({ name: 'live__grow', arguments: {} });
    await until(() => told > before, 30_000);
    await until(async () => (await toolsOf(client)).includes('live__grown_0'), 30_000);
    // The second is hidden: it came with the same change, and is told by nothing.
    expect(await toolsOf(client)).toEqual(['live__grow', 'live__grown_0', 'live__touch']);
    await expect(client.callTool({ name: 'live__hidden_0', arguments: {} })).rejects.toThrow(/Unknown tool/);
  },
);

test(
  'arguments are completed by the service whose prompt it is, and never for a hidden one',
  { timeout: 120_000 },
  async () => {
    const client = await world.client(['serve']);
    await until(async () => (await client.listPrompts()).prompts.length > 0, 60_000);
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['live__greet']);
    const argument = { name: 'who', value: 'Al' };
    const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'live__greet' }, argument });
    expect(completion.values).toEqual(['Alan']);
    const hidden = client.complete({ ref: { type: 'ref/prompt', name: 'live__secret_plan' }, argument });
    await expect(hidden).rejects.toThrow();
    expect(live.completed).toEqual(['greet']);
  },
);

test(
  'whoever subscribes to a resource is told of it until he ends that, and nobody of a hidden one',
  { timeout: 120_000 },
  async () => {
    const client = await world.client(['serve']);
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    await until(async () => (await client.listResources()).resources.length > 0, 60_000);
    const [{ uri } = { uri: '' }, ...others] = (await client.listResources()).resources;
    expect(others).toEqual([]);
    await client.subscribeResource({ uri });
    await until(() => live.subscribed().includes('doc://public/a'), 30_000);
    await client.callTool({ name: 'live__touch', arguments: {} });
    await until(() => updated.length === 1, 30_000);
    expect(updated).toEqual([uri]);
    await client.unsubscribeResource({ uri });
    await until(() => live.subscribed().length === 0, 30_000);
    await client.callTool({ name: 'live__touch', arguments: {} });
    await expect(client.subscribeResource({ uri: uri.replace('public/a', 'private/b') })).rejects.toThrow();
    expect(live.subscribed()).toEqual([]);
    expect(updated).toEqual([uri]);
  },
);

test('without a handshake, changes are told to who listens for them', { timeout: 120_000 }, async () => {
  const client = new ModernClient(
    { name: 'culvert-test', version: '2' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  const told: string[] = [];
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void told.push(params.uri));
  client.setNotificationHandler('notifications/tools/list_changed', () => void told.push('tools'));
  await client.connect(new ModernStdio(await world.command('serve')));
  await until(async () => (await client.listResources()).resources.length > 0, 60_000);
  const [{ uri } = { uri: '' }] = (await client.listResources()).resources;
  const ended = new AbortController();
  const listening = client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] }, { signal: ended.signal });
  await until(() => live.subscribed().includes('doc://public/a'), 30_000);
  await client.callTool({ name: 'live__touch', arguments: {} });
  await client.callTool({ name: 'live__grow', arguments: {} });
  await until(() => told.includes(uri) && told.includes('tools'), 30_000);
  ended.abort();
  await Promise.allSettled([listening]);
  await client.close();
});

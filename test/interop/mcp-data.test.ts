/** Data in calls, and calls in their context, as programs and services meet them: real servers, both ends guarded, the record read back. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openHandshakeServer, openStatelessServer, type McpTestServer } from '../support/mcp-servers.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { madeUp } from '../support/data-set/made-up.ts';
import { until } from '../support/until.ts';

let world: McpWorld;
const servers: McpTestServer[] = [];
const [records, mail] = ['records', 'mail'];
const rule = `@id("no-mail-after-classified") @reason("what was read as classified does not leave by mail")
forbid(principal, action == Action::"callTool", resource == Tool::"list_users")
when { context.classesRead.contains("classified") };`;

beforeAll(async () => {
  servers.push(await openHandshakeServer(), await openStatelessServer());
  const [events, stateless] = servers.map(({ port }) => port) as [number, number];
  const data = {
    secrets: 'refuse',
    personal: 'redact',
    classes: { classified: { action: 'record', tools: ['delete_all'] } },
  };
  world = await McpWorld.open({
    [records]: { target: events, contract: { mcp: {}, data } },
    [mail]: { target: stateless, contract: { mcp: {} } },
  });
  await mkdir(join(world.laptop, 'policy.d'), { recursive: true });
  await writeFile(join(world.laptop, 'policy.d', 'calls.cedar'), rule);
  expect(await world.json(['policy', 'reload'])).toMatchObject({ ok: true, rules: 1 });
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
}, 30_000);

interface CallRecord {
  readonly service: string;
  readonly target: string;
  readonly decision: string;
  readonly end: string;
  readonly rule: string | null;
  readonly reason?: string;
  readonly data?: readonly unknown[];
}
const calls = async (state: string, target: string): Promise<readonly CallRecord[]> =>
  (await world.json<CallRecord[]>(['audit', 'search', '--kind', 'call'], state)).filter((one) => one.target === target);
const textIn = (result: object): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

test('personal data is replaced before the service sees it, a secret is refused with its reason, both ends record it', async () => {
  const client = await world.client(['connect', records]);
  // The tool says how long a text it was given.
  const marker = '[redacted:email]';
  const told = await client.callTool({ name: 'search', arguments: { text: 'ada@example.org' } });
  expect(textIn(told)).toBe(`search:${marker.length}`);
  await expect(client.callTool({ name: 'delete_user', arguments: { text: madeUp.githubToken } })).rejects.toThrow(
    /lets no access-token pass, and there is one in the arguments \(\$\.arguments\.text\)/,
  );
  expect(servers[0]?.ran).toEqual(['search']);
  await until(async () => (await calls(world.laptop, 'search')).length > 0);
  const [searched] = await calls(world.laptop, 'search');
  const found = { class: 'email', in: 'arguments', action: 'redact', count: 1, places: ['$.arguments.text'] };
  expect(searched).toMatchObject({ decision: 'allow', end: 'dial', data: [found] });
  expect((await calls(world.laptop, 'delete_user'))[0]).toMatchObject({
    decision: 'deny',
    rule: 'contract:data.secrets access-token',
    data: [{ class: 'access-token', action: 'refuse' }],
  });
  // The host reads what was sent to it: there is nothing left to find.
  await until(async () => (await calls(world.box, 'search')).length > 0);
  expect((await calls(world.box, 'search'))[0]).not.toHaveProperty('data');
  const all = JSON.stringify([await world.json(['audit', 'search']), await world.json(['audit', 'search'], world.box)]);
  expect(all).not.toMatch(/ada@example|ghp_/);
}, 120_000);

test('a rule sees what the program was given before, by another service and in another session', async () => {
  const mailer = await world.client(['connect', mail], new Client({ name: 'culvert-test', version: '1' }));
  expect(textIn(await mailer.callTool({ name: 'list_users', arguments: {} }))).toBe('list_users:0');
  const reader = await world.client(['connect', records]);
  await reader.callTool({ name: 'delete_all', arguments: {} });
  await expect(mailer.callTool({ name: 'list_users', arguments: {} })).rejects.toThrow(/Unknown tool: list_users/);
  await until(async () => (await calls(world.laptop, 'list_users')).some(({ decision }) => decision === 'deny'));
  const denied = (await calls(world.laptop, 'list_users')).find(({ decision }) => decision === 'deny');
  expect(denied).toMatchObject({
    service: mail,
    rule: 'local:no-mail-after-classified',
    reason: expect.stringContaining('what was read as classified does not leave by mail') as string,
  });
  expect(servers[1]?.ran).toEqual(['list_users']);
}, 120_000);

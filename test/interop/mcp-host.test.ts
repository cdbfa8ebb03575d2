/** `culvert mcp host`: a stdio MCP server as a dark service, a process a session, nothing listening. */
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceView } from '../../main/api/views.ts';
import { culvert } from '../support/culvert.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/stdio-mcp-server.mjs', import.meta.url));
let world: McpWorld;

beforeAll(async () => {
  world = await McpWorld.open({ tools: { contract: { mcp: { deny: ['hidden'] } } }, elsewhere: { bound: false } });
  await world.start(['mcp', 'host', 'tools', '--state', world.box, '--', process.execPath, program]);
  await world.hosted('tools');
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 30_000);

const textOf = async (client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> => {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text: string }[])[0]?.text ?? '';
};

test('each session has a process of its own, which ends with it', { timeout: 150_000 }, async () => {
  const [one, other] = await Promise.all([world.client(['connect', 'tools']), world.client(['connect', 'tools'])]);
  const [pid, otherPid] = await Promise.all([textOf(one, 'pid'), textOf(other, 'pid')]);
  expect(Number(pid)).toBeGreaterThan(0);
  expect(pid).not.toBe(otherPid);
  expect(await textOf(one, 'echo', { text: 'näh' })).toBe('näh');
  await one.close();
  await until(() => !lives(Number(pid)), 60_000);
  expect(lives(Number(otherPid))).toBe(true);
  await other.close();
});

test('progress and questions of the program come to the caller whose they are', { timeout: 150_000 }, async () => {
  const asked = new Client({ name: 'culvert-test', version: '1' }, { capabilities: { elicitation: {} } });
  asked.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'me' } }));
  const client = await world.client(['connect', 'tools'], asked);
  const seen: number[] = [];
  const onprogress = ({ progress }: { progress: number }): void => void seen.push(progress);
  await client.callTool({ name: 'count', arguments: { to: 3 } }, undefined, { onprogress });
  expect(seen).toEqual([1, 2, 3]);
  expect(await textOf(client, 'ask')).toBe('accept me');
});

test(
  'a program that ends answers what it was asked, and the next session has another',
  { timeout: 150_000 },
  async () => {
    const client = await world.client(['connect', 'tools']);
    await expect(textOf(client, 'exit')).rejects.toThrow(/has ended \(exit 3\)/);
    const next = await world.client(['connect', 'tools']);
    expect(await textOf(next, 'echo', { text: 'again' })).toBe('again');
  },
);

test('the service says who answers it, and what may not be hosted is refused', { timeout: 150_000 }, async () => {
  const rows = await world.json<ServiceView[]>(['services'], world.box);
  expect(rows.find(({ name }) => name === 'tools')?.hosted).toMatchObject({ target: 'culvert mcp host' });
  const host = (name: string): string[] => [
    'mcp',
    'host',
    name,
    '--state',
    world.box,
    '--json',
    '--',
    process.execPath,
    program,
  ];
  const refused = await culvert(host('elsewhere'));
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.err)).toMatchObject({ error: { code: 'hosting.not_bindable' } });
  expect(JSON.parse((await culvert(host('tools'))).err)).toMatchObject({ error: { code: 'hosting.answered' } });
});

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH is what the test waits for.
    return false;
  }
}

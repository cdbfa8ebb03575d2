/** `culvert mcp host`: a stdio MCP server as a dark service, a process a session, nothing listening. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceView } from '../../main/api/views.ts';
import { culvert } from '../support/culvert.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/stdio-mcp-server.mjs', import.meta.url));
const namespaces = ['--unshare-user', '--unshare-pid', '--bind', '/', '/', '--proc', '/proc', 'true'];
const missing = spawnSync('bwrap', namespaces).status === 0 ? undefined : 'no namespaces can be made here (bubblewrap)';
let world: McpWorld;
let ready: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  world = await McpWorld.open({
    tools: { contract: { mcp: { deny: ['hidden'] } } },
    apart: {},
    unruled: { contract: null },
    elsewhere: { bound: false },
  });
  const host = ['mcp', 'host', 'tools', '--state', world.box, '--'];
  ready = (await world.start([...host, process.execPath, program, marker()])).ready;
  await world.hosted('tools');
}, 300_000);

/** Tells its processes from all others, wherever their ids are counted; what it names says what a tool is for. */
const marker = (): string => join(world.home, 'seed.json');
const running = (): number => {
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  const own = `${process.execPath} ${program} ${marker()}`;
  return stdout.split('\n').filter((line) => line.trim() === own).length;
};

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 30_000);

const textOf = async (client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> => {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text: string }[])[0]?.text ?? '';
};

test('each session has a process of its own, which ends with it', { timeout: 150_000 }, async () => {
  const before = running();
  const [one, other] = await Promise.all([world.client(['connect', 'tools']), world.client(['connect', 'tools'])]);
  const [pid, otherPid] = await Promise.all([textOf(one, 'pid'), textOf(other, 'pid')]);
  expect([Number(pid) > 0, Number(otherPid) > 0]).toEqual([true, true]);
  expect(running()).toBe(before + 2);
  expect(await textOf(one, 'echo', { text: 'näh' })).toBe('näh');
  await one.close();
  await until(() => running() === before + 1, 60_000);
  expect(await textOf(other, 'echo', { text: 'still' })).toBe('still');
  await other.close();
  await until(() => running() === before, 60_000);
});

test('it says whether its processes are kept apart, and why where they are not', () => {
  expect(ready['sandbox']).toBe(missing === undefined ? 'namespaces' : 'none');
  if (missing !== undefined) expect(ready['why']).toEqual(expect.stringContaining('apart'));
});

test('it says whether a contract holds what is called', { timeout: 60_000 }, async () => {
  const bare = ['mcp', 'host', 'unruled', '--sandbox', 'none', '--state', world.box, '--'];
  const { ready: told } = await world.start([...bare, process.execPath, program]);
  expect([ready['ruled'], told['ruled']]).toEqual([true, false]);
});

describe.skipIf(mustSkip(missing))('apart from this machine', () => {
  const look = [
    `ls -A ${'$1'} | wc -l`,
    'ls -d /proc/[0-9]* | wc -l',
    'echo $(env | cut -d= -f1)',
    'cat /proc/net/tcp /proc/net/route | wc -l',
  ].join('; ');

  test(
    'a program sees no state, no other process, no variable but the usual and those it is given',
    { timeout: 150_000 },
    async () => {
      const seen = join(world.home, 'seen.txt');
      const script = `{ ${look}; } > ${seen}; exec ${process.execPath} ${program}`;
      const limited = ['--env', 'GREETING=hello', '--net', 'none'];
      await world.start([
        'mcp',
        'host',
        'apart',
        '--state',
        world.box,
        ...limited,
        '--',
        'sh',
        '-c',
        script,
        'sh',
        world.box,
      ]);
      await world.hosted('apart');
      const client = await world.client(['connect', 'apart']);
      expect(await textOf(client, 'echo', { text: 'apart' })).toBe('apart');
      const [state, processes, variables = '', network] = (await readFile(seen, 'utf8')).trim().split('\n');
      expect(Number(state)).toBe(0);
      expect(Number(processes)).toBeLessThan(10);
      expect(variables.split(' ')).toContain('GREETING');
      expect(variables).not.toMatch(/CREDENTIALS_DIRECTORY|VITEST|NODE_OPTIONS/);
      // Two head lines: no route, nobody's socket.
      expect(Number(network)).toBe(2);
    },
  );

  test('what a run without a sandbox cannot hold to is no way to ask for it', async () => {
    const asked = ['mcp', 'host', 'apart', '--sandbox', 'none', '--memory', '1G', '--state', world.box, '--', 'true'];
    expect(await culvert(asked)).toMatchObject({ code: 2, err: expect.stringContaining('need a sandbox') as string });
  });
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

/** The official SDK's stdio client speaks to a dark MCP server through `culvert mcp connect`. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMcpService } from '../../main/cli/demo/mcp-service.ts';
import type { ServiceView, SessionView } from '../../main/api/views.ts';
import { culvert, culvertJson, culvertProgram, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { until } from '../support/until.ts';

let home: string;
const running: AsyncDisposable[] = [];
const at = (...names: string[]): string => join(home, ...names);
const env = (): Record<string, string> => ({ CREDENTIALS_DIRECTORY: at('credentials') });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-mcp-'));
  await mkdir(at('credentials'));
  await writeFile(at('credentials/culvert-passphrase'), 'pass');
  const service = await openMcpService();
  running.push(service);
  const seed = {
    identities: ['laptop', 'box'],
    services: [
      {
        name: 'notes',
        configs: {
          'intercept.v1': { protocols: ['tcp'], addresses: ['notes.dark'], portRanges: [{ low: 80, high: 80 }] },
          'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: service.port },
          'culvert.contract.v1': { mcp: { allow: ['search', 'count'] } },
        },
        dial: ['laptop'],
        bind: ['box'],
      },
      {
        name: 'deserted',
        configs: {
          'intercept.v1': {
            protocols: ['tcp'],
            addresses: ['deserted.dark'],
            portRanges: [{ low: 80, high: 80 }],
          },
          'culvert.contract.v1': { mcp: {} },
        },
        dial: ['laptop'],
      },
    ],
  };
  await writeFile(at('seed.json'), JSON.stringify(seed));
  const start = async (args: string[]): Promise<RunningCulvert> => {
    const started = await startCulvert(args, { env: env() });
    running.push(started);
    return started;
  };
  await start(['overlay', '--dir', at('overlay'), '--seed', at('seed.json')]);
  for (const [name, mode] of [
    ['box', 'host'],
    ['laptop', 'proxy'],
  ] as const) {
    await culvertJson(['enroll', at('overlay', `${name}.jwt`), '--keystore', 'file', '--state', at(name)], {
      env: env(),
    });
    await start(['run', '--mode', mode, '--state', at(name)]);
  }
  await until(async () => {
    const [row] = await culvertJson<ServiceView[]>(['services', '--state', at('box')]);
    return (row?.hosted?.terminators ?? 0) > 0;
  }, 20_000);
}, 300_000);

afterAll(async () => {
  for (const one of running.reverse()) await one[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
}, 30_000);

test('tools are listed, filtered and called, and the session counts the calls', async () => {
  const client = new Client({ name: 'culvert-test', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [await culvertProgram(), 'mcp', 'connect', 'notes', '--state', at('laptop')],
    }),
  );
  const { tools } = await client.listTools();
  expect(tools.map((tool) => tool.name)).toEqual(['search', 'count']);
  const found = await client.callTool({ name: 'search', arguments: { query: 'stream' } });
  expect(found.content).toEqual([{ type: 'text', text: expect.stringContaining('stream') as string }]);
  await expect(client.callTool({ name: 'delete_notes', arguments: {} })).rejects.toThrow(/delete_notes/);
  await client.close();
  const sessions = await culvertJson<SessionView[]>(['sessions', '--state', at('laptop')]);
  expect(sessions.every((session) => session.guard === 'mcp')).toBe(true);
  // The client speaks, not the bridge it started: this very process.
  for (const { app } of sessions) expect(app).toMatchObject({ pid: process.pid, attribution: 'exact' });
  expect(sessions.reduce((sum, session) => sum + (session.mcp?.denied ?? 0), 0)).toBe(1);
  expect(sessions.reduce((sum, session) => sum + (session.mcp?.calls ?? 0), 0)).toBeGreaterThanOrEqual(1);
  const calls = await culvertJson<Record<string, unknown>[]>([
    'audit',
    'search',
    '--kind',
    'call',
    '--state',
    at('laptop'),
  ]);
  expect(calls.find((call) => call['tool'] === 'search')).toMatchObject({ decision: 'allow', service: 'notes' });
  expect(calls.find((call) => call['tool'] === 'delete_notes')).toMatchObject({ decision: 'deny' });
});

test('a client is told why the way to its service is refused, in JSON-RPC and on standard error', async () => {
  const hello = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":{}}\n`;
  const connect = ['mcp', 'connect', 'deserted', '--state', at('laptop')];
  const ran = await culvert(connect, { input: hello(1) + hello(2) });
  expect(ran.code).toBe(1);
  const answers = ran.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(answers.map(({ id }) => id)).toEqual([1, 2]);
  expect(answers[0]).toMatchObject({
    error: { code: -32000, data: { code: 'ziti.dial.no_terminator', sentence: 'nobody hosts deserted now' } },
  });
  expect(ran.err).toMatch(/^culvert: ziti\.dial\.no_terminator: nobody hosts deserted now\n {2}\S.*\n$/);
  expect(JSON.parse((await culvert([...connect, '--json'], { input: hello(1) })).err)).toMatchObject({
    error: { code: 'ziti.dial.no_terminator' },
  });
});

test('an unknown service is said as such', async () => {
  const ran = await culvert(['mcp', 'connect', 'nothing', '--state', at('laptop'), '--json']);
  expect(ran.code).toBe(1);
  expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'ziti.dial.service_unknown' } });
});

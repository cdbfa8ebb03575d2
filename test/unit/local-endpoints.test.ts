/** The engine's endpoints on loopback: which services they ask, and what is left of a call that is refused. */
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { afterEach, expect, test } from 'vitest';
import { unknownApp } from '../../main/apps/app.ts';
import { systemClock } from '../../main/base/clock.ts';
import { parseEngagement } from '../../main/base/engagement.ts';
import type { Admit } from '../../main/base/flow.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { openLocalEndpoints, type LocalEndpoints } from '../../main/engine/entries/local-endpoints.ts';
import type { ToolPins } from '../../main/guard/mcp/pins.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { MemoryAudit, someFacts } from '../support/session-world.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUps.splice(0).reverse()) await one();
});

const noPins: ToolPins = { listed: () => new Map(), holds: () => undefined };

async function endpoints(
  terms: Readonly<Record<string, unknown>>,
  admit: Admit,
): Promise<{ readonly opened: LocalEndpoints; readonly audit: MemoryAudit }> {
  const stack = new DisposalStack();
  cleanUps.push(() => stack[Symbol.asyncDispose]());
  const audit = new MemoryAudit();
  const services = Object.entries(terms).map(([service, own]) => ({ service, contract: parseEngagement(own, 'test') }));
  const opened = await openLocalEndpoints(
    {
      version: '1',
      log: silentLog,
      clock: systemClock,
      audit,
      config: {},
      apps: { find: () => Promise.resolve({ ...unknownApp, agent: 'writer' }) },
      checkModelKey: () => ({ kind: 'refused', why: 'none was made' }),
      admit,
      admitAs: () => admit,
      visible: () => Promise.resolve(services),
      isKnown: () => true,
      onServices: () => ({ [Symbol.dispose]: () => undefined }),
      onTools: () => ({ [Symbol.dispose]: () => undefined }),
      pinsOf: () => noPins,
    },
    stack,
  );
  return { opened, audit };
}

test('a prompt, and a question for models, go to model services alone', async () => {
  const dialled: string[] = [];
  const admit: Admit = ({ service = '' }) => {
    dialled.push(service);
    return Promise.resolve({
      kind: 'refused',
      answer: 'reset',
      reason: { code: 'ziti.dial.failed', sentence: 'it is not there' },
    });
  };
  const ask = async (
    terms: Readonly<Record<string, unknown>>,
  ): Promise<readonly { status: number; text: string }[]> => {
    const stop = new AbortController();
    cleanUps.push(() => stop.abort());
    const { opened } = await endpoints(terms, admit);
    for await (const { url } of opened.modelDoor.listen({ host: '127.0.0.1', port: 0 }, stop.signal)) {
      const prompt = { method: 'POST', body: JSON.stringify({ model: 'small-1', messages: [] }) };
      const answers = [
        await fetch(`${url}/v1/chat/completions`, prompt),
        await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: '{}' }),
        await fetch(`${url}/v1/models`),
      ];
      return Promise.all(answers.map(async (one) => ({ status: one.status, text: await one.text() })));
    }
    return [];
  };
  const [prompt, nameless, models] = await ask({ web: { http: {} }, pages: { http: { paths: ['/**'] } } });
  expect(prompt?.status).toBe(404);
  expect(JSON.parse(prompt?.text ?? '')).toMatchObject({ error: { message: expect.stringContaining('small-1') } });
  expect(nameless?.status).toBe(400);
  expect(JSON.parse(models?.text ?? '')).toMatchObject({ object: 'list', data: [] });
  expect(dialled).toEqual([]);
  await ask({ web: { http: {} }, model: { http: { tokenBudget: { tokens: 10, perSeconds: 60 } } } });
  expect(new Set(dialled)).toEqual(new Set(['model']));
});

/** An MCP server with `search` and `delete_all`; keeps what was called. */
async function openTools(): Promise<{ readonly port: number; readonly called: readonly string[] }> {
  const called: string[] = [];
  const server = createServer((request, response) => {
    const mcp = new McpServer({ name: 'docs', version: '1' });
    for (const name of ['search', 'delete_all']) {
      mcp.registerTool(name, {}, () => {
        called.push(name);
        return { content: [] };
      });
    }
    const transport = new StreamableHTTPServerTransport({});
    void mcp.connect(transport).then(() => transport.handleRequest(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, called };
}

test('a call of a tool that is hidden or not offered leaves one record, and no word of which it was', async () => {
  const tools = await openTools();
  const terms = { mcp: { deny: ['delete_*'] } };
  const guarded = await openGuardedPort(tools.port, terms);
  cleanUps.push(() => guarded[Symbol.asyncDispose]());
  const app = { ...unknownApp, agent: 'writer' };
  const contract = parseEngagement(terms, 'test');
  const admit: Admit = async ({ service = '' }) => {
    const remote = tcpStream(
      await connectTcp({ host: '127.0.0.1', port: tools.port, timeoutMs: 2_000, clock: systemClock }),
    );
    const join = (local: ByteStream): void =>
      void guarded.sessions.open({ ...someFacts, app, service, contract }, local, remote);
    return { kind: 'dialled', join, abandon: () => remote.reset() };
  };
  const { opened, audit } = await endpoints({ docs: terms }, admit);
  const { port } = new URL((await opened.frontDoor.lines(200)).url);
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  cleanUps.push(() => socket.destroy());
  let said = '';
  socket.on('data', (text: string) => (said += text));
  let id = 0;
  const ask = async (method: string, params: unknown): Promise<unknown> => {
    const own = (id += 1);
    socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: own, method, params })}\n`);
    const answer = (): { error?: unknown } | undefined =>
      said
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { id?: number; error?: unknown })
        .find((one) => one.id === own);
    await until(() => answer() !== undefined);
    return answer()?.error;
  };
  const clientInfo = { name: 'test', version: '1' };
  await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  expect(await ask('tools/call', { name: 'docs__search', arguments: {} })).toBeUndefined();
  for (const name of ['docs__delete_all', 'docs__nosuch', 'nowhere__search']) {
    const error = { code: -32_602, message: `Unknown tool: ${name}` };
    expect(await ask('tools/call', { name, arguments: {} })).toEqual(error);
  }
  expect(tools.called).toEqual(['search']);
  const refused = {
    kind: 'call',
    decision: 'deny',
    service: 'docs',
    agent: 'writer',
    method: 'tools/call',
    end: 'dial',
  };
  const denied = [...guarded.audit.records, ...audit.records].filter(({ decision }) => decision === 'deny');
  expect(denied).toEqual([
    expect.objectContaining({ ...refused, target: 'delete_all', rule: 'contract:mcp.deny delete_*' }),
    expect.objectContaining({ ...refused, target: 'nosuch', rule: 'mcp:not_offered' }),
  ]);
});

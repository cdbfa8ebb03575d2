/** `culvert llm serve`: one local endpoint, each request to the dark service that has its model, as whoever asked. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { McpWorld } from '../support/mcp-world.ts';

let world: McpWorld;
let url = '';
const providers: Server[] = [];
const asked: string[] = [];

beforeAll(async () => {
  const [east, west, sick] = [
    await provider('east', ['small-1', 'hidden-1']),
    await provider('west', ['large-1', 'small-1']),
    await failing(),
  ];
  world = await McpWorld.open({
    east: { target: east, contract: { http: { models: ['small-*'], tokenBudget: { tokens: 60, perSeconds: 600 } } } },
    west: { target: west, contract: { http: { models: ['large-*', 'twin'] } } },
    // Asked before the other by its name, and not there.
    ailing: { target: sick, contract: { http: { models: ['twin'] } } },
    files: { target: west, contract: null },
  });
  const serving = await world.start(['llm', 'serve', '--state', world.laptop]);
  url = String(serving.ready['url']);
}, 120_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const server of providers) {
    server.closeAllConnections();
    server.close();
  }
}, 30_000);

const ask = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

test('listens on loopback', () => {
  expect(new URL(url).hostname).toBe('127.0.0.1');
});

test('each model is asked of the service that has it, and lists are one', async () => {
  const small = await ask('/v1/chat/completions', { model: 'small-1', messages: [] });
  expect([small.status, await small.json()]).toMatchObject([200, { by: 'east', model: 'small-1' }]);
  const large = await ask('/v1/messages', { model: 'large-1', messages: [] });
  expect([large.status, await large.json()]).toMatchObject([200, { by: 'west', model: 'large-1' }]);
  const list = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  // The hidden one is behind no contract that lets it through.
  expect(list.data.map(({ id }) => id).sort()).toEqual(['large-1', 'small-1']);
});

test('streams pass as they come', async () => {
  const streamed = await ask('/v1/chat/completions', { model: 'large-1', stream: true, messages: [] });
  expect(streamed.headers.get('content-type')).toBe('text/event-stream');
  expect(await streamed.text()).toContain('data: [DONE]');
});

test('a model that nobody here may ask is refused in the words of its dialect', async () => {
  const before = asked.length;
  const openai = await ask('/v1/chat/completions', { model: 'hidden-1', messages: [] });
  expect([openai.status, await openai.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
  const anthropic = await ask('/v1/messages', { model: 'hidden-1', messages: [] });
  expect([anthropic.status, await anthropic.json()]).toMatchObject([
    404,
    { type: 'error', error: { type: 'not_found_error' } },
  ]);
  expect(asked).toHaveLength(before);
});

test('a service that is not there is followed by the next', async () => {
  const twin = await ask('/v1/chat/completions', { model: 'twin', messages: [] });
  expect([twin.status, await twin.json()]).toMatchObject([200, { by: 'west' }]);
});

test('a used budget says so, and that asking again is no use; the record has model and tokens', async () => {
  await ask('/v1/chat/completions', { model: 'small-1', messages: [] });
  const used = await ask('/v1/chat/completions', { model: 'small-1', messages: [] });
  expect(used.status).toBe(429);
  expect(used.headers.get('x-should-retry')).toBe('false');
  expect(Number(used.headers.get('retry-after'))).toBeGreaterThan(0);
  const [call] = await world.json<AuditRecordView[]>([
    'audit',
    'search',
    '--kind',
    'call',
    '--service',
    'east',
    '--decision',
    'allow',
  ]);
  expect(call).toMatchObject({ model: 'small-1', tokensIn: 30, tokensOut: 20 });
});

test('a page of the web and a websocket get nowhere', async () => {
  const before = asked.length;
  expect((await ask('/v1/chat/completions', { model: 'large-1' }, { origin: 'https://page.example' })).status).toBe(
    403,
  );
  expect(asked).toHaveLength(before);
});

async function provider(name: string, models: readonly string[]): Promise<number> {
  return listening((text, path) => {
    if (path === '/v1/models')
      return { type: 'application/json', body: JSON.stringify({ data: models.map((id) => ({ id })) }) };
    const { model, stream } = JSON.parse(text) as { model: string; stream?: boolean };
    asked.push(`${name} ${model}`);
    if (stream === true)
      return { type: 'text/event-stream', body: 'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n' };
    const usage = { prompt_tokens: 30, completion_tokens: 20, total_tokens: 50 };
    return { type: 'application/json', body: JSON.stringify({ by: name, model, usage }) };
  });
}

function failing(): Promise<number> {
  return listening(() => undefined);
}

async function listening(
  answer: (text: string, path: string) => { type: string; body: string } | undefined,
): Promise<number> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const told = answer(text, request.url ?? '');
      if (told === undefined) response.writeHead(503).end();
      else response.writeHead(200, { 'content-type': told.type }).end(told.body);
    });
  });
  providers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

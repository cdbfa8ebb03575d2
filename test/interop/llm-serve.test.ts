/** `culvert llm serve`: one local endpoint, each request to the dark service that has its model, as whoever asked. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ModelKeyView, ShownModelKeyView } from '../../main/api/agent-views.ts';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { until } from '../support/until.ts';
import { McpWorld } from '../support/mcp-world.ts';

let world: McpWorld;
let url = '';
const providers: Server[] = [];
const asked: string[] = [];
/** Keys that came with them. */
const carried: (string | undefined)[] = [];
/** The first is not there. */
const aliases = {
  fast: [
    { model: 'twin', service: 'ailing' },
    { model: 'large-1', weight: 0 },
  ],
  gone: 'hidden-1',
};
/** Rules, an embedding model, and what is asked otherwise. */
const auto = {
  otherwise: 'large-1',
  routes: [
    { model: 'fast', when: { words: ['prove'] } },
    { model: 'twin', examples: ['a poem about water'] },
  ],
  embeddings: { model: 'embed-1', atLeast: 0.7 },
};
const budgeted = { tokenBudget: { tokens: 10_000, perSeconds: 600 } };

beforeAll(async () => {
  const [east, west, sick] = [
    await provider('east', ['small-1', 'hidden-1']),
    await provider('west', ['large-1', 'small-1']),
    await answering(503),
  ];
  world = await McpWorld.open(
    {
      east: { target: east, contract: { http: { models: ['small-*'], tokenBudget: { tokens: 60, perSeconds: 600 } } } },
      west: { target: west, contract: { http: { models: ['large-*', 'twin'] } } },
      // Asked before the other by its name, and not there.
      ailing: { target: sick, contract: { http: { models: ['twin'] } } },
      spoken: { target: await speaking(), contract: { http: { models: ['spoken-*'], websocket: true } } },
      vectors: { target: await embedding(), contract: { http: { models: ['embed-1'] } } },
      files: { target: west, contract: null },
      money: {
        target: west,
        contract: {
          http: { models: ['gpt-4o', 'unheard'], costBudget: { amount: 0.0003, currency: 'USD', perSeconds: 600 } },
        },
      },
      // Of each pair the first is asked first.
      'a-busy': { target: await answering(529), contract: { http: { ...budgeted, models: ['busy'] } } },
      'b-busy': { target: west, contract: { http: { ...budgeted, models: ['busy'] } } },
      'a-cut': { target: await answering('cut'), contract: { http: { ...budgeted, models: ['cut'] } } },
      'b-cut': { target: west, contract: { http: { ...budgeted, models: ['cut'] } } },
      'a-error': { target: await answering(500), contract: { http: { models: ['error'] } } },
      'b-error': { target: west, contract: { http: { models: ['error'] } } },
      'a-limit': { target: await answering(429), contract: { http: { models: ['limit'] } } },
      'b-limit': { target: west, contract: { http: { models: ['limit'] } } },
    },
    { laptopConfig: JSON.stringify({ llm: { aliases, auto, failover: { failures: 1, restSeconds: 600 } } }) },
  );
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

test("a program that has what culvert env says finds the engine's own endpoint, the same each time", async () => {
  const first = await world.json<Record<string, string>>(['env']);
  const base = new URL(String(first['ANTHROPIC_BASE_URL']));
  expect([base.hostname, base.href.startsWith(url)]).toEqual(['127.0.0.1', false]);
  expect(first).toMatchObject({
    OPENAI_BASE_URL: `${base.origin}/v1`,
    GOOGLE_GEMINI_BASE_URL: base.origin,
    OLLAMA_HOST: base.origin,
  });
  const answer = await fetch(`${first['OPENAI_BASE_URL']}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'large-1', messages: [] }),
  });
  expect(await answer.json()).toMatchObject({ by: 'west', model: 'large-1' });
  expect(await world.json(['env'])).toEqual(first);
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
  expect(list.data.map(({ id }) => id).sort()).toEqual(['auto', 'fast', 'large-1', 'small-1']);
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

test('an alias is answered by the first of its models that is there, and says which', async () => {
  const aliased = await ask('/v1/chat/completions', { model: 'fast', messages: [] });
  expect([aliased.status, await aliased.json()]).toMatchObject([200, { by: 'west', model: 'large-1' }]);
  expect([aliased.headers.get('x-culvert-service'), aliased.headers.get('x-culvert-model')]).toEqual([
    'west',
    'large-1',
  ]);
  const gone = await ask('/v1/messages', { model: 'gone', messages: [] });
  expect(gone.status).toBe(404);
});

test('auto is chosen anew for each question, and the record says which layer chose and why', async () => {
  const chosen: (string | null)[] = [];
  for (const content of ['prove that water runs down', 'write a poem about dark water', 'hello']) {
    const answer = await ask('/v1/chat/completions', { model: 'auto', messages: [{ role: 'user', content }] });
    expect(answer.status).toBe(200);
    chosen.push(answer.headers.get('x-culvert-model'));
  }
  expect(chosen).toEqual(['large-1', 'twin', 'large-1']);
  const records = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'model.chosen']);
  expect(records.map(({ model, layer, reason }) => [model, layer, reason])).toEqual([
    ['large-1', 'otherwise', 'nothing chose another'],
    ['twin', 'embeddings', expect.stringMatching(/^0\.\d\d like "a poem about water"$/)],
    ['fast', 'rules', 'it has "prove"'],
  ]);
  // The vectors were asked for as whoever asked, and stand in the record like any question.
  const asking = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'call', '--service', 'vectors']);
  expect(asking.flatMap(({ model }) => model ?? [])).toEqual(['embed-1', 'embed-1', 'embed-1']);
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

test('money is counted by the price that ships, told of, and refused when it is used', async () => {
  const spend = (model = 'gpt-4o'): Promise<Response> =>
    ask('/v1/chat/completions', { model, max_tokens: 5, messages: [] });
  // 30 at 2.50 and 20 at 10 a million.
  expect((await spend()).status).toBe(200);
  expect((await spend()).status).toBe(200);
  const used = await spend();
  expect([used.status, used.headers.get('x-should-retry')]).toEqual([429, 'false']);
  expect(await used.text()).toContain('0.0003 USD');
  const unheard = await spend('unheard');
  expect([unheard.status, await unheard.text()]).toEqual([404, expect.stringContaining('llm.prices')]);
  const calls = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'call', '--service', 'money']);
  const spent = calls.find(({ tokensIn }) => tokensIn !== undefined);
  expect(spent).toMatchObject({ model: 'gpt-4o', cost: 0.000275, currency: 'USD', tokensIn: 30, tokensOut: 20 });
  const alerts = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'alert']);
  expect(alerts.filter(({ what }) => what === 'budget').map(({ text }) => text)).toContain(
    'money: four fifths of the budget of 0.0003 USD in 600 s are used',
  );
});

test.each(['busy', 'cut'])(
  'a provider that is %s before its answer begins is followed by the next, and nothing is charged twice',
  async (model) => {
    const before = await tokensUsed();
    const answer = await ask('/v1/chat/completions', { model, messages: [] });
    expect([answer.status, await answer.json()]).toMatchObject([200, { by: 'west' }]);
    await until(async () => (await tokensUsed()) === before + 50);
  },
);

test.each([
  ['error', 500],
  ['limit', 429],
])('what a provider answers itself is passed and asked of nobody else: %s, %i', async (model, status) => {
  const before = asked.length;
  const answer = await ask('/v1/chat/completions', { model, messages: [] });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, '7']);
  expect(asked).toHaveLength(before);
});

test('a key for programs that insist on one ends here; taken back it is refused in the dialect, and recorded by its id', async () => {
  const { id, value } = await world.json<ShownModelKeyView>(['llm', 'keys', 'create']);
  const variables = await world.json<Record<string, string>>(['env']);
  expect([variables['OPENAI_API_KEY'], variables['ANTHROPIC_API_KEY']]).toEqual([value, value]);
  const good = await ask('/v1/messages', { model: 'large-1', messages: [] }, { 'x-api-key': value });
  expect([good.status, carried.at(-1)]).toEqual([200, undefined]);
  await world.json(['llm', 'keys', 'revoke', id]);
  const before = asked.length;
  const back = await ask('/v1/messages', { model: 'large-1', messages: [] }, { 'x-api-key': value });
  expect([back.status, await back.json()]).toMatchObject([401, { error: { type: 'authentication_error' } }]);
  const list = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${value}` } });
  expect([list.status, asked.length]).toEqual([401, before]);
  const calls = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'call', '--decision', 'allow']);
  expect(calls.map(({ modelKey }) => modelKey)).toContain(id);
  const [refused] = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'model-key.refused']);
  expect(refused).toMatchObject({ modelKey: id, rule: 'guard:http.key' });
  expect(await world.json<ModelKeyView[]>(['llm', 'keys', 'list'])).toMatchObject([{ id, state: 'revoked' }]);
});

test('a websocket is spoken through the dark service, and what was used is booked', async () => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/responses`);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const heard: { type: string }[] = [];
  socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as { type: string }));
  for (const model of ['secret-1', 'spoken-1']) {
    socket.send(JSON.stringify({ type: 'response.create', model, input: 'dark?' }));
  }
  await until(() => heard.length === 2);
  socket.close();
  expect(heard).toMatchObject([{ type: 'error', status: 404 }, { type: 'response.completed' }]);
  await until(async () => {
    const calls = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'call', '--service', 'spoken']);
    return calls.some(({ model, tokensIn, tokensOut }) => model === 'spoken-1' && tokensIn === 31 && tokensOut === 9);
  });
});

test('a page of the web gets nowhere', async () => {
  const before = asked.length;
  expect((await ask('/v1/chat/completions', { model: 'large-1' }, { origin: 'https://page.example' })).status).toBe(
    403,
  );
  expect(asked).toHaveLength(before);
});

/** What stands in the laptop's budgets of tokens, what is set aside included. */
async function tokensUsed(): Promise<number> {
  const text = await readFile(join(world.laptop, 'budgets.json'), 'utf8');
  const { windows } = JSON.parse(text) as { windows: { key: string; uses: [number, number][] }[] };
  const uses = windows.filter(({ key }) => key.endsWith('|http.tokens')).flatMap((window) => window.uses);
  return uses.reduce((sum, [, amount]) => sum + amount, 0);
}

async function provider(name: string, models: readonly string[]): Promise<number> {
  return listening((text, path, key) => {
    if (path === '/v1/models')
      return { type: 'application/json', body: JSON.stringify({ data: models.map((id) => ({ id })) }) };
    const { model, stream } = JSON.parse(text) as { model: string; stream?: boolean };
    asked.push(`${name} ${model}`);
    carried.push(key);
    if (stream === true)
      return { type: 'text/event-stream', body: 'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n' };
    const usage = { prompt_tokens: 30, completion_tokens: 20, total_tokens: 50 };
    return { type: 'application/json', body: JSON.stringify({ by: name, model, usage }) };
  });
}

/** A provider of vectors: a text's by the words that it has. */
function embedding(): Promise<number> {
  const vocabulary = ['poem', 'water', 'dark', 'hello'];
  return listening((text, path) => {
    if (path === '/v1/models') return { type: 'application/json', body: '{"data":[]}' };
    const { input } = JSON.parse(text) as { input: string[] };
    const data = input.map((one) => ({ embedding: vocabulary.map((word) => (one.includes(word) ? 1 : 0.01)) }));
    return { type: 'application/json', body: JSON.stringify({ data, usage: { prompt_tokens: 7, total_tokens: 7 } }) };
  });
}

/** A provider of Responses over websockets. */
async function speaking(): Promise<number> {
  const server = createServer();
  providers.push(server);
  new WebSocketServer({ server }).on('connection', (socket) =>
    socket.on('message', () => {
      const usage = { input_tokens: 31, output_tokens: 9 };
      socket.send(JSON.stringify({ type: 'response.completed', response: { id: 'r', usage } }));
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A provider that answers every request with this status and a time to wait, or cuts it off. */
function answering(status: number | 'cut'): Promise<number> {
  return listening(() => status);
}

async function listening(
  answer: (text: string, path: string, key: string | undefined) => { type: string; body: string } | number | 'cut',
): Promise<number> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const { authorization, 'x-api-key': key = authorization } = request.headers;
      const told = answer(text, request.url ?? '', key?.toString());
      if (told === 'cut') request.socket.destroy();
      else if (typeof told === 'number') response.writeHead(told, { 'retry-after': '7' }).end();
      else response.writeHead(200, { 'content-type': told.type }).end(told.body);
    });
  });
  providers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

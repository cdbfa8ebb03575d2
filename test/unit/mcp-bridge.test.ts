/** The bridge between a client's standard streams and a service: each request answered once, in either era, whatever the service does. */
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bridge } from '../../main/mcp/bridge/bridge.ts';
import { refuseAll } from '../../main/mcp/bridge/refuse-all.ts';
import type { Transport } from '../../main/mcp/bridge/route.ts';
import type { Refused } from '../../main/mcp/bridge/way.ts';
import { until } from '../support/until.ts';

interface Asked {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Rpc | undefined;
}

interface Rpc {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

type Serve = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A service by HTTP that does what the test says, and keeps what it was asked. */
async function service(serve: Serve): Promise<{ readonly port: number; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        headers: request.headers,
        body: body === '' ? undefined : (JSON.parse(body) as Rpc),
      };
      asked.push(one);
      serve(one, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}

/** A client at the bridge's ends. */
class TestClient {
  readonly lines: string[] = [];
  readonly complaints: string[] = [];
  readonly refusals: Refused[] = [];
  readonly ended: Promise<void>;
  readonly #queue: string[] = [];
  #wake: () => void = () => undefined;
  #open = true;

  constructor(port: number, options: { readonly transport?: Transport; readonly lingerMs?: number } = {}) {
    const { transport = 'auto', lingerMs = 2_500 } = options;
    this.ended = bridge({
      url: new URL(`http://127.0.0.1:${port}/mcp`),
      transport,
      input: (signal) => this.#input(signal),
      output: (line) => {
        this.lines.push(line);
        return Promise.resolve();
      },
      complain: (text) => this.complaints.push(text),
      refused: (reason) => this.refusals.push(reason),
      orphaned: () => false,
      lingerMs,
      signal: new AbortController().signal,
    });
    cleanUps.push(async () => {
      this.end();
      await this.ended;
    });
  }

  send(message: Rpc): void {
    this.sendText(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  sendText(text: string): void {
    this.#queue.push(text);
    this.#wake();
  }

  end(): void {
    this.#open = false;
    this.#wake();
  }

  get messages(): Rpc[] {
    return this.lines.map((line) => JSON.parse(line) as Rpc);
  }

  answersTo(id: string | number): Rpc[] {
    return this.messages.filter((message) => message.id === id && message.method === undefined);
  }

  async answer(id: string | number): Promise<Rpc> {
    await until(() => this.answersTo(id).length > 0, 8_000);
    return this.answersTo(id)[0] ?? {};
  }

  async shakeHands(): Promise<void> {
    this.send({ id: 'hello', method: 'initialize', params: { protocolVersion: '2025-11-25' } });
    await this.answer('hello');
    this.send({ method: 'notifications/initialized' });
  }

  async *#input(signal: AbortSignal): AsyncGenerator<string> {
    while (!signal.aborted) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (!this.#open) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    }
  }
}

const json = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};
const result = (asked: Asked, value: Record<string, unknown> = {}): object => ({
  jsonrpc: '2.0',
  id: asked.body?.id,
  result: value,
});
const event = (data: object, more = ''): string => `${more}data: ${JSON.stringify(data)}\n\n`;
const modern = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };

/** A service of the era with handshakes, its sessions numbered. */
function handshakes(serve: Serve): Serve {
  let sessions = 0;
  return (asked, response, request) => {
    if (asked.body?.method === 'initialize') {
      sessions += 1;
      const hello = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 's', version: '1' } };
      json(response, result(asked, hello), 200, { 'mcp-session-id': `session-${sessions}` });
    } else if (asked.body?.method === 'notifications/initialized') response.writeHead(202).end();
    else serve(asked, response, request);
  };
}

describe('version and session', () => {
  test('belong to each request: a probe of the new era leaves nothing for the handshake that follows', async () => {
    const { port, asked } = await service(
      handshakes((one, response) => {
        if (one.method !== 'POST') response.writeHead(405).end();
        else if (one.body?.method === 'server/discover')
          json(response, { jsonrpc: '2.0', id: null, error: { code: -32601, message: 'no' } }, 404);
        else json(response, result(one));
      }),
    );
    const client = new TestClient(port);
    client.send({ id: 1, method: 'server/discover', params: modern });
    expect(await client.answer(1)).toMatchObject({ id: 1, error: { code: -32601 } });
    await client.shakeHands();
    client.send({ id: 2, method: 'tools/list' });
    client.send({ id: 3, method: 'tools/call', params: { ...modern, name: 'naïve' } });
    await Promise.all([client.answer(2), client.answer(3)]);
    const of = (method: string): IncomingMessage['headers'] | undefined =>
      asked.find(({ body }) => body?.method === method)?.headers;
    expect(of('server/discover')).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'server/discover',
    });
    expect(of('initialize')).not.toHaveProperty('mcp-protocol-version');
    expect(of('initialize')).not.toHaveProperty('mcp-session-id');
    expect(of('notifications/initialized')).toMatchObject({ 'mcp-session-id': 'session-1' });
    expect(of('tools/list')).toMatchObject({ 'mcp-session-id': 'session-1', 'mcp-protocol-version': '2025-06-18' });
    expect(of('tools/list')).not.toHaveProperty('mcp-method');
    expect(of('tools/call')).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-name': '=?base64?bmHDr3Zl?=' });
    expect(of('tools/call')).not.toHaveProperty('mcp-session-id');
  });

  test('forgotten: one fresh handshake for all who met it, then each request once more', async () => {
    const { port, asked } = await service(
      handshakes((one, response) => {
        if (one.method !== 'POST') response.writeHead(405).end();
        else if (one.headers['mcp-session-id'] === 'session-1')
          json(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404);
        else json(response, result(one, { of: one.headers['mcp-session-id'] }));
      }),
    );
    const client = new TestClient(port);
    await client.shakeHands();
    client.send({ id: 'a', method: 'tools/list' });
    client.send({ id: 'b', method: 'prompts/list' });
    expect(await client.answer('a')).toMatchObject({ result: { of: 'session-2' } });
    expect(await client.answer('b')).toMatchObject({ result: { of: 'session-2' } });
    const hellos = asked.filter(({ body }) => body?.method === 'initialize');
    expect(hellos).toHaveLength(2);
    expect(hellos[1]?.body?.params).toEqual({ protocolVersion: '2025-11-25' });
    expect(client.messages.filter(({ id }) => String(id).startsWith('culvert'))).toEqual([]);
  });

  test('forgotten for good: the request is answered all the same', async () => {
    const { port } = await service(handshakes((_one, response) => response.writeHead(404).end()));
    const client = new TestClient(port);
    await client.shakeHands();
    client.send({ id: 1, method: 'tools/list' });
    expect((await client.answer(1)).error?.message).toContain('knows this session no more');
    expect(client.answersTo(1)).toHaveLength(1);
  });
});

describe('every request is answered once under its own id', () => {
  const answers: Readonly<Record<string, (asked: Asked, response: ServerResponse) => void>> = {
    'foreign JSON': (_asked, response) => json(response, { hello: 'world' }),
    'an answer to another request': (_asked, response) => json(response, { jsonrpc: '2.0', id: 'other', result: {} }),
    'an error without an id': (_asked, response) =>
      json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'x' } }, 400),
    'what is no JSON': (_asked, response) => json(response, '{"jsonrpc":'),
    '401': (_asked, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
    '404': (_asked, response) => response.writeHead(404).end('nothing here'),
    '500': (_asked, response) => response.writeHead(500).end(),
    '202': (_asked, response) => response.writeHead(202).end(),
    '204': (_asked, response) => response.writeHead(204).end(),
    'an empty body': (_asked, response) => json(response, ''),
    'a page': (_asked, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><b>Sign in</b></html>'),
    'a stream that ends': (_asked, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\n'),
    'a body that breaks off': (_asked, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"json');
      setImmediate(() => response.destroy());
    },
    'the answer twice': (asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(event(result(asked)) + event(result(asked)));
    },
  };
  for (const [what, answer] of Object.entries(answers)) {
    test(`met with ${what}`, async () => {
      const { port } = await service((asked, response) => {
        if (asked.body?.method === 'first') json(response, result(asked));
        else answer(asked, response);
      });
      const client = new TestClient(port);
      client.send({ id: 'first', method: 'first', params: modern });
      await client.answer('first');
      client.send({ id: 7, method: 'tools/list', params: modern });
      await client.answer(7);
      client.send({ id: 8, method: 'first', params: modern });
      await client.answer(8);
      expect(client.answersTo(7)).toHaveLength(1);
      expect(client.messages.map(({ id }) => id)).toEqual(['first', 7, 8]);
      expect(client.lines.join('')).not.toContain('<b>');
    });
  }

  test('met with a refusal of the engine, which is told besides', async () => {
    const { port } = await service((_asked, response) => {
      response.writeHead(502, { 'culvert-reason': 'ziti.dial.no_terminator' });
      response.end('nobody hosts notes now\nstart what hosts it\n(ziti.dial.no_terminator)\n');
    });
    const client = new TestClient(port);
    client.send({ id: 1, method: 'initialize', params: {} });
    expect(await client.answer(1)).toMatchObject({
      error: { code: -32000, data: { code: 'ziti.dial.no_terminator', sentence: 'nobody hosts notes now' } },
    });
    expect(client.refusals).toMatchObject([{ next: 'start what hosts it' }]);
  });

  test('met with nobody at all', async () => {
    const client = new TestClient(1);
    client.send({ id: 1, method: 'initialize', params: {} });
    expect((await client.answer(1)).error?.message).toContain('ECONNREFUSED');
  });

  test('but not where the client cancelled it; without a handshake its stream is closed', async () => {
    let closed = false;
    const { port, asked } = await service((one, response, request) => {
      if (one.body?.method === 'tools/call') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': on its way\n\n');
        request.socket.on('close', () => (closed = true));
      } else json(response, result(one));
    });
    const client = new TestClient(port);
    client.send({ id: 1, method: 'tools/list', params: modern });
    await client.answer(1);
    client.send({ id: 2, method: 'tools/call', params: { ...modern, name: 'slow' } });
    await until(() => asked.some(({ body }) => body?.method === 'tools/call'), 8_000);
    client.send({ method: 'notifications/cancelled', params: { requestId: 2 } });
    await until(() => closed, 8_000);
    client.end();
    await client.ended;
    expect(client.answersTo(2)).toEqual([]);
    expect(asked.some(({ body }) => body?.method === 'notifications/cancelled')).toBe(false);
  });

  test('a line that is no message is answered where it has an id, and passed over where not', async () => {
    const { port, asked } = await service((one, response) => json(response, result(one)));
    const client = new TestClient(port);
    client.sendText('{"id":5,"method":"tools/list"}');
    client.sendText('hello');
    client.send({ id: 6, method: 'tools/list', params: modern });
    await client.answer(6);
    expect(client.messages).toMatchObject([{ id: 5, error: { code: -32600 } }, { id: 6 }]);
    expect(asked).toHaveLength(1);
  });
});

describe('streams', () => {
  test('an answer that broke off is gone on with from the last event', async () => {
    const { port, asked } = await service(
      handshakes((one, response) => {
        if (one.method === 'POST') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write('id: e1\nretry: 10\ndata:\n\n');
          response.end(
            event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } }, 'id: e2\n'),
          );
        } else if (one.headers['last-event-id'] === 'e2') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end(event({ jsonrpc: '2.0', id: 'call', result: { done: true } }, 'id: e3\n'));
        } else response.writeHead(405).end();
      }),
    );
    const client = new TestClient(port);
    await client.shakeHands();
    client.send({ id: 'call', method: 'tools/call', params: { name: 'slow' } });
    expect(await client.answer('call')).toMatchObject({ result: { done: true } });
    expect(client.messages.filter(({ method }) => method === 'notifications/progress')).toHaveLength(1);
    expect(asked.find(({ headers }) => headers['last-event-id'] === 'e2')?.headers).toMatchObject({
      'mcp-session-id': 'session-1',
      'mcp-protocol-version': '2025-06-18',
    });
  });

  test("the server's own messages are listened for anew where their stream ends", async () => {
    let opened = 0;
    const { port } = await service(
      handshakes((one, response) => {
        if (one.method !== 'GET') return json(response, result(one));
        opened += 1;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(
          event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, `id: ${opened}\nretry: 5\n`),
        );
        if (opened === 1) response.end();
      }),
    );
    const client = new TestClient(port);
    await client.shakeHands();
    await until(() => client.messages.filter(({ method }) => method?.endsWith('list_changed')).length === 2, 8_000);
    expect(opened).toBe(2);
  });

  test('and where the way there is shut for a while; a server without such a stream is not asked again', async () => {
    let asked = 0;
    const changed = event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, 'retry: 5\n');
    const listened = await service(
      handshakes((one, response) => {
        if (one.method !== 'GET') return json(response, result(one));
        asked += 1;
        if (asked === 2)
          return void response.writeHead(502, { 'culvert-reason': 'ziti.dial.no_terminator' }).end('nobody');
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(changed);
        if (asked === 1) response.end();
      }),
    );
    const client = new TestClient(listened.port);
    await client.shakeHands();
    await until(() => client.messages.filter(({ method }) => method?.endsWith('list_changed')).length === 2, 8_000);
    expect(asked).toBe(3);
    const without = await service(
      handshakes((one, response) => {
        if (one.method === 'GET') response.writeHead(405).end();
        else json(response, result(one));
      }),
    );
    const other = new TestClient(without.port);
    await other.shakeHands();
    await until(() => without.asked.some(({ method }) => method === 'GET'));
    other.send({ id: 1, method: 'ping' });
    await other.answer(1);
    expect(without.asked.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });

  test('what is no message of JSON-RPC never reaches the client', async () => {
    const { port } = await service((one, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': heartbeat\n\nevent: ping\ndata: {"jsonrpc":"2.0","method":"no"}\n\ndata: beat\n\n');
      response.end(event(result(one)));
    });
    const client = new TestClient(port);
    client.send({ id: 1, method: 'tools/list', params: modern });
    await client.answer(1);
    expect(client.lines).toEqual(['{"jsonrpc":"2.0","id":1,"result":{}}']);
  });

  test('a message over several lines comes as one, a large one whole', async () => {
    const text = 'x'.repeat(3_000_000);
    const { port } = await service((one, response) => {
      const answer = JSON.stringify(result(one, { text }), undefined, 1);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${answer.split('\n').join('\ndata: ')}\n\n`);
    });
    const client = new TestClient(port);
    client.send({ id: 1, method: 'tools/list', params: modern });
    expect((await client.answer(1)).result?.['text']).toBe(text);
  });
});

test("arguments stand in the headers that a tool's schema asks for, learned where they are not known", async () => {
  const inputSchema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
    },
  };
  const { port, asked } = await service((one, response) => {
    if (one.body?.method === 'tools/list') json(response, result(one, { tools: [{ name: 'query', inputSchema }] }));
    else if (one.headers['mcp-param-region'] === undefined)
      json(response, { jsonrpc: '2.0', id: one.body?.id, error: { code: -32020, message: 'header' } }, 400);
    else json(response, result(one, { ok: true }));
  });
  const client = new TestClient(port);
  client.send({
    id: 1,
    method: 'tools/call',
    params: { ...modern, name: 'query', arguments: { region: 'eu', deep: { n: 3 } } },
  });
  expect(await client.answer(1)).toMatchObject({ result: { ok: true } });
  expect(asked.map(({ body }) => body?.method)).toEqual(['tools/call', 'tools/list', 'tools/call']);
  expect(asked[2]?.headers).toMatchObject({ 'mcp-param-region': 'eu', 'mcp-param-n': '3' });
  expect(client.messages).toHaveLength(1);
});

describe('older ways', () => {
  /** A service by the transport of 2024; its streams are numbered, and each has a session of its own. */
  async function eventStreamService(): Promise<{
    readonly port: number;
    readonly asked: readonly Asked[];
    readonly streams: readonly ServerResponse[];
  }> {
    const streams: ServerResponse[] = [];
    const { port, asked } = await service((one, response, request) => {
      const session = /^\/messages\?session=(\d+)$/.exec(request.url ?? '')?.[1];
      if (one.method === 'GET' && request.url === '/sse') {
        streams.push(response);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`event: endpoint\ndata: /messages?session=${streams.length}\n\n`);
      } else if (one.method === 'POST' && session !== undefined) {
        response.writeHead(202).end('Accepted');
        const answer = `event: message\n${event(result(one, { way: 'sse', session }))}`;
        if (one.body?.id !== undefined) streams[Number(session) - 1]?.write(answer);
      } else response.writeHead(404).end(`<pre>Cannot ${one.method}</pre>`);
    });
    return { port, asked, streams };
  }

  test('a service with an event stream for all answers', async () => {
    const { port, streams } = await eventStreamService();
    const client = new TestClient(port);
    client.send({ id: 1, method: 'server/discover', params: modern });
    expect((await client.answer(1)).error?.message).toContain('404');
    await client.shakeHands();
    client.send({ id: 2, method: 'tools/list' });
    expect(await client.answer(2)).toMatchObject({ result: { way: 'sse' } });
    streams[0]?.end();
    await until(() => client.answersTo('hello').length === 1, 8_000);
  });

  test('an event stream stays open for as long as the service leaves it so', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    cleanUps.push(() => vi.useRealTimers());
    const { port, streams } = await eventStreamService();
    const client = new TestClient(port);
    await client.shakeHands();
    await vi.advanceTimersByTimeAsync(3_600_000);
    client.send({ id: 2, method: 'tools/list' });
    expect(await client.answer(2)).toMatchObject({ result: { session: '1' } });
    expect(streams).toHaveLength(1);
  });

  test('an event stream that ended is opened anew with a handshake for the next requests, of which the client sees nothing', async () => {
    const { port, asked, streams } = await eventStreamService();
    const client = new TestClient(port);
    await client.shakeHands();
    client.send({ id: 2, method: 'tools/list' });
    await client.answer(2);
    streams[0]?.end();
    await until(() => streams[0]?.closed === true);
    await until(() => {
      const id = `again-${client.lines.length}`;
      client.send({ id, method: 'tools/list' });
      return client.messages.some(({ result: told }) => told?.['session'] === '2');
    });
    // The first of them looked for streamable HTTP.
    expect(asked.filter(({ body }) => body?.method === 'initialize')).toHaveLength(3);
    expect(streams).toHaveLength(2);
    expect(client.answersTo('hello')).toHaveLength(1);
    expect(client.messages.every(({ id }) => !String(id).startsWith('culvert-'))).toBe(true);
  });

  for (const manners of ['hangs up on HTTP', 'says nothing to HTTP'] as const) {
    test(`a service of JSON lines that ${manners}`, async () => {
      const server = createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (chunk: Buffer) => {
          const text = chunk.toString();
          if (!text.startsWith('{')) {
            if (manners === 'hangs up on HTTP') socket.destroy();
            return;
          }
          for (const line of text.trim().split('\n')) {
            const { id } = JSON.parse(line) as Rpc;
            if (id !== undefined) socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: { way: 'lines' } })}\n`);
          }
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      cleanUps.push(() => server.close());
      const client = new TestClient((server.address() as AddressInfo).port);
      client.send({ id: 1, method: 'initialize', params: {} });
      expect(await client.answer(1)).toMatchObject({ result: { way: 'lines' } });
      client.send({ method: 'notifications/initialized' });
      client.send({ id: 2, method: 'tools/list' });
      expect(await client.answer(2)).toMatchObject({ result: { way: 'lines' } });
    });
  }
});

test('the end of the client is the end of its requests and its session', async () => {
  let aborted = false;
  const { port, asked } = await service(
    handshakes((one, response, request) => {
      if (one.method === 'DELETE') response.writeHead(200).end();
      else if (one.method === 'GET') response.writeHead(405).end();
      else request.socket.on('close', () => (aborted = true));
    }),
  );
  const client = new TestClient(port, { lingerMs: 50 });
  await client.shakeHands();
  client.send({ id: 1, method: 'tools/call', params: { name: 'never' } });
  await until(() => asked.some(({ body }) => body?.method === 'tools/call'), 8_000);
  client.end();
  await client.ended;
  await until(() => aborted, 8_000);
  expect(client.answersTo(1)).toMatchObject([
    { error: { message: expect.stringContaining('did not answer') as string } },
  ]);
  expect(asked.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'session-1' } });
});

test('a client without a service is answered, and left once it is quiet, though it does not end', async () => {
  const lines: string[] = [];
  async function* input(signal: AbortSignal): AsyncGenerator<string> {
    yield JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'initialize' });
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  const output = (line: string): Promise<void> => Promise.resolve(void lines.push(line));
  const reason = { code: 'ziti.dial.service_unknown', sentence: 'there is none', next: undefined };
  await refuseAll({ input, output, quietMs: 1, signal: new AbortController().signal }, reason);
  expect(lines.map((line) => JSON.parse(line) as Rpc)).toMatchObject([
    { id: 7, error: { data: { code: reason.code } } },
  ]);
});

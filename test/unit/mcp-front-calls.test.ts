/** What a call through the front door costs, by what is done for it: nobody asks the services anew for what they said before. */
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openFront, type Front } from '../../main/mcp/front/front.ts';
import { sha256 } from '../support/guarded-port.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUps.splice(0).reverse()) await one();
});

interface Rpc {
  readonly id?: number;
  readonly method: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** A service that answers in JSON; `asked` are the methods it was asked for, `tools` may be changed. */
class Service {
  readonly asked: string[] = [];
  tools = ['first'];
  port = 0;

  async open(): Promise<this> {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => (body += part));
      request.on('end', () => {
        const asked = (body === '' ? { method: request.method ?? '' } : JSON.parse(body)) as Rpc;
        this.asked.push(asked.method);
        if (asked.id === undefined) return void response.writeHead(request.method === 'POST' ? 202 : 405).end();
        const result = this.#answer(asked.method);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ jsonrpc: '2.0', id: asked.id, ...result }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => {
      server.closeAllConnections();
      server.close();
    });
    this.port = (server.address() as AddressInfo).port;
    return this;
  }

  #answer(method: string): object {
    const serverInfo = { name: 'service', version: '1' };
    switch (method) {
      case 'initialize':
        return { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } };
      case 'tools/list':
        return { result: { tools: this.tools.map((name) => ({ name, inputSchema: { type: 'object' } })) } };
      case 'tools/call':
        return { result: { content: [{ type: 'text', text: 'done' }] } };
      default:
        return { error: { code: -32_601, message: 'Method not found' } };
    }
  }
}

/** A client of the front door to `services`, which it may see while they are in there. */
class Client {
  readonly services = new Map<string, Service>();
  readonly sockets = new Set<Socket>();
  /** How often it was asked which services there are. */
  looked = 0;
  readonly unoffered: unknown[] = [];
  changed: () => void = () => undefined;
  toolsChanged: (service: string) => void = () => undefined;
  readonly #said: Rpc[] = [];
  readonly #front: Front;

  constructor() {
    const listening = { [Symbol.dispose]: () => undefined };
    this.#front = openFront(
      {
        version: '1',
        services: () => {
          this.looked += 1;
          return Promise.resolve([...this.services.keys()]);
        },
        connect: (service) =>
          new Promise((resolve, reject) => {
            const { port = 0 } = this.services.get(service) ?? {};
            if (port === 0) throw new Error('nobody hosts it now');
            const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
            this.sockets.add(socket);
          }),
        complain: () => undefined,
        onServices: (listener) => {
          this.changed = listener;
          return listening;
        },
        onTools: (listener) => {
          this.toolsChanged = listener;
          return listening;
        },
        isRefused: () => Promise.resolve(false),
        unoffered: (call, absent) => this.unoffered.push([call, absent]),
        digest: sha256,
        maxTools: 200,
      },
      (text) => this.#said.push(JSON.parse(text) as Rpc),
    );
    cleanUps.push(() => this.#front[Symbol.asyncDispose]());
  }

  async ask(method: string, params: object = {}): Promise<Rpc | undefined> {
    const id = this.#asked++;
    this.#front.receive(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    const answer = (): Rpc | undefined => this.#said.find((one) => one.id === id);
    await until(() => answer() !== undefined);
    return answer();
  }

  async open(): Promise<void> {
    await this.ask('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    });
    this.#front.receive(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  }

  async call(name: string): Promise<string> {
    const answer = await this.ask('tools/call', { name, arguments: {} });
    return answer?.error?.message ?? 'done';
  }

  #asked = 1;
}

test('a call asks neither which services there are nor what they offer, once that is known', async () => {
  const [one, other] = [await new Service().open(), await new Service().open()];
  const client = new Client();
  client.services.set('one', one).set('other', other);
  await client.open();
  await client.ask('tools/list');
  const { looked } = client;
  const before = [one.asked.length, other.asked.length];
  for (let at = 0; at < 20; at += 1) expect(await client.call('one__first')).toBe('done');
  expect(client.looked).toBe(looked);
  expect(one.asked.slice(before[0])).toEqual(Array<string>(20).fill('tools/call'));
  expect(other.asked).toHaveLength(before[1] ?? 0);
});

test('what is known is out of date as soon as services come, go or offer something else', async () => {
  const [one, other] = [await new Service().open(), await new Service().open()];
  const client = new Client();
  client.services.set('one', one);
  await client.open();
  expect(await client.call('one__first')).toBe('done');
  expect(await client.call('other__first')).toBe('Unknown tool: other__first');

  client.services.set('other', other);
  expect(await client.call('other__first')).toBe('done');

  one.tools = ['second'];
  client.toolsChanged('one');
  expect(await client.call('one__second')).toBe('done');
  expect(await client.call('one__first')).toBe('Unknown tool: one__first');

  client.services.delete('other');
  client.changed();
  await until(async () => (await client.call('other__first')) === 'Unknown tool: other__first');
});

test('a call of a service that is not there says so, whatever it names, and is told of', async () => {
  const client = new Client();
  client.services.set('gone', new Service());
  await client.open();
  for (const tool of ['first', 'other']) {
    const name = `gone__${tool}`;
    expect(await client.call(name)).toBe(`Unknown tool: ${name}: gone is absent, nobody hosts it now`);
  }
  const call = { service: 'gone', method: 'tools/call' };
  expect(client.unoffered).toEqual([
    [{ ...call, name: 'first' }, 'nobody hosts it now'],
    [{ ...call, name: 'other' }, 'nobody hosts it now'],
  ]);
});

test('a connection that is used again and again collects no listeners', async () => {
  const one = await new Service().open();
  const client = new Client();
  client.services.set('one', one);
  await client.open();
  await client.call('one__first');
  const listeners = (): number => [...client.sockets].reduce((sum, socket) => sum + socket.listenerCount('error'), 0);
  const before = listeners();
  for (let at = 0; at < 30; at += 1) await client.call('one__first');
  expect(listeners()).toBeLessThanOrEqual(before + 2);
});

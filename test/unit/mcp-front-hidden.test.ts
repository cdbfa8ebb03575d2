/**
 * What a contract hides is in nothing that the front door says: no list, page, completion, notification, error, log or search. Held over made-up
 * services, each a server of the official SDK behind its guard.
 */
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as spec from '@modelcontextprotocol/sdk/types.js';
import { openFront, type Front } from '../../main/mcp/front/front.ts';
import { openGuardedPort, sha256 } from '../support/guarded-port.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(cleanUp);

async function cleanUp(): Promise<void> {
  for (const one of cleanUps.splice(0).reverse()) await one();
}

const mark = 'hush';
const modern = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

interface Things {
  readonly tools: readonly string[];
  readonly prompts: readonly string[];
  readonly resources: readonly string[];
  readonly templates: readonly string[];
}

/** Pages of `size`, so that hidden things are last on some. */
function pageOf<T>(items: readonly T[], size: number, cursor: string | undefined): { items: T[]; nextCursor?: string } {
  const next = Number(cursor ?? 0) + size;
  const page = items.slice(next - size, next);
  return { items: page, ...(next < items.length ? { nextCursor: String(next) } : {}) };
}

/** A server that tells of everything it has, whoever asks, and of its hidden things unasked. */
async function openService(things: Things, size: number): Promise<number> {
  const serve = (): Server => {
    const server = new Server(
      { name: 'service', version: '1' },
      {
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          completions: {},
        },
      },
    );
    server.setRequestHandler(spec.ListToolsRequestSchema, ({ params }) => {
      const { items: tools, ...rest } = pageOf(
        things.tools.map((name) => ({
          name,
          description: `does ${name.replace(mark, '')}`,
          inputSchema: { type: 'object' as const },
        })),
        size,
        params?.cursor,
      );
      return { tools, ...rest };
    });
    server.setRequestHandler(spec.ListPromptsRequestSchema, ({ params }) => {
      const { items: prompts, ...rest } = pageOf(
        things.prompts.map((name) => ({ name })),
        size,
        params?.cursor,
      );
      return { prompts, ...rest };
    });
    server.setRequestHandler(spec.ListResourcesRequestSchema, ({ params }) => {
      const { items: resources, ...rest } = pageOf(
        things.resources.map((name) => ({ name, uri: `doc://${name}` })),
        size,
        params?.cursor,
      );
      return { resources, ...rest };
    });
    server.setRequestHandler(spec.ListResourceTemplatesRequestSchema, ({ params }) => {
      const { items: resourceTemplates, ...rest } = pageOf(
        things.templates.map((name) => ({ name, uriTemplate: `book://${name}/{page}` })),
        size,
        params?.cursor,
      );
      return { resourceTemplates, ...rest };
    });
    server.setRequestHandler(spec.CallToolRequestSchema, async ({ params }, { sendNotification }) => {
      for (const name of things.resources) {
        await sendNotification({ method: 'notifications/resources/updated', params: { uri: `doc://${name}` } });
      }
      await server.sendToolListChanged();
      await server.sendResourceListChanged();
      return { content: [{ type: 'text', text: `ran ${params.name}` }] };
    });
    server.setRequestHandler(spec.GetPromptRequestSchema, () => ({ messages: [] }));
    server.setRequestHandler(spec.ReadResourceRequestSchema, ({ params }) => ({
      contents: [{ uri: params.uri, text: '' }],
    }));
    server.setRequestHandler(spec.SubscribeRequestSchema, () => ({}));
    server.setRequestHandler(spec.CompleteRequestSchema, () => ({ completion: { values: ['a'] } }));
    return server;
  };
  const transports = new Map<unknown, StreamableHTTPServerTransport>();
  const listening = createServer((request, response) => {
    const known = transports.get(request.headers['mcp-session-id']);
    if (known !== undefined) return void known.handleRequest(request, response);
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void transports.set(id, transport),
    });
    void serve()
      .connect(transport)
      .then(() => transport.handleRequest(request, response));
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return (listening.address() as AddressInfo).port;
}

interface Rpc {
  readonly id?: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** One client of the door, and all that was said to it and to the log. */
class Door {
  readonly said: string[] = [];
  readonly complaints: string[] = [];
  readonly #front: Front;
  readonly #era: 'legacy' | 'modern';
  #asked = 0;

  constructor(ports: ReadonlyMap<string, number>, era: 'legacy' | 'modern', maxTools: number) {
    this.#era = era;
    const nothing = { [Symbol.dispose]: () => undefined };
    this.#front = openFront(
      {
        version: '1',
        services: () => Promise.resolve([...ports.keys()]),
        connect: (service) =>
          new Promise((resolve, reject) => {
            const socket = connect(ports.get(service) ?? 0, '127.0.0.1', () => resolve(socket)).once('error', reject);
          }),
        complain: (text) => this.complaints.push(text),
        onServices: () => nothing,
        onTools: () => nothing,
        isRefused: ({ name: called }) => Promise.resolve(called.startsWith(mark)),
        unoffered: () => undefined,
        digest: sha256,
        maxTools,
      },
      (text) => this.said.push(text),
    );
    cleanUps.push(() => this.#front[Symbol.asyncDispose]());
  }

  async ask(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Rpc> {
    this.#asked += 1;
    const id = this.#asked;
    const full = this.#era === 'modern' ? { ...params, _meta: modern } : params;
    this.#front.receive(JSON.stringify({ jsonrpc: '2.0', id, method, params: full }));
    const answer = (): Rpc | undefined => this.said.map((one) => JSON.parse(one) as Rpc).find((one) => one.id === id);
    await until(() => answer() !== undefined);
    return answer() ?? {};
  }

  async open(): Promise<void> {
    if (this.#era === 'modern') return;
    const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    await this.ask('initialize', hello);
    this.#front.receive(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  }

  async all(method: string, field: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const items: Readonly<Record<string, unknown>>[] = [];
    let cursor: unknown;
    do {
      const { result = {} } = await this.ask(method, cursor === undefined ? {} : { cursor });
      items.push(...(result[field] as typeof items));
      cursor = result['nextCursor'];
    } while (cursor !== undefined);
    return items;
  }
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '_'), minLength: 1, maxLength: 4 });
/** Shown ones and hidden ones, in any order; at least one of each. */
const names = fc
  .tuple(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), fc.uniqueArray(name, { minLength: 1, maxLength: 3 }))
  .chain(([shown, hidden]) => {
    const all = [...shown.map((one) => `open${one}`), ...hidden.map((one) => `${mark}${one}`)];
    return fc.shuffledSubarray(all, { minLength: all.length });
  });
const service = fc.record({ tools: names, prompts: names, resources: names, templates: names });

test('whatever services there are, and in whatever order they tell of what they have', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(service, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('legacy' as const, 'modern' as const),
      fc.constantFrom(2, 200),
      async (services, size, era, maxTools) => {
        const ports = new Map<string, number>();
        for (const [index, things] of services.entries()) {
          const deny = [`${mark}*`, `doc://${mark}*`, `book://${mark}*`];
          const guarded = await openGuardedPort(await openService(things, size), { mcp: { deny } });
          cleanUps.push(() => guarded[Symbol.asyncDispose]());
          ports.set(`s${index}`, guarded.port);
        }
        const door = new Door(ports, era, maxTools);
        await door.open();
        const tools = await door.all('tools/list', 'tools');
        const prompts = await door.all('prompts/list', 'prompts');
        const resources = await door.all('resources/list', 'resources');
        const templates = await door.all('resources/templates/list', 'resourceTemplates');
        const shownOf = (kind: keyof Things): number =>
          services.reduce((sum, things) => sum + things[kind].filter((one) => one.startsWith('open')).length, 0);
        const open = tools.filter(({ name: one }) => one !== 'find_tools');
        expect(open).toHaveLength(Math.min(maxTools, shownOf('tools')));
        expect([prompts, resources, templates].map(({ length }) => length)).toEqual([
          shownOf('prompts'),
          shownOf('resources'),
          shownOf('templates'),
        ]);
        if (tools.length > open.length) {
          await door.ask('tools/call', { name: 'find_tools', arguments: { query: `${mark} does`, limit: 50 } });
        }
        const ref = { type: 'ref/prompt', name: prompts[0]?.['name'] };
        const argument = { name: 'x', value: '' };
        await door.ask('completion/complete', { ref, argument });
        // It makes its service tell of all it has.
        await door.ask('tools/call', { name: open[0]?.['name'], arguments: {} });
        expect(door.said.join('\n')).not.toContain(mark);
        // What is hidden is refused in the words for what is not there at all.
        const told = async (method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> =>
          (await door.ask(method, params)).error;
        const [first] = services;
        for (const [method, params] of [
          ['tools/call', (what: string) => ({ name: `s0__${what}`, arguments: {} })],
          ['prompts/get', (what: string) => ({ name: `s0__${what}` })],
          ['resources/read', (what: string) => ({ uri: `doc://${what}` })],
          ['completion/complete', (what: string) => ({ ref: { type: 'ref/prompt', name: `s0__${what}` }, argument })],
        ] as const) {
          const kind = method === 'tools/call' ? 'tools' : method === 'resources/read' ? 'resources' : 'prompts';
          const hidden = first?.[kind].find((one) => one.startsWith(mark)) ?? '';
          const absent = hidden.replace(mark, 'gone');
          const asTold = JSON.stringify(await told(method, params(hidden)));
          expect(asTold.replaceAll(hidden, absent)).toBe(JSON.stringify(await told(method, params(absent))));
        }
        expect(door.complaints.join('\n')).not.toContain(mark);
        await cleanUp();
      },
    ),
    { numRuns: 6 },
  );
}, 120_000);

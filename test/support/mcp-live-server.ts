/** An MCP server whose lists have pages and change, whose resources are subscribed to, and that completes arguments; by the 1.x SDK. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

/** Tools of each page, by the cursor that leads to it. */
const pages: Readonly<Record<string, { readonly tools: readonly string[]; readonly next?: string }>> = {
  '': { tools: ['grow', 'hidden_a'], next: 'p2' },
  p2: { tools: ['hidden_b', 'hidden_c'], next: 'p3' },
  p3: { tools: ['touch'] },
};

export interface LiveServer extends AsyncDisposable {
  readonly port: number;
  /** Resources that sessions are subscribed to now. */
  readonly subscribed: () => readonly string[];
  /** What completion was asked for. */
  readonly completed: string[];
}

export async function openLiveServer(): Promise<LiveServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const sessions = new Set<Set<string>>();
  const completed: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = request.headers['mcp-session-id'];
    let transport = typeof id === 'string' ? transports.get(id) : undefined;
    if (transport === undefined) {
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (session) => void transports.set(session, made),
      });
      transport = made;
      const subscribed = new Set<string>();
      sessions.add(subscribed);
      await session(subscribed, completed).connect(made);
    }
    await transport.handleRequest(request, response);
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    completed,
    subscribed: () => [...sessions].flatMap((uris) => [...uris]),
    async [Symbol.asyncDispose]() {
      for (const transport of transports.values()) await transport.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function session(subscribed: Set<string>, completed: string[]): Server {
  const grown: string[] = [];
  const server = new Server(
    { name: 'live', version: '1' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
        completions: {},
      },
    },
  );
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const { tools = [], next } = pages[params?.cursor ?? ''] ?? {};
    const all = next === undefined ? [...tools, ...grown] : tools;
    return {
      tools: all.map((name) => ({ name, inputSchema: { type: 'object' as const } })),
      ...(next === undefined ? {} : { nextCursor: next }),
    };
  });
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    if (params.name === 'grow') {
      grown.push(`grown_${grown.length}`, `hidden_${grown.length}`);
      await server.sendToolListChanged();
    } else {
      for (const uri of subscribed) await server.sendResourceUpdated({ uri });
    }
    return { content: [{ type: 'text', text: params.name }] };
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: [{ name: 'greet' }, { name: 'secret_plan' }] }));
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: ['doc://public/a', 'doc://private/b'].map((uri) => ({ uri, name: uri })),
  }));
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    completed.push(params.ref.type === 'ref/prompt' ? params.ref.name : params.ref.uri);
    return { completion: { values: ['Ada', 'Alan'].filter((name) => name.startsWith(params.argument.value)) } };
  });
  return server;
}

/** Real MCP servers on loopback: the handshake revisions by the 1.x SDK, the stateless one by the 2.x SDK. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer as ModernServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

export interface McpTestServer extends AsyncDisposable {
  readonly port: number;
  /** Tools that really ran, by name. */
  readonly ran: string[];
}

const maxBodyBytes = 64 * 1024 * 1024;

const doesIt = (tool: string): string => `does ${tool}`;

/** What both servers offer. */
const tools = ['search', 'list_users', 'delete_user', 'delete_all'] as const;

function offer(server: McpServer | ModernServer, ran: string[], about = doesIt): void {
  const own = server as McpServer;
  for (const name of tools) {
    own.registerTool(
      name,
      {
        description: about(name),
        inputSchema: { text: z.string().optional(), limit: z.number().optional() },
      } as never,
      ((args: { readonly text?: string }) => {
        ran.push(name);
        return { content: [{ type: 'text', text: `${name}:${args.text?.length ?? 0}` }] };
      }) as never,
    );
  }
  for (const name of ['greet', 'secret_plan']) {
    own.registerPrompt(name, { description: name }, () => {
      ran.push(name);
      return { messages: [{ role: 'user', content: { type: 'text', text: name } }] };
    });
  }
  for (const uri of ['doc://public/a', 'doc://private/b']) {
    own.registerResource(uri, uri, {}, () => {
      ran.push(uri);
      return { contents: [{ uri, text: uri }] };
    });
  }
}

/** 1.x: with sessions where `json` is false answers come as event streams. `about` is asked for each tool's description when a session begins. */
export async function openHandshakeServer(
  options: { readonly json?: boolean; readonly about?: (tool: string) => string } = {},
): Promise<McpTestServer> {
  const ran: string[] = [];
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = request.headers['mcp-session-id'];
    let transport = typeof id === 'string' ? transports.get(id) : undefined;
    if (transport === undefined) {
      const server = new McpServer({ name: 'handshake', version: '1' });
      offer(server, ran, options.about);
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        enableJsonResponse: options.json === true,
        maxRequestBodySize: maxBodyBytes,
        onsessioninitialized: (session) => {
          transports.set(session, made);
        },
      });
      transport = made;
      await server.connect(made);
    }
    await transport.handleRequest(request, response);
  };
  const server = createServer((request, response) => void serve(request, response));
  return opened(server, ran, async () => {
    for (const transport of transports.values()) await transport.close();
  });
}

/** 1.x over the older transport: one event stream for all answers, POSTs beside it. */
export async function openEventStreamServer(): Promise<McpTestServer> {
  const ran: string[] = [];
  const transports = new Map<string, SSEServerTransport>();
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'GET' && url.pathname === '/sse') {
      const transport = new SSEServerTransport('/messages', response);
      transports.set(transport.sessionId, transport);
      const server = new McpServer({ name: 'event-stream', version: '1' });
      offer(server, ran);
      await server.connect(transport);
    } else if (request.method === 'POST' && url.pathname === '/messages') {
      await transports.get(url.searchParams.get('sessionId') ?? '')?.handlePostMessage(request, response);
    } else response.writeHead(404).end(`Cannot ${request.method} ${url.pathname}`);
  };
  const server = createServer((request, response) => void serve(request, response));
  return opened(server, ran, async () => {
    for (const transport of transports.values()) await transport.close();
  });
}

/** 2.x, stateless 2026-07-28. */
export async function openStatelessServer(): Promise<McpTestServer> {
  const ran: string[] = [];
  const handler = createMcpHandler(
    () => {
      const server = new ModernServer({ name: 'stateless', version: '2' });
      offer(server, ran);
      return server;
    },
    { maxRequestBodySize: maxBodyBytes },
  );
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    request.on('end', () => {
      const headers = new Headers();
      for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
      const body = request.method === 'POST' ? { body: Buffer.concat(chunks) } : {};
      const url = `http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`;
      void handler
        .fetch(new Request(url, { method: request.method ?? 'GET', headers, ...body }))
        .then(async (answer) => {
          response.writeHead(answer.status, Object.fromEntries(answer.headers));
          if (answer.body !== null) for await (const part of answer.body) response.write(part);
          response.end();
        });
    });
  });
  return opened(server, ran, () => handler.close());
}

async function opened(server: Server, ran: string[], close: () => Promise<void>): Promise<McpTestServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ran,
    async [Symbol.asyncDispose]() {
      await close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

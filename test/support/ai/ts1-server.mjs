/** A server of the official 1.x SDK for the matrix. Arguments: its service's name, and how it speaks: events, json, older, resumable. */
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as spec from '@modelcontextprotocol/sdk/types.js';
import { answerOf, pageOf, prompts, question, resourcesOf, say, tools } from './offers.mjs';

const [service = '', kind = 'events'] = process.argv.slice(2);
const transports = new Map();

function session() {
  const subscribed = new Set();
  const server = new Server(
    { name: service, version: '1' },
    { capabilities: { tools: {}, prompts: {}, resources: { subscribe: true } } },
  );
  server.setRequestHandler(spec.ListToolsRequestSchema, ({ params }) => pageOf('tools', tools, params?.cursor));
  server.setRequestHandler(spec.ListPromptsRequestSchema, ({ params }) => pageOf('prompts', prompts, params?.cursor));
  server.setRequestHandler(spec.ListResourcesRequestSchema, ({ params }) =>
    pageOf('resources', resourcesOf(service), params?.cursor),
  );
  server.setRequestHandler(spec.SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.setRequestHandler(spec.UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  server.setRequestHandler(spec.CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: args = {} } = params;
    say({ ran: name });
    const progress = async (done, total) => {
      const progressToken = params._meta?.progressToken;
      if (progressToken === undefined) return;
      await extra.sendNotification({
        method: 'notifications/progress',
        params: { progressToken, progress: done, total },
      });
    };
    switch (name) {
      case 'search':
        return answerOf(`search:${args.text?.length ?? 0}`);
      case 'count':
        for (let done = 1; done <= args.to; done += 1) {
          await progress(done, args.to);
          // What follows has to be asked for anew, from the last event that came.
          if (kind === 'resumable' && done === 1) extra.closeSSEStream?.();
          // Clients lose progress that comes in one piece with what follows it.
          await delay(200);
        }
        return answerOf(args.to);
      case 'slow': {
        const waiting = delay(60_000, undefined, { signal: extra.signal });
        await progress(1, 2);
        await waiting.catch(() => say({ cancelled: name }));
        return answerOf('late');
      }
      case 'ask': {
        const { action, content } = await server.elicitInput(question, { relatedRequestId: extra.requestId });
        return answerOf(`${action} ${content?.name}`);
      }
      case 'touch':
        for (const uri of subscribed) await server.sendResourceUpdated({ uri });
        return answerOf(subscribed.size);
      case 'big':
        return answerOf('x'.repeat(args.bytes));
      default:
        return answerOf(name);
    }
  });
  return server;
}

async function streamable(request, response) {
  const id = request.headers['mcp-session-id'];
  let transport = transports.get(id);
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      enableJsonResponse: kind === 'json',
      ...(kind === 'resumable' ? { eventStore: new InMemoryEventStore(), retryInterval: 100 } : {}),
      onsessioninitialized: (made) => void transports.set(made, transport),
    });
    await session().connect(transport);
  }
  await transport.handleRequest(request, response);
}

async function older(request, response) {
  const url = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && url.pathname === '/sse') {
    const transport = new SSEServerTransport('/messages', response);
    transports.set(transport.sessionId, transport);
    await session().connect(transport);
  } else if (request.method === 'POST' && url.pathname === '/messages') {
    await transports.get(url.searchParams.get('sessionId'))?.handlePostMessage(request, response);
  } else response.writeHead(404).end();
}

const server = createServer((request, response) => void (kind === 'older' ? older : streamable)(request, response));
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

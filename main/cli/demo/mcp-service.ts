/**
 * The demo's dark MCP server: streamable HTTP, stateless, JSON answers, three tools of which one should never be reached.
 * Source: modelcontextprotocol.io, specification 2025-06-18, transports and server/tools.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { listening, type DemoService } from './web-service.ts';

const protocolVersion = '2025-06-18';
const maxBodyBytes = 1024 * 1024;

const documents = [
  'Culverts carry a stream under a road, unseen.',
  'A dark service has no inbound port, no public name and no address.',
  'Access is decided for each session, at that moment.',
];

const text = { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] };
const tools = [
  { name: 'search', description: 'Search the notes', inputSchema: text },
  { name: 'count', description: 'How many notes there are', inputSchema: { type: 'object', properties: {} } },
  { name: 'delete_notes', description: 'Delete every note', inputSchema: { type: 'object', properties: {} } },
];

interface RpcRequest {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly query?: string } };
}

/** Listen on a free loopback port. */
export async function openMcpService(): Promise<DemoService> {
  let served = 0;
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.writeHead(405, { allow: 'POST' }).end();
      return;
    }
    readBody(request).then(
      (body) => {
        const call = JSON.parse(body) as RpcRequest;
        if (call.id === undefined) {
          response.writeHead(202).end(); // a notification
          return;
        }
        served += 1;
        const answer = { jsonrpc: '2.0', id: call.id, ...answerOf(call) };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      },
      () => response.writeHead(400).end(),
    );
  });
  return listening(server, () => served);
}

function answerOf(call: RpcRequest): { result: unknown } | { error: { code: number; message: string } } {
  switch (call.method) {
    case 'initialize':
      return {
        result: {
          protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: 'culvert-demo-notes', version: '1.0.0' },
        },
      };
    case 'ping':
      return { result: {} };
    case 'tools/list':
      return { result: { tools } };
    case 'tools/call':
      return callTool(call.params?.name, call.params?.arguments?.query ?? '');
    default:
      return { error: { code: -32601, message: `no such method: ${call.method ?? ''}` } };
  }
}

function callTool(name: string | undefined, query: string): ReturnType<typeof answerOf> {
  const say = (said: string): ReturnType<typeof answerOf> => ({ result: { content: [{ type: 'text', text: said }] } });
  switch (name) {
    case 'search':
      return say(
        documents.filter((one) => one.toLowerCase().includes(query.toLowerCase())).join('\n') || 'nothing found',
      );
    case 'count':
      return say(String(documents.length));
    case 'delete_notes':
      return say('everything is deleted');
    default:
      return { error: { code: -32602, message: `no such tool: ${name ?? ''}` } };
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > maxBodyBytes) throw new Error('too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

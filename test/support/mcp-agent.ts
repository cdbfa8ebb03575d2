/**
 * An agent as a program of its own: connects to an MCP server through a proxy with an official SDK, does what it is told, prints one JSON
 * line of what came of it. Bundled by tests, since what makes it an agent is the path it is run from.
 *
 * Arguments: proxy (empty: none), URL, `handshake` or `stateless`, and a JSON list of steps.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { fetch as proxiedFetch, ProxyAgent } from 'undici';

export type AgentStep =
  | { readonly do: 'list' }
  | {
      readonly do: 'call';
      readonly tool: string;
      readonly arguments?: Record<string, unknown>;
      readonly textBytes?: number;
    }
  /** Any body, as it stands, in the session that is open. */
  | { readonly do: 'post'; readonly body: string };

export type AgentResult =
  | { readonly tools: readonly string[] }
  | { readonly text: string }
  | { readonly error: { readonly code: number | undefined; readonly message: string } }
  | { readonly status: number; readonly body: string };

interface AnyClient {
  listTools(): Promise<{ tools: readonly { name: string }[] }>;
  callTool(call: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
}

const [proxy = '', url = '', generation = '', steps = '[]'] = process.argv.slice(2);
const way = proxy === '' ? {} : { dispatcher: new ProxyAgent({ uri: `http://${proxy}`, proxyTunnel: true }) };
let sessionId: string | undefined;

const through = async (input: string | URL, init?: RequestInit): Promise<Response> => {
  const answer = await proxiedFetch(input, { ...(init as object), ...way });
  sessionId = answer.headers.get('mcp-session-id') ?? sessionId;
  return answer as unknown as Response;
};

async function connect(): Promise<AnyClient> {
  const at = new URL(url);
  if (generation === 'handshake') {
    const client = new Client({ name: 'agent', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(at, { fetch: through }));
    return client;
  }
  const client = new ModernClient(
    { name: 'agent', version: '2' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(new ModernTransport(at, { fetch: through }));
  return client;
}

async function take(client: AnyClient, step: AgentStep): Promise<AgentResult> {
  try {
    switch (step.do) {
      case 'list':
        return { tools: (await client.listTools()).tools.map((tool) => tool.name).sort() };
      case 'call': {
        const text = step.textBytes === undefined ? {} : { text: 'x'.repeat(step.textBytes) };
        const answer = (await client.callTool({ name: step.tool, arguments: { ...step.arguments, ...text } })) as {
          content?: readonly { text?: string }[];
        };
        return { text: answer.content?.[0]?.text ?? '' };
      }
      case 'post': {
        const answer = await through(url, {
          method: 'POST',
          body: step.body,
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
          },
        });
        return { status: answer.status, body: await answer.text() };
      }
    }
  } catch (error) {
    const { code, message } = error as { code?: number; message: string };
    return { error: { code, message } };
  }
}

const client = await connect();
const results: AgentResult[] = [];
for (const step of JSON.parse(steps) as AgentStep[]) results.push(await take(client, step));
await client.close();
process.stdout.write(`${JSON.stringify(results)}\n`);
process.exit(0);

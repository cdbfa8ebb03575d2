/** Many small servers of the official 1.x SDK in one process, for figures. Arguments: how many, and how many tools each has. */
import { createServer } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { answerOf, say } from './offers.mjs';

const [count, toolsEach] = process.argv.slice(2).map(Number);
const schema = { type: 'object', properties: { text: { type: 'string', description: 'what it is about' } } };
const tools = Array.from({ length: toolsEach }, (_, at) => ({
  name: `tool_${at}`,
  description: `Does the ${at}th of the things that this service can do, with a sentence or two that say when to use it.`,
  inputSchema: schema,
}));

function open() {
  const transports = new Map();
  const serve = async (request, response) => {
    let transport = transports.get(request.headers['mcp-session-id']);
    if (transport === undefined) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        enableJsonResponse: true,
        onsessioninitialized: (id) => void transports.set(id, transport),
      });
      const server = new Server({ name: 'many', version: '1' }, { capabilities: { tools: {} } });
      server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
      server.setRequestHandler(CallToolRequestSchema, ({ params }) => answerOf(params.arguments?.text ?? ''));
      await server.connect(transport);
    }
    await transport.handleRequest(request, response);
  };
  const server = createServer((request, response) => void serve(request, response));
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

say({ ports: await Promise.all(Array.from({ length: count }, open)) });

/** A stdio MCP server of the official 1.x SDK, for tests: says its process id, reports progress, asks for input, never answers where asked. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const server = new McpServer({ name: 'stdio', version: '1' });
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
server.registerTool('pid', { description: 'says its process id' }, () => text(process.pid));
server.registerTool('echo', { description: 'says it again', inputSchema: { text: z.string() } }, ({ text: said }) =>
  text(said),
);
server.registerTool(
  'count',
  { description: 'counts', inputSchema: { to: z.number() } },
  async ({ to }, { _meta, sendNotification }) => {
    for (let progress = 1; progress <= to; progress += 1) {
      const params = { progressToken: _meta?.progressToken, progress, total: to };
      if (_meta?.progressToken !== undefined) await sendNotification({ method: 'notifications/progress', params });
    }
    return text(to);
  },
);
server.registerTool('ask', { description: 'asks its user' }, async () => {
  const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
  const { action, content } = await server.server.elicitInput({ message: 'who?', requestedSchema });
  return text(`${action} ${content?.name}`);
});
server.registerTool('exit', { description: 'ends' }, () => process.exit(3));
await server.connect(new StdioServerTransport());

/** A stdio MCP server of the official 1.x SDK, for tests: says its process id, reports progress, asks for input, never answers where asked. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const server = new McpServer({ name: 'stdio', version: '1' });
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
/** What `echo` says of itself may stand in a file, so that it can change. */
const about = process.argv[2] === undefined ? 'says it again' : readFileSync(process.argv[2], 'utf8');
server.registerTool('pid', { description: 'says its process id' }, () => text(process.pid));
server.registerTool('echo', { description: about, inputSchema: { text: z.string() } }, ({ text: said }) => text(said));
server.registerTool(
  'count',
  { description: 'counts', inputSchema: { to: z.number() } },
  async ({ to }, { _meta, sendNotification }) => {
    for (let progress = 1; progress <= to; progress += 1) {
      const params = { progressToken: _meta?.progressToken, progress, total: to };
      if (_meta?.progressToken !== undefined) await sendNotification({ method: 'notifications/progress', params });
      // Work takes its time; clients lose progress that comes in one piece with its answer.
      await delay(30);
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

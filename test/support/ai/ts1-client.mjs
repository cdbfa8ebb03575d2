/** A client of the official 1.x SDK for the matrix. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { allOf, megabytes, once, readTask, report, textIn } from './asked.mjs';

const { where, prefix, service } = readTask();
const client = new Client({ name: 'matrix', version: '1' }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'me' } }));
const updated = once();
client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.tell(params.uri));
await client.connect(
  where.url !== undefined
    ? new StreamableHTTPClientTransport(new URL(where.url))
    : where.sse !== undefined
      ? new SSEClientTransport(new URL(where.sse))
      : new StdioClientTransport({ ...where, maxBufferSize: 2 * megabytes }),
);
const call = (name, args = {}, options = {}) =>
  client.callTool({ name: prefix + name, arguments: args }, undefined, options);
const named = (items) => items.map(({ name }) => name).filter((name) => name.startsWith(prefix));

await report({
  tools: async () => named(await allOf((page) => client.listTools(page), 'tools')),
  prompts: async () => named(await allOf((page) => client.listPrompts(page), 'prompts')),
  resources: async () =>
    (await allOf((page) => client.listResources(page), 'resources'))
      .map(({ uri }) => uri)
      .filter((uri) => uri.includes(`://${service}/`)),
  call: async () => textIn(await call('search', { text: 'abc' })),
  refusal: () => call('delete_all').then(textIn, ({ message }) => message),
  progress: async () => {
    const seen = [];
    const said = textIn(await call('count', { to: 3 }, { onprogress: ({ progress }) => seen.push(progress) }));
    return [...seen, said];
  },
  cancel: async () => {
    const stop = new AbortController();
    await call('slow', {}, { signal: stop.signal, onprogress: () => stop.abort() }).catch(() => undefined);
    return stop.signal.aborted;
  },
  elicitation: async () => textIn(await call('ask')),
  subscription: async () => {
    const uri = `doc://${service}/public`;
    await client.subscribeResource({ uri });
    await call('touch');
    const told = await updated.told;
    await client.unsubscribeResource({ uri });
    return told;
  },
  large: async () => textIn(await call('big', { bytes: megabytes })).length,
});
await client.close();
process.exit(0);

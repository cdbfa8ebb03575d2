/** A client of the official 2.x SDK for the matrix; a fourth argument names the era: `auto` (default), `legacy`, or a revision to be pinned to. */
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { megabytes, once, readTask, report, textIn } from './asked.mjs';

const { where, prefix, service } = readTask();
const era = process.argv[5] ?? 'auto';
const mode = ['auto', 'legacy'].includes(era) ? era : { pin: era };
const client = new Client(
  { name: 'matrix', version: '2' },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
);
client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'me' } }));
const updated = once();
client.setNotificationHandler('notifications/resources/updated', ({ params }) => updated.tell(params.uri));
await client.connect(
  where.url !== undefined
    ? new StreamableHTTPClientTransport(new URL(where.url))
    : where.sse !== undefined
      ? new SSEClientTransport(new URL(where.sse))
      : new StdioClientTransport({ ...where, maxBufferSize: 2 * megabytes }),
);
const call = (name, args = {}, options = {}) => client.callTool({ name: prefix + name, arguments: args }, options);
const named = (items) => items.map(({ name }) => name).filter((name) => name.startsWith(prefix));

await report({
  tools: async () => named((await client.listTools()).tools),
  prompts: async () => named((await client.listPrompts()).prompts),
  resources: async () =>
    (await client.listResources()).resources.map(({ uri }) => uri).filter((uri) => uri.includes(`://${service}/`)),
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
    if (client.getProtocolEra() === 'modern') await client.listen({ resourceSubscriptions: [uri] });
    else await client.subscribeResource({ uri });
    await call('touch');
    return updated.told;
  },
  large: async () => textIn(await call('big', { bytes: megabytes })).length,
});
await client.close();
process.exit(0);

/** Every guard, held to what all of them keep. */
import { parseEngagement } from '../../main/base/engagement.ts';
import { AgentEndpoints } from '../../main/guard/a2a/endpoints.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { Guard } from '../../main/guard/guard.ts';
import { createInjector } from '../../main/guard/http/inject.ts';
import { answer, chunked, context, post, type Segment } from '../support/guard-driver.ts';
import { guardConformance } from './guard.ts';

const guardOf = (terms: unknown) => (): Guard => {
  const guard = createGuard(parseEngagement(terms, 'test'), context());
  if (guard === undefined) throw new Error('no guard');
  return guard;
};
/** Chunks follow the pieces their payload came in. */
const withoutChunks = (bytes: string): string => bytes.replace(/\r\n[0-9a-f]+\r\n/g, '').replace(/\r\n0\r\n\r\n/g, '');
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: api\r\n\r\n`;
const chat = (body: unknown, path = '/v1/chat/completions'): string => post(JSON.stringify(body)).replace('/mcp', path);
const rpc = (id: number | undefined, method: string, params: unknown = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });
const call = (id: number, name: string, args: unknown = {}): string => rpc(id, 'tools/call', { name, arguments: args });
const result = (id: number, value: unknown): string => JSON.stringify({ jsonrpc: '2.0', id, result: value });
const listed = (...names: readonly string[]): unknown => ({ tools: names.map((name) => ({ name, inputSchema: {} })) });
const mcp = { allow: ['search', 'list_*'], deny: ['delete_*'] };

const mcpOverHttp: readonly Segment[] = [
  ['app', post(rpc(0, 'initialize', { protocolVersion: '2025-11-25' }))],
  ['service', answer(result(0, { capabilities: {} }), { 'Mcp-Session-Id': 'abc' })],
  ['app', post(rpc(undefined, 'notifications/initialized'))],
  ['service', 'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n'],
  ['app', post(rpc(1, 'tools/list'))],
  ['service', answer(result(1, listed('search', 'delete_user', 'list_users')))],
  [
    'app',
    post(call(2, 'search', { text: 'hé"\\\u2028', n: 1 })) + post(call(3, 'delete_user')) + post(call(4, 'list_users')),
  ],
  ['service', chunked([`event: message\ndata: ${result(2, { content: [] })}\n\n`])],
  ['service', chunked([`data: ${result(4, { content: [] })}\r\n`, '\r\n'])],
  ['app', 'GET /mcp HTTP/1.1\r\nHost: docs\r\nAccept: text/event-stream\r\n\r\n'],
  ['service', chunked([`data: ${result(9, listed('delete_user'))}\n\n`, ': ping\n\n', 'data: {"type":"ping"}\n\n'])],
  ['app', post('{"broken":')],
  ['app', post(rpc(undefined, 'tools/call', { name: 'search' }))],
  ['app', 'DELETE /mcp HTTP/1.1\r\nHost: docs\r\n\r\n'],
  ['service', 'HTTP/1.1 204 No Content\r\n\r\n'],
];

guardConformance({
  name: 'MCP over HTTP',
  make: guardOf({ mcp }),
  conversation: mcpOverHttp,
  meaning: withoutChunks,
});

guardConformance({
  name: 'MCP over HTTP beside methods, paths and models',
  make: guardOf({ mcp, http: { methods: ['POST', 'GET'], paths: ['/mcp', '/v1/**'], models: ['gpt'] } }),
  conversation: [...mcpOverHttp, ['app', chat({ model: 'gpt', messages: [] })], ['service', answer('{}')]],
  meaning: withoutChunks,
});

const toAgent = (body: string): string => post(body, {}, '/');
const a2aMessage = (text: string, more: object = {}): unknown => ({
  message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text }], ...more },
});

guardConformance({
  name: 'A2A over JSON-RPC',
  make: guardOf({ a2a: { skills: ['quote', '*'], messageTypes: ['text'], maxMessages: 9 } }),
  conversation: [
    ['app', 'GET /.well-known/agent-card.json HTTP/1.1\r\nHost: broker\r\n\r\n'],
    [
      'service',
      answer('{"name":"b","skills":[{"id":"quote"},{"name":"x"}],"supportedInterfaces":[{"protocolBinding":"GRPC"}]}'),
    ],
    ['app', toAgent(rpc(1, 'SendMessage', a2aMessage('hé"\\\u2028'))) + toAgent(rpc(2, 'tasks/get', { id: 't' }))],
    ['service', answer(result(1, a2aMessage('yes')))],
    ['service', answer(result(2, { id: 't', artifacts: [{ parts: [{ kind: 'data', data: {} }] }] }))],
    ['app', toAgent(rpc(3, 'SendStreamingMessage', a2aMessage('go', { metadata: { skillId: 'quote' } })))],
    ['service', chunked([`data: ${result(3, { task: { id: 't' } })}\r\n`, '\r\n', ': ping\n\n'])],
    ['app', toAgent(rpc(4, 'SendMessage', a2aMessage('x', { content: 1 }))) + toAgent('{"broken":')],
    ['app', toAgent(rpc(undefined, 'SendMessage', a2aMessage('x')))],
  ],
  meaning: withoutChunks,
});

const byRest = (body: unknown, path = 'message:send'): string => post(JSON.stringify(body), {}, `/rest/${path}`);

guardConformance({
  name: 'A2A over REST',
  make() {
    const endpoints = new AgentEndpoints({ '/card': { rpc: [], rest: ['/rest'] } });
    const terms = { a2a: { skills: ['quote', '*'], messageTypes: ['text'], maxMessages: 9 } };
    const guard = createGuard(parseEngagement(terms, 'test'), context({ endpoints }));
    if (guard === undefined) throw new Error('no guard');
    return guard;
  },
  conversation: [
    ['app', byRest(a2aMessage('hé"\\\u2028')) + get('/rest/tasks/t?historyLength=2')],
    ['service', answer(JSON.stringify(a2aMessage('yes')))],
    ['service', answer(JSON.stringify({ id: 't', artifacts: [{ parts: [{ data: {} }] }] }))],
    ['app', byRest(a2aMessage('go', { metadata: { skillId: 'quote' } }), 'message:stream')],
    ['service', chunked([`data: ${JSON.stringify({ task: { id: 't' } })}\r\n`, '\r\n', ': ping\n\n'])],
    ['app', byRest(a2aMessage('x', { content: 1 })) + byRest({}, 'tasks/t:cancel') + get('/rest/admin')],
    ['service', answer('{"error":{"code":404,"status":"NOT_FOUND","message":"no","details":[{"a":1}]}}')],
  ],
  meaning: withoutChunks,
});

const envelope = (header: unknown, payload: string): Uint8Array => {
  const json = JSON.stringify(header);
  const head = Buffer.alloc(9);
  head[0] = 1;
  head.writeUInt32BE(Buffer.byteLength(json), 1);
  head.writeUInt32BE(payload.length, 5);
  return Uint8Array.from(Buffer.concat([head, Buffer.from(json), Buffer.from(payload)]));
};

guardConformance({
  name: 'envelopes',
  make: guardOf({ a2a: { messageTypes: ['quote.*'], maxMessages: 9, maxMessageBytes: 5_000 } }),
  conversation: [
    ['app', envelope({ schema_version: 1, message_type: 'quote.ask', timestamp: 'now' }, 'opaque')],
    ['service', envelope({ message_type: 'quote.told', correlation_id: 'e' }, 'x'.repeat(900))],
    ['app', envelope({ message_type: 'quote.none' }, '')],
    ['app', envelope({ message_type: 'transfer' }, 'never')],
  ],
});

guardConformance({
  name: 'MCP as lines',
  make: guardOf({ mcp }),
  conversation: [
    ['app', `${rpc(0, 'initialize', {})}\r\n\n  \n`],
    ['service', `${result(0, {})}\n`],
    ['app', `${call(1, 'search', { a: '\r\n' })}\n${call(2, 'delete_user')}\n${rpc(3, 'tools/list')}\n{"x":\n`],
    ['service', `${result(3, listed('search', 'delete_user'))}\r\n\n${result(1, {})}\nnot json\n`],
    ['app', `[${call(4, 'search')},${rpc(undefined, 'notifications/progress')}]\n`],
    ['service', `[${result(4, { isError: true })}]\n`],
  ],
});

guardConformance({
  name: 'models and tokens over HTTP',
  make: guardOf({ http: { models: ['gpt'], tokenBudget: { tokens: 5_000, perSeconds: 60 } } }),
  conversation: [
    ['app', get('/api/a') + chat({ model: 'gpt' })],
    ['service', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['service', chunked(['data: {"usage":{"input_tokens":4,"output_tokens":6}}\n\n'])],
    [
      'app',
      'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"model":"gpt"} \r\n0\r\nX: y\r\n\r\n',
    ],
    ['service', answer('{"usage":{"prompt_tokens":1}}')],
    ['app', chat({ model: 'other' })],
    ['app', get('/c')],
    ['service', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ],
  meaning: withoutChunks,
});

guardConformance({
  name: 'methods and paths over HTTP',
  make: guardOf({ http: { methods: ['GET', 'POST'], paths: ['/a/**'] } }),
  conversation: [
    ['app', `${get('/a/b')}${get('/x')}${post('{"a":1}').replace('/mcp', '/a/c')}`],
    ['service', answer('{}') + answer('{}')],
    [
      'app',
      'POST /a/d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Original-URL: /x\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n',
    ],
    ['service', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end'],
  ],
  meaning: withoutChunks,
});

guardConformance({
  name: 'provider keys',
  make: () => createInjector({ kind: 'key', header: 'authorization', value: 'Bearer k', rule: 'hosting:key k' }),
  conversation: [
    ['app', `${post('{"model":"m"}', { Authorization: 'mine' })}${get('/v1/models?key=mine')}`],
    ['service', answer('{}') + answer('{}')],
    ['app', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ],
  meaning: withoutChunks,
});

const frame = (transaction: number, pdu: readonly number[]): Uint8Array =>
  Uint8Array.of(transaction >> 8, transaction & 255, 0, 0, 0, pdu.length + 1, 1, ...pdu);

const modbus: readonly Segment[] = [
  ['app', Buffer.concat([frame(1, [3, 0, 0, 0, 1]), frame(2, [6, 0, 0, 0, 9]), frame(3, [3, 0, 1, 0, 1])])],
  ['service', Buffer.concat([frame(1, [3, 2, 0, 7]), frame(3, [3, 2, 0, 7])])],
  ['app', frame(4, [8, 0, 1, 0, 0])],
];

guardConformance({ name: 'Modbus', make: guardOf({ modbus: { allow: 'read' } }), conversation: modbus });

// A contract that observes keeps all of it too.
guardConformance({
  name: 'Modbus, observed',
  make: guardOf({ modbus: { allow: 'read' }, enforce: 'observe' }),
  conversation: modbus,
});

guardConformance({
  name: 'MCP over HTTP, observed',
  make: guardOf({ mcp, http: { methods: ['POST'], paths: ['/v1/**'] }, enforce: 'observe' }),
  conversation: mcpOverHttp,
  meaning: withoutChunks,
});

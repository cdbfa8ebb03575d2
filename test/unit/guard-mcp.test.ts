import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { Guard, GuardContext } from '../../main/guard/guard.ts';
import { CompiledMcpRules } from '../../main/guard/mcp/rules.ts';
import {
  answer,
  chunked,
  context,
  dechunk,
  GuardDriver,
  post,
  recut,
  sha256,
  type Segment,
} from '../support/guard-driver.ts';

const guardOf = (terms: unknown, more: Partial<GuardContext> = {}): Guard => {
  const guard = createGuard(parseEngagement(terms, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return guard;
};
const drive = (terms: unknown, more: Partial<GuardContext> = {}): GuardDriver => new GuardDriver(guardOf(terms, more));
const rpc = (id: number | undefined, method: string, params: unknown = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });
const call = (id: number, name: string, args: unknown = {}): string => rpc(id, 'tools/call', { name, arguments: args });
const result = (id: number, value: unknown): string => JSON.stringify({ jsonrpc: '2.0', id, result: value });
const bodyOf = (http: string): unknown => JSON.parse(http.slice(http.indexOf('\r\n\r\n') + 4));
const strict = { mcp: { allow: ['search', 'list_*'], deny: ['delete_*'] } };
const listed = (...names: readonly string[]): unknown => ({ tools: names.map((name) => ({ name, inputSchema: {} })) });

describe('MCP over HTTP', () => {
  it('passes an allowed call untouched and reports it when answered', () => {
    const driver = drive(strict);
    const request = post(call(1, 'search', { b: 2, a: 'x' }));
    driver.app(request);
    expect(driver.takeService()).toBe(request);
    expect(driver.outcome.calls).toEqual([]);
    driver.nowMs += 25;
    driver.service(answer(result(1, { content: [] })));
    expect(driver.outcome.calls).toEqual([
      {
        protocol: 'mcp',
        method: 'tools/call',
        target: 'search',
        decision: 'allow',
        rule: 'contract:mcp.allow search',
        digest: sha256('{"a":"x","b":2}'),
        startedAtMs: 1_000,
        durationMs: 25,
        failed: false,
      },
    ]);
  });

  it('refuses a hidden tool by name, itself, and at once', () => {
    const driver = drive(strict);
    driver.app(post(call(7, 'delete_user')));
    expect(driver.takeService()).toBe('');
    expect(bodyOf(driver.takeApp())).toMatchObject({
      jsonrpc: '2.0',
      id: 7,
      error: { code: -32602, message: 'Unknown tool: delete_user', data: { rule: 'contract:mcp.deny delete_*' } },
    });
    expect(driver.outcome.calls).toMatchObject([{ target: 'delete_user', decision: 'deny' }]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('takes hidden tools out of JSON lists, page by page, and mends the length', () => {
    const driver = drive(strict);
    driver.app(post(rpc(1, 'tools/list')));
    driver.service(
      answer(result(1, { ...(listed('search', 'delete_user') as object), nextCursor: 'p2', cacheScope: 'public' })),
    );
    const first = driver.takeApp();
    expect(bodyOf(first)).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { ...(listed('search') as object), nextCursor: 'p2', cacheScope: 'private' },
    });
    expect(first).toContain(`Content-Length: ${first.slice(first.indexOf('\r\n\r\n') + 4).length}`);
    driver.app(post(rpc(2, 'tools/list', { cursor: 'p2' })));
    const untouched = answer(result(2, listed('list_users')));
    driver.service(untouched);
    expect(driver.takeApp()).toBe(untouched);
  });

  it('takes them out of event streams, also of an answer whose question came elsewhere', () => {
    const driver = drive(strict);
    driver.app('GET /mcp HTTP/1.1\r\nHost: docs\r\nAccept: text/event-stream\r\nAccept-Encoding: gzip\r\n\r\n');
    expect(driver.takeService()).not.toContain('gzip');
    const event = `id: 4\nevent: message\ndata: ${result(9, listed('delete_user', 'search'))}\n\n`;
    driver.service(
      chunked([
        ': hello\n\n',
        event.slice(0, 30),
        event.slice(30),
        'data: {"jsonrpc":"2.0","method":"notifications/x"}\r\n\r\n',
      ]),
    );
    const payload = dechunk(driver.takeApp());
    expect(payload).toContain(': hello\n\n');
    expect(payload).toContain('id: 4\n');
    expect(payload).toContain('notifications/x');
    expect(payload).toContain('"search"');
    expect(payload).not.toContain('delete_user');
  });

  it('leaves alone what a tool itself answers', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search')));
    const reply = answer(result(1, { tools: [{ name: 'delete_user' }], isError: true }));
    driver.service(reply);
    expect(driver.takeApp()).toBe(reply);
    expect(driver.outcome.calls[0]).toMatchObject({ failed: true });
  });

  it.each([
    ['invalid JSON', '{"jsonrpc":"2.0",', -32700],
    ['a doubled key', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32700],
    ['an escaped doubled key', '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/call"}', -32700],
    ['another spelling of a key', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', -32600],
    [
      'a folded spelling of a parameter',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","Name":"delete_x"}}',
      -32600,
    ],
    ['a byte order mark', '\u00ef\u00bb\u00bf{"jsonrpc":"2.0","id":1,"method":"ping"}', -32700],
    ['bytes that are no UTF-8', '{"jsonrpc":"2.0","id":1,"method":"\u00ff"}', -32700],
    ['endless nesting', '['.repeat(100_000), -32700],
    ['an empty batch', '[]', -32600],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
  ])('does not let %s pass', (_name, body, code) => {
    const driver = drive(strict);
    // latin1 in the support: the body above is bytes.
    const raw = Buffer.from(body, 'latin1');
    driver
      .app(`POST /mcp HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: ${raw.length}\r\n\r\n`)
      .app(raw);
    expect(driver.takeService()).toBe('');
    expect(bodyOf(driver.takeApp())).toMatchObject({ error: { code } });
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
    driver.app(post(call(2, 'search')));
    expect(driver.takeService()).not.toBe('');
  });

  it('lets a batch pass whole or not at all', () => {
    const driver = drive(strict);
    const good = post(`[${call(1, 'search')},${rpc(undefined, 'notifications/progress')},${call(2, 'list_users')}]`);
    driver.app(good);
    expect(driver.takeService()).toBe(good);
    driver.service(answer(`[${result(2, {})},${result(1, {})}]`));
    expect(driver.outcome.calls.map((one) => one.target)).toEqual(['list_users', 'search']);
    driver.takeApp();
    driver.app(post(`[${call(3, 'search')},${call(4, 'delete_user')}]`));
    expect(driver.takeService()).toBe('');
    expect(bodyOf(driver.takeApp())).toMatchObject([
      { id: 3, error: { code: -32600 } },
      { id: 4, error: { code: -32602 } },
    ]);
  });

  it('puts its own answers in the order of the questions', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search')) + post(call(2, 'delete_user')) + post(call(3, 'search')));
    expect(driver.takeApp()).toBe('');
    const [one, three] = [answer(result(1, {})), answer(result(3, {}))];
    driver.service(one);
    const both = driver.takeApp();
    expect(both.startsWith(one)).toBe(true);
    expect(both).toContain('"id":2');
    driver.service(three);
    expect(driver.takeApp()).toBe(three);
  });

  it('gives leave to send a body it must read first', () => {
    const driver = drive(strict);
    const request = post(call(1, 'search'), { Expect: '100-continue' });
    const split = request.indexOf('\r\n\r\n') + 4;
    driver.app(request.slice(0, split));
    expect(driver.takeApp()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    driver.app(request.slice(split));
    expect(driver.takeService()).not.toContain('Expect');
  });

  it('refuses headers that name another call than the body', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search'), { 'Mcp-Method': 'tools/call', 'Mcp-Name': 'delete_user' }));
    expect(bodyOf(driver.takeApp())).toMatchObject({ error: { code: -32020 } });
    driver.app(post(call(2, 'search'), { 'Mcp-Method': 'tools/list' }));
    expect(bodyOf(driver.takeApp())).toMatchObject({ error: { code: -32020 } });
    driver.app(post(call(3, 'search'), { 'Mcp-Method': 'tools/call', 'Mcp-Name': '=?base64?c2VhcmNo?=' }));
    expect(driver.takeService()).toContain('"search"');
  });

  it('holds prompts, resources, completions and subscriptions to the rules', () => {
    const driver = drive({
      mcp: {
        deny: [
          { tool: 'doc://private/*', kind: 'resource' },
          { tool: 'secret', kind: 'prompt' },
        ],
      },
    });
    const refused = (id: number, method: string, params: unknown): void => {
      driver.app(post(rpc(id, method, params)));
      expect(driver.takeService()).toBe('');
      expect(bodyOf(driver.takeApp())).toMatchObject({ id, error: { code: -32602 } });
    };
    refused(1, 'resources/read', { uri: 'doc://private/x' });
    refused(2, 'resources/subscribe', { uri: 'doc://private/x' });
    refused(3, 'prompts/get', { name: 'secret' });
    refused(4, 'completion/complete', { ref: { type: 'ref/prompt', name: 'secret' }, argument: {} });
    refused(5, 'subscriptions/listen', { notifications: { resourceSubscriptions: ['doc://ok', 'doc://private/y'] } });
    refused(6, 'tools/call', { name: 7 });
    driver.app(post(call(7, 'secret')));
    expect(driver.takeService()).not.toBe('');
    driver.app(post(rpc(8, 'tools/execute', { name: 'x' })));
    driver.service(answer(result(7, {})));
    expect(driver.takeApp()).toContain('-32601');
  });

  it('counts calls of one session, and rates over all of an agent', () => {
    const shared = context();
    const terms = { mcp: { maxCalls: 2, rateLimit: { calls: 3, perSeconds: 10 } } };
    const [one, two] = [drive(terms, shared), drive(terms, shared)];
    one
      .app(post(call(1, 'a')))
      .app(post(call(2, 'a')))
      .app(post(call(3, 'a')));
    expect(one.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'contract:mcp.maxCalls' }]);
    two.app(post(call(1, 'a'))).app(post(call(2, 'a')));
    expect(two.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'contract:mcp.rateLimit' }]);
    two.nowMs += 10_000;
    two.service(answer(result(1, {}))).app(post(call(3, 'a')));
    expect(two.outcome.calls.filter((one) => one.decision === 'deny')).toHaveLength(1);
  });

  it('takes a message beyond the limit for a violation', () => {
    const driver = drive({ mcp: { maxMessageBytes: 1_000 } });
    driver.app(post(call(1, 'search', { text: 'x'.repeat(2_000) })));
    expect(driver.outcome.violations).toEqual(['guard.mcp.too_large']);
    expect(driver.takeApp()).toContain('413');
    expect(driver.takeService()).toBe('');
    const large = drive({ mcp: { maxMessageBytes: 1_000 } });
    large.app(post(call(1, 'search'))).service(answer(result(1, { text: 'x'.repeat(100_000) })));
    expect(large.outcome.violations).toEqual(['guard.mcp.too_large']);
  });

  it.each([
    ['an answer in gzip', answer('x', { 'Content-Encoding': 'gzip' })],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
    ['no HTTP', 'hello there\r\n\r\n'],
  ])('takes %s from the service for a violation', (_name, reply) => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search'))).service(reply);
    expect(driver.outcome.violations).toHaveLength(1);
    expect(driver.takeApp()).toBe('');
  });

  it('does not pass on an answer nobody asked for', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search')));
    const reply = answer(result(1, {}));
    driver.service(reply + answer(result(2, listed('delete_user'))));
    expect(driver.takeApp()).toBe(reply);
  });

  it('sees TLS and says so; without rules it passes', () => {
    const hello = Uint8Array.of(0x16, 3, 1, 0, 5, 1, 2, 3);
    const closed = drive(strict).run([['app', hello]]);
    expect(closed).toMatchObject({ notVisible: ['closed'], violations: ['guard.mcp.not_visible'] });
    expect(closed.toService).toHaveLength(0);
    const open = drive({ mcp: { recordArguments: true } }).run([
      ['app', hello],
      ['service', hello],
    ]);
    expect(open).toMatchObject({ notVisible: ['open'], violations: [] });
    expect(open.toService).toHaveLength(8);
    expect(open.toApp).toHaveLength(8);
  });

  it('reports calls still open when the stream ends', () => {
    const outcome = drive(strict).run([['app', post(call(1, 'search'))]]);
    expect(outcome.calls).toMatchObject([{ target: 'search', decision: 'allow' }]);
    expect(outcome.calls[0]).not.toHaveProperty('durationMs');
  });
});

describe('MCP as lines', () => {
  it('judges, filters and answers line by line', () => {
    const driver = drive(strict);
    driver.app(`${call(1, 'search')}\n${call(2, 'delete_user')}\n`);
    expect(driver.takeService()).toBe(`${call(1, 'search')}\n`);
    expect(JSON.parse(driver.takeApp())).toMatchObject({ id: 2, error: { code: -32602 } });
    driver.app(`${rpc(3, 'tools/list')}\n`).service(`${result(3, listed('search', 'delete_user'))}\n`);
    expect(JSON.parse(driver.takeApp())).toEqual({ jsonrpc: '2.0', id: 3, result: listed('search') });
    driver.app('not json\n');
    expect(JSON.parse(driver.takeApp())).toMatchObject({ id: null, error: { code: -32700 } });
    driver.service('not json either\n');
    expect(driver.takeApp()).toBe('');
    expect(driver.outcome.violations).toEqual(['guard.mcp.answer_unreadable']);
  });

  it('holds no line without end', () => {
    const driver = drive({ mcp: { maxMessageBytes: 1_000 } });
    driver.app(`{"x":"${'y'.repeat(2_000)}`);
    expect(driver.outcome.violations).toEqual(['guard.mcp.too_large']);
    expect(driver.takeService()).toBe('');
  });
});

describe('MCP rules on arguments', () => {
  const rules = new CompiledMcpRules({
    allow: [{ tool: 'pay', arguments: { amount: { max: 100 }, 'to.iban': { glob: 'DE*' } } }, 'search'],
    deny: [{ tool: 'search', arguments: { limit: { min: 1000 } } }],
  });
  const allowed = (name: string, args: unknown): boolean => rules.judge('tool', name, args).allowed;

  it('ask what stands there, and count doubt against the call', () => {
    expect(allowed('pay', { amount: 100, to: { iban: 'DE12' } })).toBe(true);
    expect(allowed('pay', { amount: 101, to: { iban: 'DE12' } })).toBe(false);
    expect(allowed('pay', { amount: '1', to: { iban: 'DE12' } })).toBe(false);
    expect(allowed('pay', { amount: 1, to: 'DE12' })).toBe(false);
    expect(allowed('search', { limit: 10 })).toBe(true);
    expect(allowed('search', { limit: 1000 })).toBe(false);
    expect(allowed('search', { limit: '5000' })).toBe(false);
    expect(rules.shows('tool', 'pay')).toBe(true);
    expect(rules.shows('tool', 'other')).toBe(false);
  });
});

const conversation: readonly Segment[] = [
  ['app', post(rpc(0, 'initialize', { protocolVersion: '2025-11-25' }))],
  ['service', answer(result(0, { capabilities: {} }), { 'Mcp-Session-Id': 'abc' })],
  ['app', post(rpc(undefined, 'notifications/initialized'))],
  ['service', 'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n'],
  ['app', post(rpc(1, 'tools/list'))],
  ['service', answer(result(1, listed('search', 'delete_user', 'list_users')))],
  ['app', post(call(2, 'search', { text: 'hello' })) + post(call(3, 'delete_user')) + post(call(4, 'list_users'))],
  ['service', chunked([`event: message\ndata: ${result(2, { content: [] })}\n\n`])],
  ['service', chunked([`data: ${result(4, { content: [] })}\r\n`, '\r\n'])],
  ['app', 'GET /mcp HTTP/1.1\r\nHost: docs\r\nAccept: text/event-stream\r\n\r\n'],
  ['service', chunked([`data: ${result(9, listed('delete_user'))}\n\n`, ': ping\n\n'])],
  ['app', post('{"broken":')],
  ['app', 'DELETE /mcp HTTP/1.1\r\nHost: docs\r\n\r\n'],
  ['service', 'HTTP/1.1 204 No Content\r\n\r\n'],
];

/** Event streams are framed anew, so only their payload is the same however the bytes were cut. */
const shape = (outcome: ReturnType<GuardDriver['end']>): unknown => ({
  service: outcome.toService.toString('latin1'),
  app: outcome.toApp
    .toString('latin1')
    .replace(/\r\n[0-9a-f]+\r\n/g, '')
    .replace(/\r\n0\r\n\r\n/g, ''),
  calls: outcome.calls,
  violations: outcome.violations,
});

describe('any bytes', () => {
  it('mean the same however they are cut', () => {
    const whole = shape(drive(strict).run(conversation));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 12 }), (cuts) => {
        expect(shape(drive(strict).run(recut(conversation, cuts)))).toEqual(whole);
      }),
      { numRuns: 150 },
    );
    expect(shape(drive(strict).run(recut(conversation, [1])))).toEqual(whole);
  });

  it('never make it throw, and what it lets pass it would let pass again', () => {
    const edit = fc.record({
      segment: fc.nat(),
      at: fc.nat(),
      remove: fc.nat({ max: 4 }),
      insert: fc.uint8Array({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
        const mutated = conversation.map(([from, text]): Segment => [from, Buffer.from(text as string, 'latin1')]);
        for (const { segment, at, remove, insert } of edits) {
          const index = segment % mutated.length;
          const [from, bytes] = mutated[index] as readonly ['app' | 'service', Uint8Array];
          const start = at % bytes.length;
          mutated[index] = [
            from,
            Buffer.concat([bytes.slice(0, start), insert, bytes.slice(start + remove), Buffer.of(32)]),
          ];
        }
        const first = drive(strict).run(mutated);
        const again = drive(strict).run([['app', first.toService]]);
        expect(again.toService.equals(first.toService)).toBe(true);
        expect(again.calls.filter((one) => one.decision === 'deny')).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('that are random never make it throw', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 64 })), { maxLength: 10 }), (pieces) => {
        drive(strict).run(pieces.map(([app, bytes]): Segment => [app ? 'app' : 'service', bytes]));
      }),
      { numRuns: 500 },
    );
  });
});

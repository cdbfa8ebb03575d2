import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { ApprovalAnswer, Approve, AskedCall, Guard, GuardContext } from '../../main/guard/guard.ts';
import type { ModelKeys } from '../../main/guard/http/model-key.ts';
import { JsonNumber } from '../../main/guard/json/json-number.ts';
import { CompiledMcpRules } from '../../main/guard/mcp/rules.ts';
import { answer, chunked, context, dechunk, GuardDriver, post, sha256 } from '../support/guard-driver.ts';

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
    ['another spelling of a key', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', -32700],
    ['another spelling of a key alone', '{"jsonrpc":"2.0","id":1,"result":{},"Method":"tools/call"}', -32600],
    ['a field beside those of a message', '{"jsonrpc":"2.0","id":1,"method":"ping","model":"other"}', -32600],
    [
      'another spelling of a parameter alone',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"delete_x"}}',
      -32600,
    ],
    [
      'another spelling deep in the arguments',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"a":[{"path":1,"Path":2}]}}}',
      -32700,
    ],
    ['an id that is no whole number everywhere', '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600],
    ['half a surrogate pair', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', -32700],
    [
      'a folded spelling of a parameter',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","Name":"delete_x"}}',
      -32700,
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
    ['an answer in another charset', answer('x', { 'Content-Type': 'application/json; charset=utf-16' })],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
    ['no HTTP', 'hello there\r\n\r\n'],
  ])('withholds %s from the service, whose fault it is', (_name, reply) => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search'))).service(reply);
    expect(driver.outcome.violations).toEqual([]);
    expect(driver.outcome.faults).toHaveLength(1);
    expect(driver.takeApp()).toContain('HTTP/1.1 502 ');
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

describe('what a second reader would take for something else', () => {
  it.each([
    ['another charset', { 'Content-Type': 'application/json; charset=utf-7' }, 415],
    ['a charset in quotes', { 'Content-Type': 'application/json; charset="UTF-16LE"' }, 415],
    ['a form content type around JSON', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ['plain text around JSON', { 'Content-Type': 'text/plain' }, 415],
    ['a coding', { 'Content-Encoding': 'gzip' }, 415],
  ])('does not let %s pass', (_name, headers, status) => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search'), headers));
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain(`HTTP/1.1 ${status} `);
    expect(driver.outcome).toMatchObject({ violations: [], calls: [{ decision: 'deny' }] });
  });

  it('writes content type and body anew', () => {
    const driver = drive(strict);
    driver.app(
      post(
        '{ "jsonrpc" : "2.0", "id":1,\n"method":"tools/call","params":{"name":"s\\u0065arch","arguments":{"n":9007199254740993,"f":1.0}} }',
        { 'Content-Type': 'Application/JSON;charset="UTF-8"' },
      ),
    );
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"n":9007199254740993,"f":1.0}}}';
    expect(driver.takeService()).toBe(
      `POST /mcp HTTP/1.1\r\nHost: docs\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });

  it('writes an absolute target in origin form', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search')).replace('POST /mcp', 'POST http://other/mcp?_method=PUT&x=1'));
    expect(driver.takeService()).toMatch(/^POST \/mcp\?x=1 HTTP\/1\.1\r\nHost: other\r\n/);
  });

  it('passes a token request as the form it is', () => {
    const driver = drive(strict);
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    driver.app(post('grant_type=refresh_token&refresh_token=a%2Fb&scope=a+b', headers));
    expect(driver.takeService()).toContain('\r\n\r\ngrant_type=refresh_token&refresh_token=a%2Fb&scope=a+b');
    driver.app(post('\v{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_x"}}', headers));
    expect(driver.takeService()).toBe('');
  });

  it('refuses a call without an id, and records it', () => {
    const driver = drive(strict);
    driver.app(post(rpc(undefined, 'tools/call', { name: 'delete_user' })));
    driver.app(post(rpc(undefined, 'notifications/of_its_own')));
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp().match(/HTTP\/1\.1 400 /g)).toHaveLength(2);
    expect(driver.outcome.calls).toMatchObject([
      { method: 'tools/call', target: 'delete_user', decision: 'deny', rule: 'guard:mcp.notification' },
      { method: 'notifications/of_its_own', decision: 'deny' },
    ]);
    driver.app(post(rpc(undefined, 'notifications/initialized')));
    expect(driver.takeService()).toContain('notifications/initialized');
    const lines = drive(strict);
    lines.app(`${rpc(undefined, 'tools/call', { name: 'search' })}\n`);
    expect(lines.takeService()).toBe('');
    expect(lines.outcome.calls).toMatchObject([{ decision: 'deny', target: 'search' }]);
  });

  it('keeps the digits of what it shows', () => {
    const driver = drive(strict);
    driver.app(post(rpc(1, 'tools/list')));
    driver.service(
      answer(
        '{ "jsonrpc":"2.0", "id":1, "result":{"big":12345678901234567890, "tools":[ {"name":"delete_a"}, {"name":"search","n":1.10} ,{"name":"delete_b"}],"ttl":1e3}}',
      ),
    );
    expect(driver.takeApp()).toContain(
      '\r\n\r\n{ "jsonrpc":"2.0", "id":1, "result":{"big":12345678901234567890, "tools":[ {"name":"search","n":1.10}],"ttl":1e3}}',
    );
  });

  it('shows no list that is spelt as none', () => {
    const driver = drive(strict);
    driver.app(post(rpc(1, 'tools/list')));
    driver.service(answer('{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"delete_a"}]}}'));
    expect(driver.takeApp()).not.toContain('delete_a');
    expect(driver.outcome).toMatchObject({ violations: [], faults: ['guard.mcp.answer_unreadable'] });
  });

  it('passes heartbeats and foreign events of a stream over', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'search')));
    const events = [
      ': keep-alive\n\n',
      'data: ping\n\n',
      'event: endpoint\ndata: /messages?sessionId=1\n\n',
      'data: {"type":"ping"}\n\n',
      'data:\n\n',
    ];
    driver.service(chunked([...events, `data: ${result(1, {})}\n\n`]));
    expect(dechunk(driver.takeApp())).toBe(`${events.join('')}data: ${result(1, {})}\n\n`);
    expect(driver.outcome).toMatchObject({ violations: [], faults: [] });
  });

  it('tells the older transport of a refusal by its status', () => {
    const driver = drive(strict);
    driver.app(post(call(1, 'delete_x')).replace('/mcp', '/messages/?session_id=7'));
    expect(driver.takeApp()).toMatch(/^HTTP\/1\.1 403 [^]*Unknown tool: delete_x/);
  });

  it('holds models and tokens beside MCP', () => {
    const driver = drive({
      mcp: { allow: ['search'] },
      http: { models: ['small'], tokenBudget: { tokens: 2_000, perSeconds: 60 } },
    });
    driver.app(post(call(1, 'search', { model: 'large' })));
    driver.app(post('{"model":"large","messages":[]}'));
    driver.app(post('{"jsonrpc":"2.0","id":1,"method":"ping","model":"large","messages":[]}'));
    driver.app(post('{"method":"tools/call","model":"small","messages":[]}'));
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toHaveLength(4);
    driver.takeApp();
    driver
      .app(post('{"model":"small","messages":[]}'))
      .service(answer('{"usage":{"prompt_tokens":1900,"completion_tokens":50}}'));
    expect(driver.takeService()).toContain('small');
    driver.app(post(call(2, 'search'))).service(answer(result(2, { text: 'x'.repeat(4_000) })));
    expect(driver.takeService()).toContain('search');
    driver.app(post(call(3, 'search')));
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls.at(-1)).toMatchObject({ rule: 'contract:http.tokenBudget', decision: 'deny' });
    const lines = drive({ mcp: {}, http: { models: ['small'] } });
    lines.app(`${call(1, 'search')}\n`);
    expect(lines.outcome.violations).toEqual(['guard.mcp.not_visible']);
  });
});

describe('calls that wait for approval', () => {
  const terms = { mcp: { allow: ['search', 'delete_*'], deny: ['delete_all'], ask: ['delete_*'], maxCalls: 2 } };
  interface Asked {
    readonly call: AskedCall;
    readonly signal: AbortSignal;
    readonly answer: (answer: ApprovalAnswer) => void;
  }
  const asking = (): { readonly asked: Asked[]; readonly approve: Approve } => {
    const asked: Asked[] = [];
    return {
      asked,
      approve: (call, signal) => new Promise((resolve) => asked.push({ call, signal, answer: resolve })),
    };
  };
  const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const no = { granted: false, reason: { code: 'approvals.refused', sentence: 'not on a Friday' } } as const;

  it('are refused where nobody can be asked', () => {
    const driver = drive(terms);
    driver.app(post(call(1, 'delete_user')));
    expect(driver.takeService()).toBe('');
    expect(bodyOf(driver.takeApp())).toMatchObject({
      error: { message: 'delete_user needs approval', data: { rule: 'contract:mcp.ask delete_*' } },
    });
  });

  it('go on once granted, and nothing behind them before', async () => {
    const { asked, approve } = asking();
    const driver = drive(terms, { approve });
    driver.app(post(call(1, 'delete_user', { id: 7 })) + post(call(2, 'search')));
    expect(driver.takeService()).toBe('');
    expect(driver.guard.waiting?.()).toBe('bytes');
    expect(asked.map(({ call: one }) => one)).toMatchObject([
      {
        method: 'tools/call',
        target: 'delete_user',
        rule: 'contract:mcp.ask delete_*',
        arguments: { id: 7 },
        digest: sha256('{"id":7}'),
      },
    ]);
    driver.app(post(call(3, 'search')));
    asked[0]?.answer({ granted: true, rule: 'approval:ap-1 by anna' });
    await settled();
    expect(driver.guard.waiting?.()).toBeUndefined();
    const sent = driver.takeService();
    expect(sent.indexOf('delete_user')).toBeLessThan(sent.indexOf('search'));
    // The third is one more than the contract's calls.
    expect(sent.match(/POST/g)).toHaveLength(2);
    driver.service(answer(result(1, {})));
    expect(driver.outcome.calls).toMatchObject([
      { target: 'search', decision: 'deny', rule: 'contract:mcp.maxCalls' },
      { target: 'delete_user', decision: 'allow', rule: 'approval:ap-1 by anna', failed: false },
    ]);
  });

  it('tell the model why not', async () => {
    const { asked, approve } = asking();
    const driver = drive(terms, { approve });
    driver.app(post(call(1, 'delete_user')));
    asked[0]?.answer(no);
    await settled();
    expect(driver.takeService()).toBe('');
    expect(bodyOf(driver.takeApp())).toMatchObject({
      id: 1,
      error: { message: 'delete_user was not approved: not on a Friday' },
    });
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'deny', target: 'delete_user', rule: 'contract:mcp.ask delete_*' },
    ]);
  });

  it('are not asked about where they are denied anyway, nor those that are not named', () => {
    const { asked, approve } = asking();
    const driver = drive(terms, { approve });
    driver.app(post(call(1, 'delete_all')) + post(call(2, 'search')));
    expect(asked).toHaveLength(0);
    expect(driver.takeService()).toContain('search');
  });

  it('end with their session, and the question with them', async () => {
    const { asked, approve } = asking();
    const driver = drive(terms, { approve });
    driver.app(post(call(1, 'delete_user')));
    driver.end();
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', target: 'delete_user' }]);
    asked[0]?.answer({ granted: true });
    await settled();
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toHaveLength(1);
  });

  it('let other lines pass them, and keep their id', async () => {
    const { asked, approve } = asking();
    const driver = drive(terms, { approve });
    driver.app(`${call(1, 'delete_user')}\n${call(2, 'search')}\n${call(1, 'search')}\n`);
    expect(driver.takeService()).toBe(`${call(2, 'search')}\n`);
    expect(JSON.parse(driver.takeApp())).toMatchObject({ id: 1, error: { code: -32600 } });
    expect(driver.guard.waiting?.()).toBe('end');
    asked[0]?.answer({ granted: true });
    await settled();
    expect(driver.takeService()).toBe(`${call(1, 'delete_user')}\n`);
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
    expect(driver.outcome).toMatchObject({ violations: [], faults: ['guard.mcp.answer_unreadable'] });
  });

  it('sends on no character that some reader takes for the end of a line', () => {
    const driver = drive(strict);
    const ends = 'a\u2028b\u2029c\u0085d\u000be\u000cf';
    driver.app(
      Buffer.from(
        `{"jsonrpc":"2.0","id":1,\r"method":"tools/call","params":{"name":"search","arguments":{"q":"${ends.slice(0, 7)}"}}}\r\n`,
      ),
    );
    const line = driver.outcome.toService.toString('utf8');
    expect(line.match(/[\r\u2028\u2029\u0085\v\f]/)).toBeNull();
    expect(line.split('\n')).toHaveLength(2);
    expect(JSON.parse(line)).toMatchObject({ params: { arguments: { q: ends.slice(0, 7) } } });
    driver.takeService();
    driver.app(
      Buffer.from(
        `{"jsonrpc":"2.0","id":2,"method":"ping"}\r{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"delete_x"}}\n`,
      ),
    );
    expect(driver.takeService()).toBe('');
    driver.service(Buffer.from(`{"jsonrpc":"2.0",\r"id":1,"result":{"text":"\u2028"}}\n`));
    expect(driver.outcome.toApp.toString('utf8').split('\n').at(-2)).toBe(
      '{"jsonrpc":"2.0", "id":1,"result":{"text":"\\u2028"}}',
    );
  });

  it('holds no line without end', () => {
    const driver = drive({ mcp: { maxMessageBytes: 1_000 } });
    driver.app(`{"x":"${'y'.repeat(2_000)}`);
    expect(driver.outcome.violations).toEqual(['guard.mcp.too_large']);
    expect(driver.takeService()).toBe('');
  });
});

describe('a key of Culvert beside calls', () => {
  const value = 'sk-culvert-0123456789ab-c2VjcmV0';
  const modelKeys: ModelKeys = {
    check: (key) =>
      key === value
        ? { kind: 'good', id: '0123456789ab' }
        : { kind: 'refused', id: 'ffffffffffff', why: 'the key ffffffffffff was revoked on 2026-11-30' },
  };
  const terms = { mcp: {}, http: { models: ['m'] } };
  const asked = JSON.stringify({ model: 'm', messages: [] });

  it('ends here, whether a tool is called or a model is asked', () => {
    for (const body of [call(1, 'search'), asked]) {
      const driver = drive(terms, { modelKeys });
      const request = post(body, { Authorization: `Bearer ${value}`, 'X-Api-Key': 'of-my-own' });
      driver.app(request.replace('/mcp', `/mcp?key=${value}&x=1`));
      const sent = driver.takeService();
      expect(sent).toMatch(/^POST \/mcp\?x=1 HTTP/);
      expect(sent).not.toMatch(/sk-culvert|of-my-own|authorization|api-key/i);
      expect(JSON.stringify(driver.outcome.calls)).not.toContain(value);
    }
    const listening = drive(terms, { modelKeys });
    listening.app(`GET /mcp HTTP/1.1\r\nHost: tools.ziti\r\nX-Api-Key: ${value}\r\n\r\n`);
    expect(listening.takeService()).not.toContain('sk-culvert');
    const asking = drive(terms, { modelKeys });
    asking.app(post(asked, { 'X-Api-Key': value })).service(answer('{}'));
    expect(asking.outcome.calls).toMatchObject([{ decision: 'allow', modelKey: '0123456789ab' }]);
  });

  it('that is worth nothing is refused', () => {
    for (const body of [call(1, 'search'), asked]) {
      for (const [more, key] of [
        [{ modelKeys }, 'sk-culvert-ffffffffffff-x'],
        [{}, value],
      ] as const) {
        const driver = drive(terms, more);
        driver.app(post(body, { Authorization: `Bearer ${key}` }));
        expect(driver.takeApp()).toContain('HTTP/1.1 401 ');
        expect(driver.takeService()).toBe('');
        expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'guard:http.key' }]);
      }
    }
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
    // Another spelling may be the same argument to the tool.
    expect(allowed('search', { Limit: 10 })).toBe(false);
    expect(allowed('pay', { amount: 1, to: { iban: 'DE12' }, Amount: 1 })).toBe(false);
    expect(allowed('pay', { amount: new JsonNumber('100.000000000000000001'), to: { iban: 'DE12' } })).toBe(false);
    expect(allowed('pay', { amount: new JsonNumber('1.0'), to: { iban: 'DE12' } })).toBe(true);
    expect(allowed('pay', { amount: 1, to: { iban: `DE${'1'.repeat(70_000)}` } })).toBe(false);
    expect(allowed('search', { limit: '5000' })).toBe(false);
    expect(rules.shows('tool', 'pay')).toBe(true);
    expect(rules.shows('tool', 'other')).toBe(false);
  });
});

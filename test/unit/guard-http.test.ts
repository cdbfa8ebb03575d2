import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { plainPath } from '../../main/guard/http/target.ts';
import { answer, chunked, context, GuardDriver, post } from '../support/guard-driver.ts';

const drive = (http: unknown, more: Partial<GuardContext> = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ http }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: api\r\n\r\n`;
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const chat = (body: unknown, path = '/v1/chat/completions'): string => post(JSON.stringify(body)).replace('/mcp', path);

describe('methods and paths', () => {
  const rules = { methods: ['GET'], paths: ['/api/*', '/docs/**'] };

  it('pass what is allowed, written anew', () => {
    const driver = drive(rules);
    driver.app(
      'GET /api/users?a=b HTTP/1.1\r\nhost:   api\r\nACCEPT: */*\r\nConnection: keep-alive, X-Other\r\nX-Other: 1\r\n\r\n',
    );
    expect(driver.takeService()).toBe('GET /api/users?a=b HTTP/1.1\r\nHost: api\r\nAccept: */*\r\nX-Other: 1\r\n\r\n');
    driver.service(ok);
    expect(driver.outcome.calls).toMatchObject([
      { method: 'GET', target: '/api/users', decision: 'allow', failed: false },
    ]);
  });

  it.each([
    ['DELETE /api/x', 405],
    ['GET /api/x/y', 403],
    ['GET /admin', 403],
    ['GET /api/../admin', 400],
    ['GET /api/%2e%2e/admin', 400],
    ['GET /docs//admin', 400],
    ['GET /docs/%2Fadmin', 400],
    ['GET /docs/..;/admin', 400],
    ['GET /docs/%5c', 400],
    ['GET /docs/%zz', 400],
    ['GET /docs/%EF%BC%8E%EF%BC%8E/admin', 400],
    ['GET /docs/.;/admin', 400],
    ['GET /docs/a%3b/admin', 400],
    ['GET /docs/\\admin', 400],
    ['GET /docs/\xe9', 400],
    ['CONNECT admin:80', 405],
  ])('refuse %s', (line, status) => {
    const driver = drive(rules);
    driver.app(`${line} HTTP/1.1\r\nHost: api\r\n\r\n`);
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain(`HTTP/1.1 ${status} `);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
    driver.app(get('/api/ok'));
    expect(driver.takeService()).toBe(get('/api/ok'));
  });

  it('read the path in every form of target', () => {
    expect(plainPath('http://other/api/x?y=1')).toBe('/api/x');
    expect(plainPath('/api/%78?x=/../')).toBe('/api/x');
    expect(plainPath('http://other')).toBe('/');
  });

  it('swallow the body of a refused request', () => {
    const driver = drive(rules);
    driver.app(post('{"a":1}')).app(get('/api/x'));
    expect(driver.takeService()).toBe(get('/api/x'));
  });
});

describe('ambiguity', () => {
  const head = (lines: readonly string[]): string => `${['POST / HTTP/1.1', 'Host: a', ...lines].join('\r\n')}\r\n\r\n`;

  it.each([
    ['two lengths', head(['Content-Length: 3', 'Content-Length: 4'])],
    ['two equal lengths', head(['Content-Length: 3', 'Content-Length: 3'])],
    ['a length beside chunks', head(['Content-Length: 3', 'Transfer-Encoding: chunked'])],
    ['chunks in disguise', head(['Transfer-Encoding: xchunked'])],
    ['two codings', head(['Transfer-Encoding: gzip, chunked'])],
    ['a signed length', head(['Content-Length: +3'])],
    ['a length in hex', head(['Content-Length: 0x3'])],
    ['a blank before the colon', head(['Content-Length : 3'])],
    ['a folded line', head(['X: a', ' Content-Length: 3'])],
    ['two hosts', head(['Host: b'])],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['a bare CR', 'GET / HTTP/1.1\r\nX: a\rContent-Length: 3\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nX: a\0b\r\n\r\n'],
    ['chunks in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a chunk size with an extension', `${head(['Transfer-Encoding: chunked'])}3;x=1\r\nabc\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${head(['Transfer-Encoding: chunked'])}3\r\nabcd\r\n0\r\n\r\n`],
    ['a chunk line ended by LF', `${head(['Transfer-Encoding: chunked'])}3\nabc\r\n0\r\n\r\n`],
    ['a length in a trailer', `${head(['Transfer-Encoding: chunked'])}0\r\nContent-Length: 5\r\n\r\n`],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'a'.repeat(70_000)}`],
    ['two blanks in the request line', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('is a violation: %s', (_name, bytes) => {
    const driver = drive({ methods: ['GET', 'POST', 'PRI'] });
    driver.app(bytes);
    expect(driver.outcome.violations).toEqual(['guard.http.unparseable']);
    driver.app(get('/x'));
    expect(driver.outcome.toService.toString()).not.toContain('GET /x');
  });
});

describe('streams', () => {
  it('pass chunked bodies with trailers, interim answers, and answers to HEAD', () => {
    const driver = drive({});
    const request =
      'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n';
    driver.app(request + get('/b').replace('GET', 'HEAD') + get('/c'));
    const replies = `HTTP/1.1 100 Continue\r\n\r\n${chunked(['x'], 'text/plain')}HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n${ok}`;
    driver.service(replies);
    const outcome = driver.end();
    expect(outcome.toService.toString()).toBe(
      'POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' +
        get('/b').replace('GET', 'HEAD') +
        get('/c'),
    );
    expect(outcome.toApp.toString()).toBe(replies);
    expect(outcome.calls.map((call) => call.target)).toEqual(['/a', '/b', '/c']);
  });

  it('pass an answer that ends with the connection', () => {
    const driver = drive({});
    driver.app(get('/')).service('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    expect(driver.outcome.calls).toHaveLength(0);
    expect(driver.end().calls).toMatchObject([{ target: '/', failed: false }]);
  });

  const handshake =
    'GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
    'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';

  it('become a websocket where the contract names it, and exactly that is asked', () => {
    const open = drive({ methods: ['GET'], websocket: true });
    open.app(handshake).service(`${switched}\x81\x00`).app('\x81\x01x');
    expect(open.outcome.violations).toEqual([]);
    expect(open.takeService()).toBe(
      `${handshake.replace('Sec-WebSocket-Key', 'Sec-Websocket-Key').replace('Sec-WebSocket-Version', 'Sec-Websocket-Version')}\x81\x01x`,
    );
    const odd = drive({ websocket: true });
    odd.app(handshake.replace('Version: 13', 'Version: 12'));
    expect(odd.takeApp()).toContain('HTTP/1.1 400 ');
    expect(odd.takeService()).toBe('');
  });

  it.each([
    ['nothing names it', { methods: ['GET'] }],
    ['models are limited', { models: ['*'] }],
    ['models are limited, whatever else', { models: ['*'], websocket: true }],
    ['tokens are limited', { tokenBudget: { tokens: 1, perSeconds: 1 }, websocket: true }],
  ])('refuse a websocket with the reason where %s, and go on', (_name, terms) => {
    const driver = drive(terms);
    driver.app(handshake);
    expect(driver.takeService()).toBe('');
    const told = driver.takeApp();
    expect(told).toContain('HTTP/1.1 426 Upgrade Required');
    expect(told).toContain('over plain HTTP');
    expect(driver.outcome.violations).toEqual([]);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', method: 'GET', target: '/ws' }]);
    driver.app(get('/v1/models'));
    expect(driver.takeService()).toBe(get('/v1/models'));
  });

  it('never become anything else', () => {
    const driver = drive({ methods: ['GET', 'POST'] });
    driver.app(
      'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    );
    expect(driver.takeService()).toBe('GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
    driver.service('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nPRI *');
    // The service's fault, not the program's: withheld, and told once.
    expect(driver.outcome.violations).toEqual([]);
    expect(driver.outcome.faults).toEqual(['guard.http.unparseable']);
    const told = driver.takeApp();
    expect(told).toContain('HTTP/1.1 502 ');
    expect(told).not.toContain('PRI');
  });

  it('take out what makes a server read another request', () => {
    const driver = drive({ methods: ['GET'], paths: ['/a'] });
    const fields = [
      'X-HTTP-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
      'X-Method-Override: DELETE',
      'X-Original-URL: /admin',
      'X-Rewrite-URL: /admin',
      'X-Forwarded-Path: /admin',
      'X-Forwarded-Prefix: /admin',
      'X-Forwarded-Host: other',
      'X_Http_Method_Override: DELETE',
      'Content_Length: 5',
      'Destination: /b',
      'Forwarded: host=other',
      'TE: trailers',
      'Trailer: X',
      'Keep-Alive: timeout=5',
    ];
    driver.app(`GET /a?_method=DELETE&x=1 HTTP/1.1\r\nHost: a\r\n${fields.join('\r\n')}\r\nX-Request-Id: 7\r\n\r\n`);
    expect(driver.takeService()).toBe('GET /a?x=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\n\r\n');
  });

  it('write an absolute target in origin form, and refuse one that readers differ in', () => {
    const driver = drive({ paths: ['/api/**'] });
    driver.app('GET http://other:8080/api/x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(driver.takeService()).toBe('GET /api/x?y=1 HTTP/1.1\r\nHost: other:8080\r\n\r\n');
    for (const target of [
      'http://other\\admin/api/x',
      'http://me@other/api/x',
      'http:///api/x',
      'other/api/x',
      '*',
      '/api/x#y',
    ]) {
      driver.app(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(driver.takeService()).toBe('');
    }
    expect(driver.outcome.violations).toEqual([]);
  });

  it('do not give the request back', () => {
    const driver = drive({});
    driver.app('TRACE / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain('405');
  });

  it('tell TLS, and pass it only without rules', () => {
    expect(drive({ methods: ['GET'] }).run([['app', '\x16\x03\x01']])).toMatchObject({
      notVisible: ['closed'],
      violations: ['guard.http.not_visible'],
    });
    expect(drive({}).run([['app', '\x16\x03\x01']])).toMatchObject({ notVisible: ['open'], violations: [] });
  });
});

describe('models and tokens', () => {
  it('let allowed models pass, whoever names them and where', () => {
    const driver = drive({ models: ['gpt-4o*', 'claude-*'] });
    driver.app(chat({ model: 'gpt-4o-mini', messages: [] }));
    expect(driver.takeService()).toContain('gpt-4o-mini');
    driver.app(chat({ model: 'claude-x', messages: [] }, '/v1/messages'));
    expect(driver.takeService()).toContain('claude-x');
    for (const request of [
      chat({ model: 'o3' }),
      chat({ model: 'gpt-4o', models: ['o3'] }),
      chat({ messages: [] }),
      chat({ model: 'gpt-4o' }, '/openai/deployments/o3/chat/completions'),
      post('{"model":"gpt-4o","model":"o3"}'),
      chat({ model: 'gpt-4o' }, `/${'x'.repeat(600)}/models/o3/chat`),
      post('not json'),
    ]) {
      driver.app(request);
      expect(driver.takeService()).toBe('');
    }
    driver.app(get('/v1/models'));
    expect(driver.takeService()).toContain('/v1/models');
    expect(driver.outcome.calls.filter((call) => call.decision === 'deny')).toHaveLength(7);
    expect(driver.outcome.calls[0]).toMatchObject({ model: 'o3', rule: 'contract:http.models' });
  });

  it.each([
    ['OpenAI JSON', answer('{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'), 10, 5],
    ['Anthropic JSON', answer('{"usage":{"input_tokens":7,"output_tokens":3,"cache_read_input_tokens":2}}'), 9, 3],
    ['embeddings', answer('{"usage":{"prompt_tokens":8,"total_tokens":8}}'), 8, 0],
    [
      'Responses events',
      chunked(['data: {"type":"response.completed","response":{"usage":{"input_tokens":4,"output_tokens":6}}}\n\n']),
      4,
      6,
    ],
    [
      'Anthropic events',
      chunked([
        'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":20,"output_tokens":1}}}\n\n',
        'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":12}}\n\nevent: message_stop\ndata: {}\n\n',
      ]),
      20,
      12,
    ],
    [
      'OpenAI events with figures',
      chunked([
        'data: {"choices":[{}],"usage":null}\n\n',
        'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n',
      ]),
      3,
      2,
    ],
  ])('count the tokens of %s', (_name, reply, input, output) => {
    const driver = drive({ tokenBudget: { tokens: 1_000, perSeconds: 60 } });
    driver.app(chat({ model: 'm' })).service(reply);
    expect(driver.outcome.calls).toMatchObject([{ model: 'm', tokens: { input, output } }]);
    expect(driver.outcome.toApp.toString('latin1')).toBe(reply);
  });

  it('estimate where nothing is told', () => {
    const driver = drive({ tokenBudget: { tokens: 1_000, perSeconds: 60 } });
    driver.app(chat({ model: 'm' })).service(chunked(['data: {"choices":[{}]}\n\ndata: {"choices":[{}]}\n\n']));
    expect(driver.outcome.calls[0]?.tokens?.output).toBe(2);
    driver.app(chat({ model: 'm' })).service(answer('x'.repeat(400), { 'Content-Encoding': 'br' }));
    expect(driver.outcome.calls[1]?.tokens?.output).toBe(100);
  });

  it('end the budget of an agent for a window, over all its sessions', () => {
    const shared = context();
    const rules = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    const one = drive(rules, shared);
    one.app(chat({ model: 'm' })).service(answer('{"usage":{"prompt_tokens":90,"completion_tokens":30}}'));
    const two = drive(rules, shared);
    two.app(chat({ model: 'm' }));
    expect(two.takeService()).toBe('');
    expect(two.takeApp()).toContain('429');
    two.nowMs += 60_000;
    two.app(chat({ model: 'm' }));
    expect(two.takeService()).not.toBe('');
  });

  it('set aside what calls under way may use, so that none passes beside them', () => {
    const shared = context();
    const rules = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    const [one, two] = [drive(rules, shared), drive(rules, shared)];
    one.app(chat({ model: 'm', max_tokens: 200 }));
    expect(one.takeService()).not.toBe('');
    two.app(chat({ model: 'm' }));
    expect(two.takeApp()).toContain('429');
    // It used less than it might have: the rest is given back.
    one.service(answer('{"usage":{"prompt_tokens":10,"completion_tokens":5}}'));
    two.app(chat({ model: 'm' }));
    expect(two.takeService()).not.toBe('');
  });

  it('are charged to whoever hangs up before the answer', () => {
    const shared = context();
    const rules = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    const one = drive(rules, shared);
    one.app(chat({ model: 'm', max_tokens: 200 }));
    one.guard.appEnded(one.nowMs);
    one.guard.serviceEnded(one.nowMs);
    const two = drive(rules, shared);
    two.app(chat({ model: 'm' }));
    expect(two.takeApp()).toContain('429');
  });

  it('are not charged for a service that ends without an answer, which is asked elsewhere', () => {
    const shared = context();
    const rules = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    const one = drive(rules, shared);
    one.app(chat({ model: 'm', max_tokens: 200 }));
    one.guard.serviceEnded(one.nowMs);
    const two = drive(rules, shared);
    two.app(chat({ model: 'm' }));
    expect(two.takeService()).not.toBe('');
  });
});

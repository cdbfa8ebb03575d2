import { describe, expect, it, vi } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { EngagementRefusal } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { narrowContracts } from '../../main/policy/narrow.ts';
import { AgentEndpoints } from '../../main/guard/a2a/endpoints.ts';
import { answer, chunked, context, dechunk, GuardDriver, post as postTo } from '../support/guard-driver.ts';

const guarded = (a2a: unknown, more: Parameters<typeof context>[0] = {}, terms = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ a2a, ...terms }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};

const post = (body: string, headers: Readonly<Record<string, string>> = {}, path = '/'): string =>
  postTo(body, headers, path);
const rpc = (method: string, params: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
const message = (parts: unknown, more: object = {}): object => ({ messageId: 'm', role: 'ROLE_USER', parts, ...more });
const send = (parts: unknown, more: object = {}, method = 'SendMessage'): string =>
  rpc(method, { message: message(parts, more) });
const text = [{ text: 'hello' }];
const bodyOf = (raw: string): { id: unknown; error?: { code: number; message: string; data: unknown } } =>
  JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4)) as never;

/** The error the application got; undefined where the request went on. */
const refusedWith = (driver: GuardDriver, body: string): number | undefined => {
  const raw = driver.app(post(body)).takeApp();
  const went = driver.takeService();
  expect(raw === '').toBe(went !== '');
  // What went on is answered, so that the next one has its turn.
  if (raw === '') driver.service(answer('{"jsonrpc":"2.0","id":1,"result":{}}')).takeApp();
  return raw === '' ? undefined : bodyOf(raw).error?.code;
};

describe('the A2A guard: what goes to the agent', () => {
  it('passes messages of both revisions, written anew', () => {
    const driver = guarded({});
    driver.app(
      post(
        `{ "jsonrpc":"2.0", "id":1, "method":"SendMessage",\n "params":${JSON.stringify({ message: message(text) })} }`,
      ),
    );
    expect(driver.takeService()).toContain(
      `\r\n\r\n${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message: message(text) } })}`,
    );
    expect(
      refusedWith(driver, send([{ kind: 'text', text: 'hi' }], { kind: 'message', role: 'user' }, 'message/send')),
    ).toBe(undefined);
    expect(refusedWith(driver, rpc('GetTask', { id: 't' }))).toBe(undefined);
    expect(refusedWith(driver, rpc('tasks/cancel', { id: 't' }))).toBe(undefined);
  });

  it('refuses methods it does not know, notifications, batches, and what is no JSON-RPC', () => {
    const driver = guarded({});
    expect(refusedWith(driver, rpc('agent/run', {}))).toBe(-32601);
    expect(refusedWith(driver, send(text).replace('"id":1,', ''))).toBe(-32600);
    expect(refusedWith(driver, `[${send(text)}]`)).toBe(-32600);
    expect(refusedWith(driver, JSON.stringify({ message: message(text) }))).toBe(-32600);
    expect(refusedWith(driver, '{"a":1,"A":2}')).toBe(-32700);
    expect(driver.outcome.calls.map(({ decision, protocol }) => [protocol, decision])).toEqual(
      Array.from({ length: 5 }, () => ['a2a', 'deny']),
    );
    expect(driver.outcome.violations).toEqual([]);
  });

  it.each([
    ['two contents in one part', [{ text: 'a', url: 'http://x' }]],
    ['a part of another kind than it says', [{ kind: 'text', data: {} }]],
    ['a media type another reader finds elsewhere', [{ text: 'a', media_type: 'image/png' }]],
    ['a part in another spelling', [{ Text: 'a' }]],
    ['a file with bytes and an address', [{ kind: 'file', file: { bytes: 'aa', uri: 'http://x' } }]],
    ['parts that are no list', { text: 'a' }],
  ])('refuses %s', (_what, parts) => {
    expect(refusedWith(guarded({}), send(parts))).toBe(-32602);
  });

  it('refuses fields of a message and of a request that it does not know', () => {
    expect(refusedWith(guarded({}), send(text, { content: text }))).toBe(-32602);
    expect(refusedWith(guarded({}), rpc('SendMessage', { message: message(text), request: {} }))).toBe(-32602);
  });

  it.each(['GetTask', 'CancelTask', 'SubscribeToTask', 'tasks/get', 'tasks/cancel', 'tasks/resubscribe'])(
    'reads %s by the fields it has, and records it',
    (method) => {
      const driver = guarded({});
      expect(refusedWith(driver, rpc(method, { id: 't', metadata: { a: 1 } }))).toBe(undefined);
      expect(driver.outcome.calls).toMatchObject([{ method, target: 't', decision: 'allow' }]);
      for (const odd of [{ id: 't', task_id: 'u' }, { id: 't', message: message(text) }, { id: 1 }, {}]) {
        expect(refusedWith(driver, rpc(method, odd))).toBe(-32602);
      }
      expect(driver.outcome.calls.slice(1).map(({ rule }) => rule)).toEqual(
        Array.from({ length: 4 }, () => 'guard:a2a.params'),
      );
    },
  );

  it('reads lists of tasks and extended cards by the fields they have, and records them', () => {
    const driver = guarded({});
    const good = [
      ['ListTasks', { contextId: 'c', status: 'TASK_STATE_WORKING', pageSize: 5, includeArtifacts: true }],
      ['tasks/list', {}],
      ['GetExtendedAgentCard', { tenant: '' }],
      ['agent/getAuthenticatedExtendedCard', {}],
    ] as const;
    for (const [method, params] of good) expect(refusedWith(driver, rpc(method, params))).toBe(undefined);
    expect(driver.outcome.calls.map(({ method, decision }) => [method, decision])).toEqual(
      good.map(([method]) => [method, 'allow']),
    );
    for (const [method, params] of good) {
      expect(refusedWith(driver, rpc(method, { ...params, page_size: 5 }))).toBe(-32602);
      expect(refusedWith(driver, rpc(method, { ...params, tenant: {} }))).toBe(-32602);
    }
  });

  it('goes where the card says that the agent is, and to no other place of its server', () => {
    const endpoints = new AgentEndpoints();
    const driver = guarded({}, { endpoints });
    const sentTo = (path: string): boolean => {
      driver.app(post(send(text), {}, path));
      const went = driver.takeService() !== '';
      if (went) driver.service(answer('{"jsonrpc":"2.0","id":1,"result":{}}'));
      else expect(driver.takeApp()).toContain('HTTP/1.1 404');
      driver.takeApp();
      return went;
    };
    expect(['/', '/a2a', '/admin/reset'].map(sentTo)).toEqual([true, false, false]);
    const card = {
      name: 'x',
      skills: [],
      url: 'http://in/old',
      supportedInterfaces: [
        { protocolBinding: 'JSONRPC', url: 'http://inside:9/a2a?x=1' },
        { protocolBinding: 'GRPC', url: 'http://inside:9/grpc' },
      ],
    };
    driver.app('GET /.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n').takeService();
    driver.service(answer(JSON.stringify(card))).takeApp();
    const tried = ['/', '/a2a', '/a2a?x=1', '/a2a?x=2', '/old', '/grpc', '/x/../old', '/a2a/', '/%61dmin'];
    expect(tried.filter(sentTo)).toEqual(['/a2a?x=1', '/old']);
    expect(endpoints.has('/old')).toBe(true);
    expect(driver.outcome.calls.filter(({ decision }) => decision === 'deny').length).toBe(9);
  });

  it('has messages made of what the contract names, by kind and by media type', () => {
    const driver = guarded({ messageTypes: ['text', 'image/*'] });
    expect(refusedWith(driver, send(text))).toBe(undefined);
    expect(refusedWith(driver, send([{ text: '{}', mediaType: 'application/json; a=b' }]))).toBe(undefined);
    expect(refusedWith(driver, send([{ raw: 'aa', mediaType: 'image/png' }]))).toBe(undefined);
    expect(refusedWith(driver, send([{ raw: 'aa' }]))).toBe(-32005);
    expect(refusedWith(driver, send([...text, { data: { a: 1 } }]))).toBe(-32005);
    expect(driver.outcome.calls.at(-1)).toMatchObject({
      decision: 'deny',
      method: 'SendMessage',
      target: 'text/plain application/json',
      rule: 'contract:a2a.messageTypes',
    });
    expect(refusedWith(guarded({ messageTypes: [] }), send(text))).toBe(-32005);
    expect(refusedWith(guarded({ messageTypes: ['*'] }), send([{ raw: 'aa' }]))).toBe(undefined);
  });

  it('lets a skill be asked for that the contract names, and nothing that is named otherwise or not at all', () => {
    const driver = guarded({ skills: ['quote', 'plan_*'] });
    const skill = (metadata: unknown): number | undefined => refusedWith(driver, send(text, { metadata }));
    expect(skill({ skillId: 'quote' })).toBe(undefined);
    expect(skill({ skillId: 'plan_trip' })).toBe(undefined);
    expect(skill({ skillId: 'transfer' })).toBe(-32004);
    expect(skill({ skill_id: 'transfer' })).toBe(-32602);
    expect(skill({ skillId: 'quote', Skill: 'transfer' })).toBe(-32602);
    expect(skill(undefined)).toBe(-32004);
    const both = { message: message(text, { metadata: { skillId: 'quote' } }), metadata: { skillId: 'plan_b' } };
    expect(refusedWith(driver, rpc('SendMessage', both))).toBe(-32602);
    expect(refusedWith(guarded({ skills: ['*'] }), send(text))).toBe(undefined);
  });

  it('has no agent call somebody by itself', () => {
    const driver = guarded({});
    const configuration = { taskPushNotificationConfig: { url: 'http://elsewhere' } };
    expect(refusedWith(driver, rpc('SendMessage', { message: message(text), configuration }))).toBe(-32003);
    expect(refusedWith(driver, rpc('tasks/pushNotificationConfig/set', { taskId: 't' }))).toBe(-32003);
    expect(refusedWith(driver, rpc('CreateTaskPushNotificationConfig', {}))).toBe(-32003);
  });

  it('counts messages over connections, and tasks that are looked at are none', () => {
    const ledger = createLedger();
    const first = guarded({ maxMessages: 2 }, { ledger }, { grantSeconds: 100 });
    expect(refusedWith(first, send(text))).toBe(undefined);
    expect(refusedWith(first, rpc('GetTask', { id: 't' }))).toBe(undefined);
    const second = guarded({ maxMessages: 2 }, { ledger }, { grantSeconds: 100 });
    expect(refusedWith(second, send(text))).toBe(undefined);
    expect(refusedWith(second, send(text))).toBe(-32000);
    expect(second.outcome.calls.at(-1)?.rule).toBe('contract:a2a.maxMessages');
    second.nowMs += 100_001;
    expect(refusedWith(second, send(text))).toBe(undefined);
  });

  it('takes a message beyond its size for a violation, told first', () => {
    const driver = guarded({ maxMessageBytes: 200 }).app(post(send([{ text: 'x'.repeat(300) }])));
    expect(driver.takeApp()).toContain('HTTP/1.1 413');
    expect(driver.outcome.violations).toEqual(['guard.a2a.too_large']);
    expect(driver.takeService()).toBe('');
  });

  it.each([
    ['another method of HTTP', 'PUT /rpc HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['the REST binding', post(JSON.stringify({ message: message(text) }), {}, '/v1/message:send'), 404],
    ['a path that is no card', 'GET /v1/tasks/1 HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['a card behind dots', 'GET /a/../.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n', 404],
    ['a form', post('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }), 415],
    ['a body in gzip', post(send(text), { 'Content-Encoding': 'gzip' }), 415],
    ['a websocket', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 426],
  ])('refuses %s', (_what, bytes, status) => {
    const driver = guarded({}).app(bytes);
    expect(driver.takeApp()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toHaveLength(1);
  });

  it('takes what is no HTTP for a violation', () => {
    const driver = guarded({}).app(Uint8Array.of(0x16, 3, 1));
    expect(driver.outcome.violations).toEqual(['guard.a2a.not_visible']);
    expect(driver.takeService()).toBe('');
  });
});

describe('the A2A guard: what the agent answers', () => {
  const asked = (rules: unknown, body = send(text)): GuardDriver => {
    const driver = guarded(rules).app(post(body));
    driver.takeService();
    return driver;
  };
  const result = (value: unknown, id: unknown = 1): string => JSON.stringify({ jsonrpc: '2.0', id, result: value });
  const task = (parts: unknown): object => ({ task: { id: 't', artifacts: [{ artifactId: 'a', parts }] } });

  it('passes as it came, and is recorded with how long it took', () => {
    const driver = asked({ messageTypes: ['text'] });
    driver.nowMs += 40;
    const came = answer(`${result(task(text))} `);
    expect(driver.service(came).takeApp()).toBe(came);
    expect(driver.end().calls).toMatchObject([
      {
        protocol: 'a2a',
        method: 'SendMessage',
        target: 'text/plain',
        decision: 'allow',
        durationMs: 40,
        failed: false,
      },
    ]);
    expect(driver.outcome.calls[0]?.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is kept back where it holds what the contract does not allow, wherever it stands', () => {
    const hidden = [
      task([{ data: { secret: 1 } }]),
      { message: message([{ raw: 'aa' }]) },
      { kind: 'task', history: [message([{ kind: 'data', data: {} }])] },
      { statusUpdate: { status: { message: message([{ url: 'http://x' }]) } } },
      { task: { Artifacts: [{ Parts: [{ data: 1 }] }] } },
    ];
    for (const value of hidden) {
      const driver = asked({ messageTypes: ['text'] }).service(answer(result(value)));
      expect(bodyOf(driver.takeApp())).toMatchObject({ id: 1, error: { code: -32005 } });
      expect(driver.end().calls).toMatchObject([{ decision: 'deny', rule: 'contract:a2a.messageTypes' }]);
    }
    const metadata = { task: { metadata: { parts: 'anything' }, artifacts: [{ parts: text }] } };
    const driver = asked({ messageTypes: ['text'] }).service(answer(result(metadata)));
    expect(bodyOf(driver.takeApp()).error).toBe(undefined);
  });

  it('comes by events, each judged by itself', () => {
    const good = `data: ${result({ statusUpdate: { status: {} } })}\n\n`;
    const driver = asked({ messageTypes: ['text'] }, send(text, {}, 'SendStreamingMessage'));
    driver.service(chunked([good, ': ping\n\n', `data: ${result(task([{ data: 1 }]))}\n\n`, 'data: {"other":1}\n\n']));
    const shown = dechunk(driver.takeApp());
    expect(shown.startsWith(`${good}: ping\n\n`)).toBe(true);
    expect(shown).toContain('-32005');
    expect(shown).not.toContain('other');
    expect(driver.end().faults).toEqual(['guard.a2a.answer_unreadable']);
  });

  it('is the fault of the service where it answers something else', () => {
    for (const body of [result({}, 2), '{"jsonrpc":"2.0","id":1,"result":[]}', '<html>', '{"a":1,"a":2}']) {
      const driver = asked({}).service(answer(body));
      expect(bodyOf(driver.takeApp()).error?.code).toBe(-32700);
      expect(driver.end().faults).toEqual(['guard.a2a.answer_unreadable']);
    }
    const page = asked({}).service(answer('<html>')).takeApp();
    expect(page).toContain('Content-Type: application/json');
    expect(
      asked({})
        .service(answer('x', { 'Content-Encoding': 'gzip' }))
        .takeApp(),
    ).toContain('HTTP/1.1 502');
  });
});

describe('the A2A guard: what the agent answers that is no result', () => {
  const failing = (body: string, status = '500 Oops', rules: unknown = { messageTypes: ['text'] }): GuardDriver => {
    const driver = guarded(rules).app(post(send(text)));
    driver.takeService();
    return driver.service(answer(body, { 'Content-Type': 'text/html' }).replace('200 OK', status));
  };
  const error = (more: object): string =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no', ...more } });

  it.each(['400 Bad', '500 Oops', '302 Found'])('shows nothing of a page with %s but its status', (status) => {
    const shown = failing('<p>secret</p>', status).takeApp();
    expect(shown).toContain(`HTTP/1.1 ${status}`);
    expect(shown).toContain('Content-Type: application/json');
    expect(shown).not.toContain('secret');
    expect(bodyOf(shown)).toMatchObject({ id: 1, error: { code: -32603 } });
  });

  it('holds results with an error status to the rules', () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { task: { artifacts: [{ parts: [{ data: 1 }] }] } } });
    expect(bodyOf(failing(body).takeApp()).error?.code).toBe(-32005);
  });

  it('takes data out of errors where the contract lets none through, and leaves what says why', () => {
    const info = [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'X', domain: 'd', metadata: { a: 'b' } },
    ];
    for (const data of [{ secret: 1 }, [...info, { secret: 1 }], [{ ...info[0], more: 'secret' }], 'secret']) {
      for (const status of ['200 OK', '400 Bad']) {
        const shown = failing(error({ data }), status).takeApp();
        expect(bodyOf(shown)).toEqual({ jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } });
      }
    }
    expect(bodyOf(failing(error({ secret: 1 })).takeApp()).error).toEqual({ code: -1, message: 'no' });
    expect(bodyOf(failing(error({ data: info })).takeApp()).error?.data).toEqual(info);
    const free = failing(error({ data: { a: 1 } }), '200 OK', {});
    expect(bodyOf(free.takeApp()).error?.data).toEqual({ a: 1 });
    const allowed = failing(error({ data: { a: 1 } }), '200 OK', { messageTypes: ['text', 'data'] });
    expect(bodyOf(allowed.takeApp()).error?.data).toEqual({ a: 1 });
  });

  it('shows no page in the place of a card', () => {
    const driver = guarded({}).app('GET /.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n');
    const shown = driver.service(answer('{"secret":1}').replace('200 OK', '404 Not Found')).takeApp();
    expect(shown).toContain('HTTP/1.1 404');
    expect(shown).not.toContain('secret');
    expect(driver.end().faults).toEqual([]);
  });
});

describe('the A2A guard: cards', () => {
  const card = {
    name: 'Broker',
    version: '1.0',
    skills: [
      { id: 'quote', name: 'Quote' },
      { id: 'transfer', name: 'Transfer' },
    ],
    supportedInterfaces: [
      { protocolBinding: 'JSONRPC', url: 'http://a' },
      { protocolBinding: 'GRPC', url: 'http://b' },
    ],
    signatures: [{ protected: 'x', signature: 'y' }],
  };
  const get = 'GET /agents/b/.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n';
  const shown = {
    ...card,
    skills: [{ id: 'quote', name: 'Quote' }],
    supportedInterfaces: [{ protocolBinding: 'JSONRPC', url: 'http://a' }],
    signatures: [],
  };

  it('show the skills and the ways in that the contract lets through, and no signature over more', () => {
    const driver = guarded({ skills: ['quote'] })
      .app(get)
      .service(answer(JSON.stringify(card)));
    expect(bodyOf(driver.takeApp())).toEqual(shown);
    driver
      .app(post(rpc('GetExtendedAgentCard', {})))
      .service(answer(JSON.stringify({ jsonrpc: '2.0', id: 1, result: card })));
    expect(bodyOf(driver.takeApp())).toEqual({ jsonrpc: '2.0', id: 1, result: shown });
    expect(driver.end().calls).toMatchObject([{ method: 'GetExtendedAgentCard', decision: 'allow' }]);
  });

  it('pass as they came where nothing is hidden', () => {
    const plain = answer(JSON.stringify({ ...card, supportedInterfaces: [] }));
    expect(guarded({}).app(get).service(plain).takeApp()).toBe(plain);
  });

  it('hide skills that stand under another spelling', () => {
    const driver = guarded({ skills: ['quote'] }).app(get);
    driver.service(answer(JSON.stringify({ name: 'x', Skills: card.skills, supported_interfaces: [] })));
    expect(bodyOf(driver.takeApp())).toEqual({ name: 'x' });
  });
});

describe('the A2A guard: engagements', () => {
  const no: EngagementRefusal = { rule: 'contract:approval', sentence: 'nobody accepted it', next: 'propose one' };
  interface Told {
    refusal: EngagementRefusal | undefined | Promise<EngagementRefusal | undefined>;
    unsaid?: EngagementRefusal;
    readonly said: boolean[];
  }
  const engaged = (told: Told, rules: unknown = {}, more: Parameters<typeof context>[0] = {}): GuardDriver =>
    guarded(rules, {
      ...more,
      engagement: { refusal: () => told.refusal, said: (isMessage) => (told.said.push(isMessage), told.unsaid) },
    });

  it('let nothing be said without one, in the words of what is to be done, and show the card all the same', () => {
    const told: Told = { refusal: no, said: [] };
    const driver = engaged(told);
    for (const body of [
      send(text),
      rpc('GetTask', { id: 't' }),
      rpc('ListTasks', {}),
      rpc('CancelTask', { id: 't' }),
    ]) {
      const raw = driver.app(post(body)).takeApp();
      expect(bodyOf(raw).error).toMatchObject({ code: -32000, message: 'Nobody accepted it; propose one' });
      expect(driver.takeService()).toBe('');
    }
    expect(driver.outcome.calls.map(({ decision, rule }) => [decision, rule])).toEqual(
      Array.from({ length: 4 }, () => ['deny', 'contract:approval']),
    );
    driver.app('GET /.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(driver.takeService()).toContain('GET ');
    driver.service(answer('{"name":"x"}')).takeApp();
    expect(refusedWith(driver, rpc('GetExtendedAgentCard', {}))).toBe(undefined);
    expect(told.said).toEqual([]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('begin with what goes on, and with nothing that the rules refuse; only messages count as such', () => {
    const told: Told = { refusal: undefined, said: [] };
    const driver = engaged(told, { messageTypes: ['text'] });
    expect(refusedWith(driver, send([{ raw: 'aa' }]))).toBe(-32005);
    expect(refusedWith(driver, rpc('GetTask', { id: 't', x: 1 }))).toBe(-32602);
    expect(told.said).toEqual([]);
    expect(refusedWith(driver, send(text))).toBe(undefined);
    expect(refusedWith(driver, rpc('GetTask', { id: 't' }))).toBe(undefined);
    expect(told.said).toEqual([true, false]);
  });

  it('take nothing from the number of messages where they refuse', () => {
    const told: Told = { refusal: no, said: [] };
    const driver = engaged(told, { maxMessages: 1 });
    expect(refusedWith(driver, send(text))).toBe(-32000);
    told.refusal = undefined;
    expect(refusedWith(driver, send(text))).toBe(undefined);
  });

  it('may have to ask the other end first', async () => {
    const told: Told = { refusal: Promise.resolve(undefined), said: [] };
    const driver = engaged(told).app(post(send(text)));
    expect(driver.takeService()).toBe('');
    await vi.waitFor(() => expect(driver.takeService()).toContain('SendMessage'));
    driver.service(answer('{"jsonrpc":"2.0","id":1,"result":{}}')).takeApp();
    told.refusal = Promise.resolve(no);
    driver.app(post(send(text)));
    await vi.waitFor(() => expect(driver.takeApp()).toContain('Nobody accepted it'));
    expect(driver.takeService()).toBe('');
  });

  it('let nothing go on that cannot be recorded', () => {
    expect(refusedWith(engaged({ refusal: undefined, unsaid: no, said: [] }), send(text))).toBe(-32000);
  });
});

describe('the A2A part of a contract', () => {
  it('is refused with a field nobody knows', () => {
    expect(() => parseEngagement({ a2a: { skill: ['x'] } }, 'test')).toThrow(/a2a\.skill/);
    expect(() => createGuard(parseEngagement({ a2a: {}, http: {} }, 'test'), context())).toThrow(/beside each other/);
  });

  it('is the narrower of two', () => {
    const narrowed = narrowContracts(
      parseEngagement({ a2a: { skills: ['a*', 'b'], maxMessages: 3 } }, 'test'),
      parseEngagement(
        { a2a: { skills: ['ab', 'c'], messageTypes: ['text'], maxMessages: 5, maxMessageBytes: 9 } },
        'test',
      ),
    );
    expect(narrowed.a2a).toEqual({ skills: ['ab'], messageTypes: ['text'], maxMessages: 3, maxMessageBytes: 9 });
  });
});

import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { AgentEndpoints } from '../../main/guard/a2a/endpoints.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { answer, chunked, context, dechunk, GuardDriver, post as postTo } from '../support/guard-driver.ts';

const card = {
  name: 'x',
  skills: [{ id: 'quote' }],
  supportedInterfaces: [{ protocolBinding: 'HTTP+JSON', protocolVersion: '1.0', url: 'http://in/rest/' }],
};
const guarded = (a2a: unknown, more: Parameters<typeof context>[0] = {}): GuardDriver => {
  const endpoints = new AgentEndpoints();
  endpoints.learn('/.well-known/agent-card.json', card);
  const guard = createGuard(parseEngagement({ a2a }, 'test'), context({ endpoints, ...more }));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};
const message = (parts: unknown, more: object = {}): object => ({ messageId: 'm', role: 'ROLE_USER', parts, ...more });
const text = [{ text: 'hello' }];
const post = (body: unknown, path = '/rest/message:send'): string => postTo(JSON.stringify(body), {}, path);
const bare = (line: string): string => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`;
const bodyOf = (raw: string): { error?: { code: number; status: string; message: string; details: unknown } } =>
  JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4)) as never;

/** The status of the refusal; undefined where the request went on, which is answered then. */
const refusedWith = (driver: GuardDriver, bytes: string): number | undefined => {
  const raw = driver.app(bytes).takeApp();
  const went = driver.takeService();
  expect(raw === '').toBe(went !== '');
  if (raw === '') driver.service(answer('{}')).takeApp();
  return raw === '' ? undefined : bodyOf(raw).error?.code;
};

describe('the A2A guard: what goes to the agent by REST', () => {
  it('passes each request of the binding, written anew, and records it as what it is', () => {
    const driver = guarded({});
    const asked = [
      [post({ message: message(text) }), 'POST /rest/message:send ', 'SendMessage'],
      [post({ message: message(text) }, '/rest/message:stream'), 'POST /rest/message:stream ', 'SendStreamingMessage'],
      [bare('GET /rest/tasks/t%20x?historyLength=3'), 'GET /rest/tasks/t%20x?historyLength=3 ', 'GetTask'],
      [bare('GET /rest/tasks?pageSize=5&includeArtifacts=true'), 'GET /rest/tasks?pageSize=5&', 'ListTasks'],
      [bare('POST /rest/tasks/t:cancel'), 'POST /rest/tasks/t:cancel ', 'CancelTask'],
      [post({ metadata: { a: 1 } }, '/rest/tasks/t:cancel'), 'POST /rest/tasks/t:cancel ', 'CancelTask'],
      [bare('GET /rest/tasks/t:subscribe'), 'GET /rest/tasks/t:subscribe ', 'SubscribeToTask'],
      [bare('GET /rest/extendedAgentCard'), 'GET /rest/extendedAgentCard ', 'GetExtendedAgentCard'],
    ] as const;
    for (const [bytes, line] of asked) {
      expect(driver.app(bytes).takeService()).toContain(line);
      driver.service(answer('{}')).takeApp();
    }
    expect(driver.outcome.calls.map(({ method, decision }) => [method, decision])).toEqual(
      asked.map(([, , method]) => [method, 'allow']),
    );
    expect(driver.outcome.violations).toEqual([]);
  });

  it.each([
    ['a part in another spelling', post({ message: message([{ text: 'a', media_type: 'image/png' }]) }), 400],
    ['a field that a message has not', post({ message: message(text), request: {} }), 400],
    ['no message', bare('POST /rest/message:send'), 400],
    ['a form', postTo('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }, '/rest/message:send'), 400],
    ['a query beside a message', post({ message: message(text) }, '/rest/message:send?x=1'), 404],
    ['a parameter in another spelling', bare('GET /rest/tasks/t?history_length=3'), 400],
    ['a parameter twice', bare('GET /rest/tasks/t?historyLength=3&historyLength=4'), 404],
    ['a number that is none', bare('GET /rest/tasks/t?historyLength=x'), 404],
    ['an id in path and body', post({ id: 'u' }, '/rest/tasks/t:cancel'), 400],
    ['a body on GET', bare('GET /rest/tasks/t').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\n{}'), 400],
    ['a path that A2A does not have', bare('POST /rest/admin:reset'), 404],
    ['a method of HTTP that it does not have', bare('DELETE /rest/tasks/t'), 404],
    ['a task behind a slash', bare('GET /rest/tasks/t/x'), 404],
    ['push notifications', post({ url: 'http://elsewhere' }, '/rest/tasks/t/pushNotificationConfigs'), 400],
    ['to have push notifications deleted', bare('DELETE /rest/tasks/t/pushNotificationConfigs/c'), 400],
  ])('refuses %s', (_what, bytes, status) => {
    const driver = guarded({});
    expect(refusedWith(driver, bytes)).toBe(status);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('is where the card says alone', () => {
    for (const path of ['/message:send', '/restless/message:send', '/rest', '/v1/message:send']) {
      const driver = guarded({}).app(post({ message: message(text) }, path));
      expect(driver.takeService()).toBe('');
      expect(driver.takeApp()).toContain('HTTP/1.1 404');
    }
  });

  it('is held to skills, types, numbers and sizes as messages by JSON-RPC are, and shares their count', () => {
    const ledger = createLedger();
    const driver = guarded({ skills: ['quote'], messageTypes: ['text'], maxMessages: 1 }, { ledger });
    const skilled = (skillId: string, parts: unknown): string =>
      post({ message: message(parts, { metadata: { skillId } }) });
    expect(refusedWith(driver, skilled('transfer', text))).toBe(400);
    expect(refusedWith(driver, skilled('quote', [{ data: {} }]))).toBe(415);
    expect(refusedWith(driver, skilled('quote', text))).toBe(undefined);
    const raw = driver.app(skilled('quote', text)).takeApp();
    expect(bodyOf(raw)).toMatchObject({
      error: { code: 403, status: 'PERMISSION_DENIED', details: [{ domain: 'culvert' }] },
    });
    const big = guarded({ maxMessageBytes: 200 }).app(post({ message: message([{ text: 'x'.repeat(300) }]) }));
    expect(big.takeApp()).toContain('HTTP/1.1 413');
    expect(big.outcome.violations).toEqual(['guard.a2a.too_large']);
  });

  it('asks for an engagement, and says what is to be done', () => {
    const no = { rule: 'contract:approval', sentence: 'nobody accepted it', next: 'propose one' };
    const driver = guarded({}, { engagement: { refusal: () => no, said: () => undefined } });
    const raw = driver.app(post({ message: message(text) })).takeApp();
    expect(raw).toContain('HTTP/1.1 403');
    expect(bodyOf(raw).error?.message).toBe('Nobody accepted it; propose one');
    expect(refusedWith(driver, bare('GET /rest/extendedAgentCard'))).toBe(undefined);
  });
});

describe('the A2A guard: what the agent answers by REST', () => {
  const asked = (rules: unknown = { messageTypes: ['text'] }, path = '/rest/message:send'): GuardDriver => {
    const driver = guarded(rules).app(post({ message: message(text) }, path));
    driver.takeService();
    return driver;
  };
  const task = (parts: unknown): string =>
    JSON.stringify({ task: { id: 't', artifacts: [{ artifactId: 'a', parts }] } });

  it('passes as it came, or is kept back with a status that says so', () => {
    const came = answer(task(text));
    expect(asked().service(came).takeApp()).toBe(came);
    const driver = asked().service(answer(task([{ data: { secret: 1 } }])));
    const raw = driver.takeApp();
    expect(raw).toContain('HTTP/1.1 415');
    expect(raw).not.toContain('secret');
    expect(driver.end().calls).toMatchObject([{ decision: 'deny', rule: 'contract:a2a.messageTypes' }]);
  });

  it('shows of errors what is an error, and of pages their status', () => {
    const info = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'X', domain: 'd', metadata: {} }];
    const error = (details: unknown): string =>
      JSON.stringify({ error: { code: 404, status: 'NOT_FOUND', message: 'no', details } });
    const failing = (body: string): string =>
      asked().service(answer(body).replace('200 OK', '404 Not Found')).takeApp();
    expect(bodyOf(failing(error(info))).error?.details).toEqual(info);
    const cut = failing(error([{ secret: 1 }]));
    expect(cut).toContain('HTTP/1.1 404');
    expect(bodyOf(cut)).toEqual({ error: { code: 404, status: 'NOT_FOUND', message: 'no' } });
    for (const page of ['<p>secret</p>', '{"secret":1}', '{"error":"secret"}']) {
      expect(failing(page)).toMatch(/^HTTP\/1\.1 404 [^]*answered with status 404/);
      expect(failing(page)).not.toContain('secret');
    }
    const odd = asked().service(answer('[1]'));
    expect(odd.takeApp()).toContain('HTTP/1.1 502');
    expect(odd.end().faults).toEqual(['guard.a2a.answer_unreadable']);
  });

  it('comes by events, each judged by itself', () => {
    const good = `data: ${JSON.stringify({ statusUpdate: { status: {} } })}\n\n`;
    const driver = asked(undefined, '/rest/message:stream');
    driver.service(chunked([good, ': ping\n\n', `data: ${task([{ data: { secret: 1 } }])}\n\n`, 'data: 7\n\n']));
    const shown = dechunk(driver.takeApp());
    expect(shown.startsWith(`${good}: ping\n\n`)).toBe(true);
    expect(shown).toContain('"error"');
    expect(shown).not.toContain('secret');
    expect(driver.end().faults).toEqual(['guard.a2a.answer_unreadable']);
  });

  it('shows in a card the ways in that are read', () => {
    const old = { protocolBinding: 'HTTP+JSON', protocolVersion: '0.3', url: 'http://in/old' };
    const driver = guarded({}).app(bare('GET /.well-known/agent-card.json'));
    driver.service(answer(JSON.stringify({ ...card, supportedInterfaces: [...card.supportedInterfaces, old] })));
    expect(bodyOf(driver.takeApp())).toMatchObject({ supportedInterfaces: card.supportedInterfaces });
    expect(refusedWith(driver, post({ message: message(text) }))).toBe(undefined);
  });
});

import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { guardedProtocols } from '../../main/base/engagement/guarded.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import { answer, context, GuardDriver, post, type Segment } from '../support/guard-driver.ts';
import { dnp3, enip, iec104, opcua, s7 } from '../support/floor-frames.ts';

const drive = (terms: Readonly<Record<string, unknown>>): GuardDriver => {
  const guard = createGuard(parseEngagement(terms, 'test'), context());
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};

const rpc = (id: number, method: string, params: unknown, path = '/mcp'): string =>
  post(JSON.stringify({ jsonrpc: '2.0', id, method, params }), {}, path);
const call = (id: number, name: string): string => rpc(id, 'tools/call', { name, arguments: {} });
const told = (id: number, result: unknown): string => answer(JSON.stringify({ jsonrpc: '2.0', id, result }));
const modbus = (transaction: number, pdu: readonly number[]): Uint8Array =>
  Uint8Array.of(0, transaction, 0, 0, 0, pdu.length + 1, 1, ...pdu);
const said = (skillId: string): unknown => ({
  messageId: 'm',
  role: 'ROLE_USER',
  parts: [{ text: 'hi' }],
  metadata: { skillId },
});
const chat = (body: unknown): string => post(JSON.stringify(body)).replace('/mcp', '/v1/chat/completions');

interface Observed {
  readonly rules: Readonly<Record<string, unknown>>;
  /** What the conversation has to begin with. */
  readonly before?: readonly Segment[];
  /** What the lists refuse, and by which rule. */
  readonly listed: Uint8Array | string;
  readonly rule: string;
  /** What no guard can judge: it stays refused. */
  readonly unjudged: Uint8Array | string;
}

/** One of each guard; a guard without a row here fails the first test. */
const subjects: Readonly<Record<(typeof guardedProtocols)[number], Observed>> = {
  mcp: {
    rules: { allow: ['search'] },
    listed: call(1, 'delete_user'),
    rule: 'contract:mcp.allow',
    unjudged: rpc(2, 'tools/unheard_of', {}),
  },
  http: {
    rules: { methods: ['GET'] },
    listed: post('{}'),
    rule: 'contract:http.methods',
    unjudged: 'TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n',
  },
  a2a: {
    rules: { skills: ['sum'] },
    listed: rpc(1, 'SendMessage', { message: said('mail') }, '/'),
    rule: 'contract:a2a.skills',
    unjudged: rpc(2, 'agent/run', {}, '/'),
  },
  modbus: {
    rules: { allow: 'read' },
    listed: modbus(1, [6, 0, 0, 0, 9]),
    rule: 'contract:modbus.allow',
    unjudged: modbus(2, [99]),
  },
  s7: {
    rules: { allow: 'read' },
    before: [
      ['app', s7.connect],
      ['app', s7.setup],
    ],
    listed: s7.job(9, [5, 1, ...s7.item(1, 0)], [0, 4, 0, 8, 9]),
    rule: 'contract:s7.allow',
    unjudged: s7.job(10, [0x90, 0]),
  },
  enip: {
    rules: { allow: ['read', 'write'], objects: ['SPEED'] },
    listed: enip.unconnected(enip.tag(0x4d, 'COUNTS', [0xc4, 0, 1, 0, 7, 0, 0, 0])),
    rule: 'contract:enip.objects',
    unjudged: enip.unconnected(enip.of(0x4c, 0x37, 1)),
  },
  opcua: {
    rules: { allow: 'read' },
    before: [
      ['app', opcua.hello],
      ['app', opcua.open('None', 1)],
      ['service', opcua.open('None', 1)],
    ],
    listed: opcua.message(2, 2, opcua.write(2, 'Speed', 9)),
    rule: 'contract:opcua.allow',
    unjudged: opcua.message(3, 3, opcua.request(9999, 3, [])),
  },
  iec104: {
    rules: { allow: 'read' },
    before: [['app', iec104.start]],
    listed: iec104.information(0, 0, iec104.asdu(45, 12, [1])),
    rule: 'contract:iec104.allow',
    unjudged: iec104.information(0, 0, [45, 2, 6, 0, 47, 0, 12, 0, 0, 1, 13, 0, 0, 1]),
  },
  dnp3: {
    rules: { allow: 'read' },
    listed: dnp3.request(5, 13),
    rule: 'contract:dnp3.allow',
    unjudged: dnp3.request(6, 99),
  },
};

describe('a contract that observes', () => {
  it.each(guardedProtocols)('lets %s calls through that its lists would refuse, and says so', (protocol) => {
    const { rules, before = [], listed, rule, unjudged } = subjects[protocol];
    const asked = (enforce: string) => {
      const driver = drive({ [protocol]: rules, enforce });
      for (const [from, bytes] of before) driver[from](bytes);
      driver.takeService();
      const went = driver.app(listed).takeService().length > 0;
      driver.outcome.calls.push(...driver.end().calls.splice(0));
      return { went, calls: driver.outcome.calls };
    };
    const enforced = asked('enforce');
    expect(enforced.went).toBe(false);
    expect(enforced.calls).toMatchObject([{ decision: 'deny', rule }]);
    expect(enforced.calls[0]).not.toHaveProperty('observed');
    const observed = asked('observe');
    expect(observed.went).toBe(true);
    expect(observed.calls).toMatchObject([{ decision: 'allow', observed: rule, rule: 'contract:enforce observe' }]);

    // What cannot be judged stays refused.
    const driver = drive({ [protocol]: rules, enforce: 'observe' });
    for (const [from, bytes] of before) driver[from](bytes);
    driver.takeService();
    driver.app(unjudged);
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
    expect(driver.outcome.calls[0]?.rule).toMatch(/^guard:/);
  });

  it('shows every tool in lists, asks nobody, and counts past its limits', () => {
    const driver = drive({ mcp: { allow: ['search'], ask: ['search'], maxCalls: 1 }, enforce: 'observe' });
    driver.app(rpc(1, 'tools/list', {})).service(told(1, { tools: [{ name: 'search' }, { name: 'delete_user' }] }));
    expect(driver.takeApp()).toContain('delete_user');
    driver.app(call(2, 'search')).service(told(2, { content: [] }));
    driver.app(rpc(3, 'prompts/get', { name: 'other' })).service(told(3, {}));
    driver.app(rpc(4, 'resources/subscribe', { uri: 'file:///x' })).service(told(4, {}));
    expect(driver.outcome.calls.map(({ decision, observed }) => [decision, observed])).toEqual([
      ['allow', 'contract:mcp.ask search'],
      ['allow', 'contract:mcp.allow'],
      ['allow', 'contract:mcp.allow'],
    ]);
    const limited = drive({ mcp: { maxCalls: 1 }, enforce: 'observe' });
    limited.app(call(1, 'a')).service(told(1, {})).app(call(2, 'a')).service(told(2, {}));
    expect(limited.outcome.calls.map(({ observed }) => observed)).toEqual([undefined, 'contract:mcp.maxCalls']);
  });

  it('gives answers of agents of other types, and shows its card whole', () => {
    const driver = drive({ a2a: { skills: ['sum'], messageTypes: ['text'] }, enforce: 'observe' });
    const card = { name: 'a', skills: [{ id: 'sum' }, { id: 'mail' }] };
    driver.app('GET /.well-known/agent-card.json HTTP/1.1\r\nHost: a\r\n\r\n').service(answer(JSON.stringify(card)));
    expect(driver.takeApp()).toContain('mail');
    driver.app(rpc(1, 'SendMessage', { message: said('sum') }, '/'));
    driver.service(told(1, { message: { messageId: 'n', role: 'ROLE_AGENT', parts: [{ data: { x: 1 } }] } }));
    expect(driver.takeApp()).toContain('"x":1');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'allow', observed: 'contract:a2a.messageTypes' }]);
  });

  it('still holds to data, websockets and budgets', () => {
    const http = { models: ['gpt'], tokenBudget: { tokens: 10, perSeconds: 60 } };
    const driver = drive({ http, enforce: 'observe' });
    driver.app(chat({ model: 'other', max_tokens: 20 }));
    driver.service(answer('{"usage":{"prompt_tokens":5,"completion_tokens":20}}'));
    driver.app(chat({ model: 'gpt' }));
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'allow', model: 'other', observed: 'contract:http.models' },
      { decision: 'deny', rule: 'contract:http.tokenBudget' },
    ]);
    const socket = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    const upgraded = drive({ http: { methods: ['GET'] }, enforce: 'observe' });
    upgraded.app(`GET /a HTTP/1.1\r\nHost: a\r\n${socket}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    expect(upgraded.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'contract:http.websocket' }]);
  });

  it('notes methods, paths and models beside MCP', () => {
    const driver = drive({ mcp: {}, http: { paths: ['/v1/**'], models: ['gpt'] }, enforce: 'observe' });
    driver.app(rpc(1, 'tools/call', { name: 'ask', arguments: { model: 'other' }, model: 'other' }));
    driver.service(told(1, {}));
    expect(driver.takeService()).toContain('tools/call');
    expect(driver.outcome.calls.map(({ decision, observed }) => [decision, observed])).toEqual([
      ['allow', 'contract:http.paths'],
      ['allow', 'contract:http.models'],
      ['allow', undefined],
    ]);
  });
});

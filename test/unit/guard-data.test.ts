/** Secrets, personal data and classes of one's own in what MCP calls say and are answered. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parseEngagement, type EngagementContract } from '../../main/base/engagement.ts';
import { CompiledDataRules } from '../../main/guard/data/data-rules.ts';
import { dataDetectors } from '../../main/guard/data/detectors.ts';
import { DocumentScan } from '../../main/guard/data/document-scan.ts';
import { CallHistories } from '../../main/guard/data/history.ts';
import { KeptSecrets } from '../../main/guard/data/kept-secrets.ts';
import { ScannedJson } from '../../main/guard/data/scanned-json.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { McpGuard } from '../../main/guard/mcp/mcp-guard.ts';
import { narrowContracts } from '../../main/policy/narrow.ts';
import { answer, chunked, context, dechunk, GuardDriver, post } from '../support/guard-driver.ts';
import { madeUp } from '../support/data-set/made-up.ts';

const detectors = dataDetectors();
const drive = (data: unknown, more: Partial<GuardContext> = {}, mcp: unknown = {}): GuardDriver => {
  const contract = parseEngagement({ mcp, data }, 'test');
  const rules = new CompiledDataRules(contract.data ?? {}, detectors, more.keptSecrets);
  return new GuardDriver(new McpGuard(contract.mcp ?? {}, contract, context(more), rules));
};
const message = (fields: unknown): string => JSON.stringify({ jsonrpc: '2.0', ...(fields as object) });
const call = (id: number, name: string, args: unknown): string =>
  message({ id, method: 'tools/call', params: { name, arguments: args } });
const result = (id: number, value: unknown): string => message({ id, result: value });
const text = (said: string): unknown => ({ content: [{ type: 'text', text: said }] });
const bodyOf = (http: string): unknown => JSON.parse(http.slice(http.indexOf('\r\n\r\n') + 4));

/** The two wires, and the three forms of an answer. */
const wires = {
  'HTTP with JSON': { ask: post, answer, shown: (out: string) => bodyOf(out) },
  'HTTP with an event stream': {
    ask: post,
    answer: (body: string) => chunked([`event: message\ndata: ${body}\n\n`]),
    shown: (out: string) => JSON.parse(/data: (.*)/.exec(dechunk(out))?.[1] ?? '') as unknown,
  },
  lines: {
    ask: (body: string) => `${body}\n`,
    answer: (body: string) => `${body}\n`,
    shown: (out: string) => JSON.parse(out) as unknown,
  },
} as const;
const sent = (out: string): unknown => (out.startsWith('POST') ? bodyOf(out) : JSON.parse(out));

describe.each(Object.entries(wires))('data in calls over %s', (_wire, over) => {
  it('records counts and places, and passes on what came', () => {
    const driver = drive({ personal: 'record', secrets: 'record' });
    const asked = over.ask(call(1, 'send', { to: ['ada@example.org', 'x'], note: 'or bob@example.org', n: 1.0 }));
    driver.app(asked);
    expect(driver.takeService()).toBe(asked);
    const reply = over.answer(result(1, text(`key ${madeUp.githubToken}`)));
    driver.service(reply);
    expect(driver.takeApp()).toBe(reply);
    const [recorded] = driver.outcome.calls;
    expect(recorded).toMatchObject({ target: 'send', decision: 'allow' });
    expect(recorded?.data).toEqual([
      {
        class: 'email',
        in: 'arguments',
        action: 'record',
        count: 2,
        places: ['$.arguments.to[0]', '$.arguments.note'],
      },
      { class: 'access-token', in: 'result', action: 'record', count: 1, places: ['$.content[0].text'] },
    ]);
    expect(JSON.stringify(driver.outcome.calls)).not.toMatch(/example\.org|ghp_/);
  });

  it('replaces by a marker, both ways, and judges and records what goes on', () => {
    const driver = drive({ personal: 'redact', secrets: 'redact' }, {}, { recordArguments: true });
    driver.app(over.ask(call(1, 'send', { text: `pay ${madeUp.card}, ask ada@example.org`, amount: 10 })));
    const params = {
      name: 'send',
      arguments: { text: 'pay [redacted:payment-card], ask [redacted:email]', amount: 10 },
    };
    expect(sent(driver.takeService())).toEqual({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    driver.service(
      over.answer(result(1, { ...(text(`it is ${madeUp.iban}`) as object), structuredContent: { big: 1 } })),
    );
    expect(over.shown(driver.takeApp())).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { ...(text('it is [redacted:iban]') as object), structuredContent: { big: 1 } },
    });
    expect(driver.outcome.calls).toMatchObject([{ arguments: params.arguments, decision: 'allow' }]);
  });

  it('refuses a call with a reason that names class and place, and never the value', () => {
    const driver = drive({ secrets: 'refuse' }, {}, { recordArguments: true });
    driver.app(over.ask(call(7, 'send', { body: { token: madeUp.githubToken } })));
    expect(driver.takeService()).toBe('');
    const told = driver.takeApp();
    const why = 'the contract lets no access-token pass, and there is one in the arguments ($.arguments.body.token)';
    expect(over.ask === post ? bodyOf(told) : JSON.parse(told)).toMatchObject({
      id: 7,
      error: { message: `Refused: ${why}`, data: { rule: 'contract:data.secrets access-token', reason: why } },
    });
    expect(driver.outcome.calls).toMatchObject([
      {
        decision: 'deny',
        rule: 'contract:data.secrets access-token',
        arguments: { body: { token: '[redacted:access-token]' } },
      },
    ]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('refuses an answer in its own id', () => {
    const driver = drive({ personal: 'refuse' });
    driver.app(over.ask(call(3, 'read', {})));
    driver.service(over.answer(result(3, { structuredContent: { mail: 'ada@example.org' } })));
    expect(over.shown(driver.takeApp())).toMatchObject({ id: 3, error: { data: { class: 'email', by: 'culvert' } } });
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'contract:data.personal email' }]);
  });
});

describe('data in calls', () => {
  it('is found however it is cut into chunks, and however long the text around it is', () => {
    const long = `${'all is well, '.repeat(3_000)}${madeUp.githubToken}${' and still is'.repeat(3_000)}`;
    const whole = Buffer.from(post(call(1, 'send', { text: long })));
    for (const size of [1_000, 4_096, 65_536]) {
      const driver = drive({ secrets: 'redact' });
      for (let at = 0; at < whole.length; at += size) driver.app(whole.subarray(at, at + size));
      const { params } = sent(driver.takeService()) as { params: { arguments: { text: string } } };
      expect(params.arguments.text).toBe(long.replace(madeUp.githubToken, '[redacted:access-token]'));
    }
  });

  it('is found wherever it stands among windows', () => {
    const rules = new CompiledDataRules({ secrets: 'record' }, detectors, undefined);
    for (let at = 7_900; at < 12_700; at += 13) {
      const reader = new ScannedJson(rules.scan());
      reader.push(
        Buffer.from(JSON.stringify({ text: `${' .'.repeat(at / 2)} ${madeUp.githubToken} ${' .'.repeat(4_000)}` })),
      );
      expect(reader.end().found, String(at)).toMatchObject([{ name: 'access-token', key: 'text' }]);
    }
  });

  it('keeps order, digits and what is no data when it writes a message anew', () => {
    const driver = drive({ personal: 'redact' });
    const args =
      '{"z":1.50,"big":9007199254740993,"__proto__":"x","mail":"ada@example.org","card":4111111111111111,"a":"\\u2028\\u00e9"}';
    driver.app(post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":${args}}}`));
    expect(Buffer.from(driver.takeService(), 'latin1').toString()).toContain(
      '{"z":1.50,"big":9007199254740993,"__proto__":"x","mail":"[redacted:email]","card":"[redacted:payment-card]","a":"\\u2028é"}',
    );
  });

  it('is looked for in names, which are data too', () => {
    const driver = drive({ personal: 'redact' }, {}, { recordArguments: true });
    driver.app(post(call(1, 't', { 'ada@example.org': 1, 'bob@example.org': { deep: 2 } })));
    const changed = { '[redacted:email]': 1, '[redacted:email] 2': { deep: 2 } };
    expect(bodyOf(driver.takeService())).toMatchObject({ params: { arguments: changed } });
    driver.end();
    expect(driver.outcome.calls[0]?.arguments).toEqual(changed);
    expect(driver.outcome.calls[0]?.data).toMatchObject([{ places: ['$.arguments.*~'] }]);
  });

  it('is found beside its name, as a secret without a form of its own is', () => {
    const driver = drive({ secrets: 'redact' });
    driver.app(post(call(1, 't', { aws_secret_access_key: madeUp.awsSecret, other: madeUp.awsSecret.slice(2) })));
    const { params } = bodyOf(driver.takeService()) as { params: { arguments: Record<string, string> } };
    expect(params.arguments).toEqual({
      aws_secret_access_key: '[redacted:access-token]',
      other: madeUp.awsSecret.slice(2),
    });
  });

  it('is found although the text says that it should not be', () => {
    const driver = drive({ secrets: 'record' });
    driver.app(post(call(1, 't', { text: `secretlint-disable-line secretlint-disable\n${madeUp.githubToken}` })));
    driver.end();
    expect(driver.outcome.calls[0]?.data).toMatchObject([{ class: 'access-token', count: 1 }]);
  });

  it('knows the values that Culvert keeps, as long as it keeps them', () => {
    const keptSecrets = new KeptSecrets();
    keptSecrets.keep('upstream', 'plain words nobody would guess');
    const driver = drive({ secrets: 'redact' }, { keptSecrets });
    const asked = (): unknown => {
      driver.app(post(call(1, 't', { text: 'say plain words nobody would guess.' })));
      driver.service(answer(result(1, {})));
      return (bodyOf(driver.takeService()) as { params: { arguments: unknown } }).params.arguments;
    };
    expect(asked()).toEqual({ text: 'say [redacted:kept-secret].' });
    keptSecrets.forget('upstream');
    expect(asked()).toEqual({ text: 'say plain words nobody would guess.' });
  });

  it('that nobody can be refused for is replaced: notifications, and what is asked and answered the other way', () => {
    const driver = drive({ personal: 'refuse' });
    const ask = message({ id: 's1', method: 'elicitation/create', params: { message: 'is ada@example.org you?' } });
    const note = message({ method: 'notifications/message', params: { data: 'ada@example.org' } });
    const asked = message({ id: 's1', result: { content: { mail: 'ada@example.org' } } });
    driver.app(`${call(1, 't', {})}\n`).service(`${ask}\n${note}\n`);
    expect(driver.takeApp()).toBe(`${ask}\n${note}\n`.replaceAll('ada@example.org', '[redacted:email]'));
    driver.takeService();
    driver.app(`${asked}\n`);
    expect(driver.takeService()).toBe(`${asked}\n`.replace('ada@example.org', '[redacted:email]'));
    expect(driver.outcome.calls).toMatchObject([
      { method: 'elicitation/create', data: [{ class: 'email', action: 'redact', in: 'result' }] },
      { method: 'notifications/message' },
      { method: 'answer', data: [{ in: 'arguments' }] },
    ]);
  });

  it('leaves lists alone but for what the contract hides, also where an answer beside them is replaced', () => {
    const driver = drive({ personal: 'redact' }, {}, { allow: ['show*'] });
    driver.app(`${message({ id: 1, method: 'tools/list', params: {} })}\n${call(2, 'show', {})}\n`);
    const tools = [{ name: 'hidden' }, { name: 'show' }];
    driver.service(`[${result(1, { tools, cacheScope: 'public' })},${result(2, text('ada@example.org'))}]\n`);
    expect(JSON.parse(driver.takeApp())).toMatchObject([
      { id: 1, result: { tools: [{ name: 'show' }], cacheScope: 'private' } },
      { id: 2, result: text('[redacted:email]') },
    ]);
  });

  it('is as the contract says for its class, and otherwise for its kind', () => {
    const driver = drive({ personal: 'redact', classes: { email: 'record', iban: 'refuse' } });
    driver.app(post(call(1, 't', { text: `ada@example.org ${madeUp.phone}` })));
    expect(bodyOf(driver.takeService())).toMatchObject({
      params: { arguments: { text: 'ada@example.org [redacted:phone]' } },
    });
    driver.service(answer(result(1, {})));
    driver.app(post(call(2, 't', { text: madeUp.iban })));
    expect(driver.takeService()).toBe('');
    const all = drive({ classes: 'redact' });
    all.app(post(call(1, 't', { text: `ada@example.org ${madeUp.githubToken}` })));
    expect(bodyOf(all.takeService())).toMatchObject({
      params: { arguments: { text: '[redacted:email] [redacted:access-token]' } },
    });
  });
});

describe('classes of one’s own', () => {
  const patient = {
    classes: { patient: { action: 'redact', fields: ['$.patient.name', '$..ssn', '$.rows[*].note'] } },
  };

  it('stand in fields of arguments, of structured results, and of texts that are JSON', () => {
    const driver = drive(patient);
    driver.app(post(call(1, 'save', { patient: { name: 'Ada', born: 1815 }, rows: [{ note: ['x'] }, {}] })));
    expect(bodyOf(driver.takeService())).toMatchObject({
      params: {
        arguments: { patient: { name: '[redacted:patient]', born: 1815 }, rows: [{ note: '[redacted:patient]' }, {}] },
      },
    });
    const record = { deep: [{ ssn: 123 }], patient: { name: 'Ada' }, n: 1 };
    driver.service(answer(result(1, { ...(text(JSON.stringify(record)) as object), structuredContent: record })));
    const shown = bodyOf(driver.takeApp()) as { result: { content: [{ text: string }]; structuredContent: unknown } };
    const redacted = { deep: [{ ssn: '[redacted:patient]' }], patient: { name: '[redacted:patient]' }, n: 1 };
    expect(shown.result.structuredContent).toEqual(redacted);
    expect(JSON.parse(shown.result.content[0].text)).toEqual(redacted);
    expect(driver.outcome.calls[0]?.data).toMatchObject([
      { class: 'patient', in: 'arguments', count: 2 },
      { class: 'patient', in: 'result', count: 4 },
    ]);
  });

  it('fail closed on a text that only some readers take for JSON, and in another letter case', () => {
    const driver = drive(patient);
    driver.app(post(call(1, 'read', { Patient: { NAME: 'Ada' } })));
    expect(bodyOf(driver.takeService())).toMatchObject({
      params: { arguments: { Patient: { NAME: '[redacted:patient]' } } },
    });
    driver.service(answer(result(1, text('{"ssn":1,"ssn":2}'))));
    expect(bodyOf(driver.takeApp())).toMatchObject({ result: text('[redacted:patient]') });
    driver.app(post(call(2, 'read', {})));
    driver.takeService();
    driver.service(answer(result(2, text('[note] no JSON at all'))));
    expect(bodyOf(driver.takeApp())).toMatchObject({ result: text('[note] no JSON at all') });
  });

  it('may be all that some tools answer, and is remembered of the program over its sessions', () => {
    const histories = new CallHistories(() => 0);
    const history = histories.of('claude');
    const classes = { classes: { classified: { action: 'record', tools: ['read_*'] } } };
    const driver = drive(classes, { history });
    driver.app(post(call(1, 'search', {}))).service(answer(result(1, text('nothing'))));
    expect(history.past()).toEqual({ calls: 1, things: ['search'], classesRead: [] });
    driver.app(post(call(2, 'read_record', {}))).service(answer(result(2, text('the plan'))));
    expect(histories.of('claude').past()).toEqual({
      calls: 2,
      things: ['search', 'read_record'],
      classesRead: ['classified'],
    });
    expect(histories.of('other').past().calls).toBe(0);
    // An answer by another stream: nobody can tell whose it is.
    const later = drive(classes, { history: histories.of('third') });
    later.app('GET /mcp HTTP/1.1\r\nHost: docs\r\nAccept: text/event-stream\r\n\r\n');
    later.service(chunked([`data: ${result(9, text('the plan'))}\n\n`]));
    expect(histories.of('third').past().classesRead).toEqual(['classified']);
  });

  it('keep their own action beside one for all that is found', () => {
    const own = { classes: { classified: { action: 'record', tools: ['read_*'] } } };
    const history = new CallHistories(() => 0).of('claude');
    const driver = drive({ secrets: 'refuse', personal: 'redact', ...own }, { history });
    driver.app(post(call(1, 'read_record', {}))).service(answer(result(1, text('mail ada@example.org'))));
    expect(bodyOf(driver.takeApp())).toMatchObject({ result: text('mail [redacted:email]') });
    expect(driver.outcome.calls[0]?.data).toMatchObject([
      { class: 'email', action: 'redact' },
      { class: 'classified', action: 'record', places: ['$'] },
    ]);
    expect(history.past().classesRead).toEqual(['classified']);
  });

  it('is forgotten after an hour of silence', () => {
    let nowMs = 0;
    const histories = new CallHistories(() => nowMs);
    histories.of('a').read(['x']);
    nowMs += 3_600_000;
    expect(histories.of('a').past().classesRead).toEqual(['x']);
    nowMs += 1;
    expect(histories.of('a').past().classesRead).toEqual([]);
  });
});

describe('the terms of data', () => {
  const parse = (data: unknown): EngagementContract => parseEngagement({ mcp: {}, data }, 'notes');

  it.each([
    ['an unknown action', { secrets: 'hide' }, 'data.secrets'],
    ['an unknown field', { secret: 'redact' }, 'data'],
    ['an unknown action of a class', { classes: { email: 'hide' } }, 'data.classes'],
    ['a class nobody knows', { classes: { salary: 'redact' } }, 'data.classes'],
    [
      'a known class with fields of its own',
      { classes: { email: { action: 'record', fields: ['$.a'] } } },
      'data.classes',
    ],
    ['a path that is none', { classes: { own: { action: 'record', fields: ['$.a[?@.b]'] } } }, 'data.classes'],
    ['all of a call replaced', { classes: { own: { action: 'redact', tools: ['t'] } } }, 'data.classes'],
  ])('refuse %s by the field’s name', (_what, data, field) => {
    expect(() => parse(data)).toThrowError(
      expect.objectContaining({ message: expect.stringContaining(field) as string }),
    );
  });

  it('hold only beside mcp or http, where something looks for it', () => {
    const contract = parseEngagement({ a2a: {}, data: { secrets: 'refuse' } }, 'models');
    expect(() => createGuard(contract, context())).toThrowError(/only beside mcp or http/);
  });

  it('of two contracts are the stricter for each class', () => {
    const narrowed = narrowContracts(
      parse({ personal: 'redact', classes: { email: 'record', own: { action: 'record', tools: ['a'] } } }),
      parse({
        secrets: 'record',
        personal: 'record',
        classes: { iban: 'refuse', own: { action: 'redact', fields: ['$.x'] } },
      }),
    );
    expect(narrowed.data).toEqual({
      secrets: 'record',
      personal: 'redact',
      classes: { email: 'record', iban: 'refuse', own: { action: 'refuse', fields: ['$', '$.x'] } },
    });
    // A local word that is milder changes nothing.
    const strict = parse({ secrets: 'refuse' });
    const mild = narrowContracts(strict, parse({ secrets: 'record', classes: { 'access-token': 'record' } }));
    expect(mild.data).toEqual(strict.data);
  });
});

describe('a guard whose detectors are loaded', () => {
  it('judges in order what came before they were there', async () => {
    const contract = parseEngagement({ mcp: {}, data: { personal: 'redact' } }, 'test');
    const guard = createGuard(contract, context());
    if (guard === undefined) throw new Error('no guard');
    const driver = new GuardDriver(guard);
    driver.app(`${call(1, 't', { a: 'ada@example.org' })}\n`);
    expect(guard.waiting?.()).toBe('bytes');
    driver.app(`${call(2, 't', {})}\n`);
    await import('../../main/guard/data/detectors.ts');
    await new Promise((resolve) => setImmediate(resolve));
    const [first, second] = driver.takeService().trim().split('\n');
    expect(first).toContain('[redacted:email]');
    expect(second).toContain('"id":2');
    expect(guard.waiting?.()).toBeUndefined();
  });
});

describe('the scan of a document', () => {
  let scan: DocumentScan;
  const seen: string[] = [];
  beforeAll(() => {
    scan = new DocumentScan((window) => {
      seen.push(window);
      return [];
    });
  });

  it('looks at windows of bounded length that overlap, and at nothing else', () => {
    const reader = new ScannedJson(scan);
    const bytes = Buffer.from(
      JSON.stringify({ long: 'x'.repeat(100_000), many: Array.from({ length: 20_000 }, (_, i) => `v${i}`) }),
    );
    for (let at = 0; at < bytes.length; at += 10_000) reader.push(bytes.subarray(at, at + 10_000));
    expect(reader.end().json.kind).toBe('json');
    expect(Math.max(...seen.map((window) => window.length))).toBeLessThan(14 * 1024);
    // Each character is looked at twice at most, but for the little before a window.
    expect(seen.reduce((sum, window) => sum + window.length, 0)).toBeLessThan(2.2 * 400_000);
  });
});

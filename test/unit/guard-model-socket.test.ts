/** Models spoken to over websockets: every message is read, judged and counted, whoever fragments it and however. */
import fc from 'fast-check';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { parseEngagement } from '../../main/base/engagement.ts';
import { defined } from '../../main/base/defined.ts';
import { CompiledDataRules } from '../../main/guard/data/data-rules.ts';
import { dataDetectors } from '../../main/guard/data/detectors.ts';
import { httpGuard } from '../../main/guard/http/http-guard.ts';
import { createHeldBudget } from '../../main/guard/held-budget.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { encodeFrame, FrameReader, type SocketMessage } from '../../main/guard/http/socket-frames.ts';
import { context, GuardDriver } from '../support/guard-driver.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanUps.splice(0).reverse()) await clean();
});

const mask = Uint8Array.of(1, 2, 3, 4);
const tokenBudget = { tokens: 2_000, perSeconds: 3_600 };

function drive(http: object, target = '/v1/responses', more: Partial<GuardContext> = {}, data?: object): GuardDriver {
  const terms = parseEngagement({ http: { websocket: true, ...http }, ...defined({ data }) }, 'test');
  const rules = data && new CompiledDataRules(terms.data ?? {}, dataDetectors(), undefined);
  const driver = new GuardDriver(httpGuard(terms.http ?? {}, context(more), rules));
  driver.app(
    `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  );
  return driver;
}

function opened(http: object, target?: string, more?: Partial<GuardContext>): GuardDriver {
  const driver = drive(http, target, more);
  expect(driver.takeService()).not.toMatch(/extensions/i);
  driver.service('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  expect(driver.takeApp()).toContain('101');
  return driver;
}

const ask = (event: object): Uint8Array => encodeFrame('text', Buffer.from(JSON.stringify(event)), mask);
const say = (event: object): Uint8Array => encodeFrame('text', Buffer.from(JSON.stringify(event)));

/** What came of one side: events, and the codes of close frames. */
function events(bytes: Buffer, isMasked: boolean): unknown[] {
  const reader = new FrameReader(isMasked, 1_000_000);
  return reader.push(bytes).map(({ kind, payload }) => {
    if (kind === 'close') return Buffer.from(payload).readUInt16BE(0);
    return kind === 'text' ? (JSON.parse(Buffer.from(payload).toString()) as unknown) : kind;
  });
}

function toApp({ outcome }: GuardDriver): unknown[] {
  const bytes = outcome.toApp;
  outcome.toApp = Buffer.alloc(0);
  return events(bytes, false);
}

function toService({ outcome }: GuardDriver): unknown[] {
  const bytes = outcome.toService;
  outcome.toService = Buffer.alloc(0);
  return events(bytes, true);
}

const question = { type: 'response.create', model: 'good-1', input: 'what is dark?', max_output_tokens: 900 };
const created = { type: 'response.created', response: { id: 'r1' } };
const completed = (input: number, output: number): object => ({
  type: 'response.completed',
  response: { id: 'r1', usage: { input_tokens: input, output_tokens: output, total_tokens: input + output } },
});

describe('responses over a websocket', () => {
  it('arrive, and each is booked with its model as the provider told it', () => {
    const driver = opened({ models: ['good-*'], tokenBudget });
    for (const [input, output] of [
      [21, 40],
      [60, 7],
    ] as const) {
      driver.app(ask(question));
      expect(toService(driver)).toEqual([question]);
      const answer = [
        created,
        { type: 'response.output_text.delta', delta: 'no inbound port' },
        completed(input, output),
      ];
      for (const event of answer) driver.service(say(event));
      expect(toApp(driver)).toEqual(answer);
    }
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'allow', model: 'good-1', target: '/v1/responses', tokens: { input: 21, output: 40 } },
      { decision: 'allow', model: 'good-1', tokens: { input: 60, output: 7 } },
    ]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it.each([
    ['another model', { ...question, model: 'secret-1' }, 404, 'secret-1 is not among the models allowed'],
    ['no model', { type: 'response.create', input: 'x' }, 403, 'names no model'],
    ['another to fall back to', { ...question, fallbacks: ['secret-1'] }, 404, 'secret-1'],
    ['what is no event', [question], 400, 'no event'],
  ])('refuse %s in their own words, and go on', (_name, event, status, why) => {
    const driver = opened({ models: ['good-*'] });
    driver.app(ask(event));
    expect(toService(driver)).toEqual([]);
    expect(toApp(driver)).toMatchObject([
      { type: 'error', status, error: { message: expect.stringContaining(why) as string } },
    ]);
    driver.app(ask(question));
    expect(toService(driver)).toEqual([question]);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('end at the number of their budget, as incomplete ones do; the next is refused with when to come back', () => {
    const shared = context();
    const driver = opened({ tokenBudget }, undefined, { ledger: shared.ledger });
    driver.app(ask({ ...question, max_output_tokens: 100_000 })).service(say(created));
    for (let sent = 0; sent < 6_000; sent += 1)
      driver.service(say({ type: 'response.output_text.delta', delta: 'word ' }));
    const seen = toApp(driver);
    expect(seen.at(-1)).toBe(1000);
    const [last] = seen.slice(-2);
    expect(last).toMatchObject({
      type: 'response.incomplete',
      response: { id: 'r1', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
    });
    const [call] = driver.outcome.calls;
    const used = (call?.tokens?.input ?? 0) + (call?.tokens?.output ?? 0);
    expect(Math.abs(used - tokenBudget.tokens)).toBeLessThanOrEqual(0.05 * tokenBudget.tokens);
    expect(seen.length).toBeGreaterThan(0.9 * tokenBudget.tokens);
    expect(driver.outcome.ends).toEqual(['guard.http.budget_used']);
    expect(driver.outcome.violations).toEqual([]);

    const next = opened({ tokenBudget }, undefined, { ledger: shared.ledger });
    next.app(ask(question));
    expect(toService(next)).toEqual([]);
    expect(toApp(next)).toMatchObject([
      {
        type: 'error',
        status: 429,
        headers: { 'x-should-retry': 'false', 'Retry-After': expect.any(String) as string },
      },
    ]);
  });

  it('are charged nothing where the provider refuses, and what passed where they are cut', () => {
    const ledger = context().ledger;
    const driver = opened({ tokenBudget }, undefined, { ledger });
    driver.app(ask(question)).service(say({ type: 'error', status: 400, error: { message: 'no' } }));
    expect(ledger.used('laptop|claude|docs|http.tokens', 3_600_000, 1_000)).toBe(0);
    driver.app(ask(question)).service(say(created));
    for (let sent = 0; sent < 50; sent += 1)
      driver.service(say({ type: 'response.output_text.delta', delta: 'word ' }));
    driver.end();
    const used = ledger.used('laptop|claude|docs|http.tokens', 3_600_000, 1_000);
    expect(used).toBeGreaterThanOrEqual(50);
    expect(used).toBeLessThan(150);
  });

  it('do not count again the text that an event repeats whole', () => {
    const driver = opened({ tokenBudget });
    driver.app(ask({ ...question, max_output_tokens: 100_000 })).service(say(created));
    for (let sent = 0; sent < 1_200; sent += 1)
      driver.service(say({ type: 'response.output_text.delta', delta: 'word ' }));
    driver.service(say({ type: 'response.output_text.done', text: 'word '.repeat(1_200) }));
    driver.service(say(completed(21, 1_200)));
    expect(driver.outcome.ends).toEqual([]);
    expect(driver.outcome.calls).toMatchObject([{ tokens: { input: 21, output: 1_200 } }]);
  });

  it('are held to the length that the contract has for an answer', () => {
    const driver = opened({ models: ['*'], maxAnswerTokens: 50 });
    driver.app(ask({ type: 'response.create', model: 'm', input: 'x' }));
    expect(toService(driver)).toMatchObject([{ max_output_tokens: 50 }]);
  });

  it('pass pings, pongs and the end', () => {
    const driver = opened({ models: ['*'] });
    driver.app(encodeFrame('ping', Buffer.from('a'), mask)).service(encodeFrame('pong', Buffer.from('a')));
    driver.service(encodeFrame('close', Buffer.from([3, 232])));
    expect([toService(driver), toApp(driver)]).toEqual([['ping'], ['pong', 1000]]);
  });

  it('are given up, as a request would be, where what they take of the room is needed', () => {
    const held = createHeldBudget(1_000);
    const driver = opened({ models: ['*'] }, undefined, { held });
    const whole = ask({ ...question, input: 'x'.repeat(5_000) });
    driver.app(whole.subarray(0, 600));
    expect(held.used()).toBe(600);
    driver.app(whole.subarray(600, 2_000));
    expect([toService(driver), toApp(driver), driver.outcome.violations]).toEqual([[], [1013], []]);
    expect([driver.outcome.ends, held.used()]).toEqual([['guard.http.too_large'], 0]);
  });

  it('are closed, and nothing of it sent, where a side cannot be followed', () => {
    const bare = opened({ models: ['*'] });
    bare.app(encodeFrame('text', Buffer.from('{}')));
    expect([bare.outcome.violations, toService(bare), toApp(bare)]).toEqual([['guard.http.unparseable'], [], [1002]]);
    const odd = opened({ models: ['*'] });
    odd.service(encodeFrame('binary', Buffer.from('{}')));
    expect([odd.outcome.faults, odd.outcome.violations]).toEqual([['guard.http.unparseable'], []]);
    const extended = drive({ models: ['*'] });
    extended.service('HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n');
    expect(extended.outcome.faults).toEqual(['guard.http.unparseable']);
  });
});

describe('realtime', () => {
  const target = '/v1/realtime?model=good-1';

  it('has its model in the handshake, and another refused there', () => {
    const driver = drive({ models: ['good-*'] }, '/v1/realtime?model=secret-1');
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain('404');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'contract:http.models' }]);
  });

  it.each([
    ['of the session', { type: 'session.update', session: { model: 'secret-1' } }],
    [
      'of what is heard',
      { type: 'session.update', session: { audio: { input: { transcription: { model: 'secret-1' } } } } },
    ],
    ['of an answer', { type: 'response.create', response: { model: 'secret-1' } }],
  ])('is held to the models %s', (_name, event) => {
    const driver = opened({ models: ['good-*'] }, target);
    driver.app(ask({ event_id: 'e1', ...event }));
    expect(toService(driver)).toEqual([]);
    expect(toApp(driver)).toMatchObject([{ type: 'error', error: { event_id: 'e1', code: 'model_not_found' } }]);
  });

  it('counts answers that nobody asked for, sound, and what writing down speech used', () => {
    const ledger = context().ledger;
    const driver = opened({ models: ['good-*'], tokenBudget }, target, { ledger });
    driver.app(ask({ type: 'input_audio_buffer.append', audio: 'AAAA'.repeat(2_000) }));
    const usage = { input_tokens: 80, output_tokens: 30, total_tokens: 110 };
    for (const event of [
      created,
      ...Array.from({ length: 20 }, () => ({
        type: 'response.output_audio.delta',
        response_id: 'r1',
        delta: 'A'.repeat(9_000),
      })),
      { type: 'response.done', response: { id: 'r1', usage } },
      {
        type: 'conversation.item.input_audio_transcription.completed',
        usage: { ...usage, input_tokens: 5, output_tokens: 6 },
      },
    ]) {
      driver.service(say(event));
    }
    expect(toApp(driver)).toHaveLength(23);
    expect(driver.outcome.calls).toMatchObject([
      { model: 'good-1', tokens: { input: 80, output: 30 } },
      { model: 'good-1', tokens: { input: 5, output: 105 } },
    ]);
    expect(driver.outcome.violations).toEqual([]);
  });

  it('ends at the number in its own words', () => {
    const driver = opened({ tokenBudget: { tokens: 60, perSeconds: 60 } }, target);
    driver.app(ask({ type: 'response.create' })).service(say(created));
    for (let sent = 0; sent < 200; sent += 1) {
      driver.service(say({ type: 'response.output_text.delta', response_id: 'r1', delta: 'word ' }));
    }
    expect(toApp(driver).slice(-2)).toMatchObject([
      { type: 'response.done', response: { status: 'incomplete', status_details: { reason: 'max_output_tokens' } } },
      1000,
    ]);
  });
});

it('what cannot be read is refused as ever: other places, and where data is looked for', () => {
  for (const driver of [
    drive({ models: ['*'] }, '/ws'),
    drive({ models: ['*'] }, '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent'),
    drive({ models: ['*'], websocket: false }),
    drive({ models: ['*'] }, '/v1/responses', {}, { secrets: 'record' }),
  ]) {
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain('426');
  }
});

describe('frames', () => {
  const message = fc.record({
    kind: fc.constantFrom<SocketMessage['kind']>('text', 'binary', 'ping', 'pong'),
    payload: fc.oneof(fc.uint8Array({ maxLength: 125 }), fc.uint8Array({ minLength: 126, maxLength: 70_000 })),
    mask: fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined }),
  });

  it('are read as they were written, wherever they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 4 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 997 }),
        (all, masked, step) => {
          const sent = all.map((one) => ({
            ...one,
            payload: one.kind === 'ping' || one.kind === 'pong' ? one.payload.subarray(0, 125) : one.payload,
            mask: masked ? (one.mask ?? mask) : undefined,
          }));
          const bytes = Buffer.concat(sent.map((one) => encodeFrame(one.kind, one.payload, one.mask)));
          const reader = new FrameReader(masked, 1_000_000);
          const read: SocketMessage[] = [];
          for (let at = 0; at < bytes.length; at += step) read.push(...reader.push(bytes.subarray(at, at + step)));
          expect(reader.fault).toBeUndefined();
          expect(read.map((one) => [one.kind, Buffer.from(one.payload), one.mask])).toEqual(
            sent.map((one) => [one.kind, Buffer.from(one.payload), one.mask]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of nobody make the reader throw, nor hold more than it may', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, masked) => {
        const reader = new FrameReader(masked, 64);
        reader.push(bytes);
        expect(reader.heldBytes).toBeLessThanOrEqual(128 + 125);
      }),
    );
  });

  it.each([
    ['a reserved bit', [0xc1, 0x80, 0, 0, 0, 0]],
    ['an unknown kind', [0x83, 0x80, 0, 0, 0, 0]],
    ['a long control frame', [0x89, 0xfe, 0, 200, 0, 0, 0, 0]],
    ['a control frame in pieces', [0x09, 0x80, 0, 0, 0, 0]],
    ['a piece of nothing', [0x80, 0x80, 0, 0, 0, 0]],
    ['a message within another', [0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0]],
    ['a length beyond all', [0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]],
  ])('that are none end it: %s', (_name, bytes) => {
    const reader = new FrameReader(true, 1_000);
    expect(reader.push(Uint8Array.from(bytes))).toEqual([]);
    expect(reader.fault).toBeDefined();
  });
});

it('a kept client and a kept server speak through it, in frames of any size and pieces', async () => {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const { input } = JSON.parse(data.toString()) as { input: string };
      socket.send(JSON.stringify(created), { fin: true });
      socket.send(JSON.stringify({ type: 'response.output_text.delta', delta: String(input.length) }));
      socket.send(JSON.stringify(completed(33, 44)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    sockets.close();
    server.closeAllConnections();
    server.close();
  });
  const guarded = await openGuardedPort((server.address() as AddressInfo).port, {
    http: { models: ['good-*'], websocket: true },
  });
  cleanUps.push(() => guarded[Symbol.asyncDispose]());
  const client = new WebSocket(`ws://127.0.0.1:${guarded.port}/v1/responses`);
  const heard: { type: string; delta?: string }[] = [];
  client.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as { type: string }));
  await new Promise((resolve) => client.once('open', resolve));
  const long = JSON.stringify({ type: 'response.create', model: 'good-1', input: 'é'.repeat(200_000) });
  client.send(long.slice(0, 100_001), { fin: false });
  client.send(long.slice(100_001), { fin: true });
  await until(() => heard.length === 3);
  expect(heard[1]).toEqual({ type: 'response.output_text.delta', delta: '200000' });
  client.close();
  await until(() => guarded.calls().length === 2);
  expect(guarded.calls()[0]).toMatchObject({ model: 'good-1', tokens: { input: 33, output: 44 } });
});

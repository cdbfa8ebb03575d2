/** Money: what calls to models cost, and the budget that holds it. */
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { pricesFor } from '../../main/engine/admission/prices.ts';
import { parseConfig } from '../../main/engine/runtime/config.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { shippedPrices } from '../../main/guard/http/price-list.ts';
import { costOf, priceBook, type Price } from '../../main/guard/http/prices.ts';
import { narrowContracts } from '../../main/policy/narrow.ts';
import { answer, chunked, context, dechunk, GuardDriver, post } from '../support/guard-driver.ts';

const price = (model: string, more: Partial<Price> = {}): Price => ({
  model,
  currency: 'USD',
  input: 2,
  output: 10,
  checked: '2026-11-30',
  source: 'test',
  ...more,
});
/** A token asked costs two millionths of a dollar, one answered ten. */
const prices = priceBook([price('m'), price('dear', { input: 20, output: 100 }), price('euro', { currency: 'EUR' })]);
const drive = (http: unknown, more: Partial<GuardContext> = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ http }, 'test'), context({ prices, ...more }));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};
const ask = (body: unknown, path = '/v1/chat/completions'): string => post(JSON.stringify(body)).replace('/mcp', path);
const used = (input: number, output: number): string =>
  answer(JSON.stringify({ usage: { prompt_tokens: input, completion_tokens: output } }));
const costBudget = { amount: 0.001, currency: 'USD', perSeconds: 60 };

describe('what a call costs', () => {
  const all = price('x', { cached: 0.5, cacheWrite: 4, reasoning: 30 });

  it.each([
    ['as a whole', { input: 100, output: 10 }, 300],
    ['less for what was kept', { input: 100, output: 0, cached: 40 }, 140],
    ['more for what is to be kept', { input: 100, output: 0, cached: 40, cacheWritten: 10 }, 160],
    ['more for what was thought', { input: 0, output: 10, reasoning: 4 }, 180],
    ['never less than nothing, whatever a provider says', { input: 10, output: 1, cached: 900, cacheWritten: 900 }, 15],
  ])('counts %s', (_name, use, millionths) => {
    expect(costOf(use, [all])).toBe(millionths);
  });

  it('is rounded up to a millionth, and no further for what doubles cannot hold', () => {
    expect(costOf({ input: 1, output: 0 }, [price('x', { input: 0.1 })])).toBe(1);
    expect(costOf({ input: 100, output: 0 }, [price('x', { input: 0.07 })])).toBe(7);
    expect(costOf({ input: 3, output: 0 }, [price('x', { input: 1.1 })])).toBe(4);
  });

  it.each([
    [
      'OpenAI',
      '/v1/chat/completions',
      {
        usage: {
          prompt_tokens: 100,
          completion_tokens: 20,
          prompt_tokens_details: { cached_tokens: 60 },
          completion_tokens_details: { reasoning_tokens: 8 },
        },
      },
    ],
    [
      'Responses',
      '/v1/responses',
      {
        usage: {
          input_tokens: 100,
          output_tokens: 20,
          input_tokens_details: { cached_tokens: 60 },
          output_tokens_details: { reasoning_tokens: 8 },
        },
      },
    ],
    [
      'Gemini',
      '/v1beta/models/m:generateContent',
      {
        usageMetadata: {
          promptTokenCount: 100,
          candidatesTokenCount: 12,
          thoughtsTokenCount: 8,
          cachedContentTokenCount: 60,
        },
      },
    ],
  ])('is read in the words of %s', (_name, path, told) => {
    const book = priceBook([price('m', { cached: 1, reasoning: 20 })]);
    const driver = drive({ costBudget }, { prices: book });
    driver.app(ask({ model: 'm' }, path)).service(answer(JSON.stringify(told)));
    // 40 × 2 + 60 × 1 + 12 × 10 + 8 × 20
    expect(driver.outcome.calls).toMatchObject([{ cost: { amount: 0.00042, currency: 'USD' } }]);
  });

  it('is read of Anthropic, which counts what was kept beside the prompt', () => {
    const book = priceBook([price('m', { cached: 1, cacheWrite: 3 })]);
    const driver = drive({ costBudget }, { prices: book });
    const usage = { input_tokens: 40, cache_read_input_tokens: 60, cache_creation_input_tokens: 10, output_tokens: 5 };
    driver.app(ask({ model: 'm' }, '/v1/messages')).service(answer(JSON.stringify({ usage })));
    expect(driver.outcome.calls).toMatchObject([
      { tokens: { input: 110, output: 5 }, cost: { amount: 0.00022, currency: 'USD' } },
    ]);
  });

  it('stands in the record without a budget too, where a price is known', () => {
    const driver = drive({ models: ['*'] });
    driver.app(ask({ model: 'm' })).service(used(10, 1));
    driver.app(ask({ model: 'other' })).service(used(10, 1));
    expect(driver.outcome.calls[0]?.cost).toEqual({ amount: 0.00003, currency: 'USD' });
    expect(driver.outcome.calls[1]).not.toHaveProperty('cost');
  });
});

describe('a budget of money', () => {
  it('lets a last call pass, stops at the number, and is refused with the time only when it is used', () => {
    const shared = context();
    const driver = drive({ costBudget }, shared);
    driver.app(ask({ model: 'm' })).service(used(20, 90));
    expect(driver.outcome.calls).toMatchObject([{ cost: { amount: 0.00094, currency: 'USD' } }]);
    driver.takeService();
    driver.app(ask({ model: 'm', max_tokens: 5_000 }));
    expect(driver.takeService()).not.toBe('');
    driver.service(used(10, 20));
    driver.takeApp();
    driver.nowMs += 15_000;
    driver.app(ask({ model: 'm' }));
    const told = driver.takeApp();
    expect(told).toMatch(/^HTTP\/1\.1 429 [^]*Retry-After: 45\r\nx-should-retry: false\r\n/);
    expect(told).toContain('the budget of 0.001 USD in 60 s is used');
    expect(driver.outcome.calls.at(-1)).toMatchObject({ decision: 'deny', rule: 'contract:http.costBudget' });
    driver.nowMs += 45_000;
    driver.app(ask({ model: 'm' }));
    expect(driver.takeService()).not.toBe('');
  });

  it('sets aside the prompt and the stated maximum, at most the remainder, so that none passes beside it', () => {
    const shared = context();
    const [one, two] = [drive({ costBudget }, shared), drive({ costBudget }, shared)];
    one.app(ask({ model: 'm', max_tokens: 80 }));
    const aside = shared.ledger.used('laptop|claude|docs|http.cost.USD', 60_000, 1_000);
    expect(aside).toBeGreaterThan(800);
    expect(aside).toBeLessThan(900);
    two.app(ask({ model: 'm', max_tokens: 9_000 }));
    expect(shared.ledger.used('laptop|claude|docs|http.cost.USD', 60_000, 1_000)).toBe(1_000);
    const three = drive({ costBudget }, shared);
    three.app(ask({ model: 'm' }));
    expect(three.takeApp()).toContain('429');
    one.service(used(10, 1));
    three.app(ask({ model: 'm' }));
    expect(three.takeService()).not.toBe('');
  });

  it('ends a stream at its number in the words of its dialect', () => {
    const shared = context();
    const driver = drive({ costBudget }, shared);
    driver.app(ask({ model: 'm', stream: true }, '/v1/messages'));
    driver.service('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    const one = `data: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { text: 'word ' } })}\n\n`;
    for (let sent = 0; sent < 300 && driver.outcome.ends.length === 0; sent += 1) {
      driver.service(`${one.length.toString(16)}\r\n${one}\r\n`);
    }
    const shown = dechunk(driver.outcome.toApp.toString('latin1'));
    expect(driver.outcome.ends).toEqual(['guard.http.budget_used']);
    expect(shown.endsWith('event: message_stop\ndata: {"type":"message_stop"}\n\n')).toBe(true);
    // A thousand millionths, ten a word, and a few for the question.
    const words = shown.split('word ').length - 1;
    expect(words).toBeGreaterThan(95);
    expect(words).toBeLessThanOrEqual(100);
    driver.end();
    expect(driver.outcome.calls.at(-1)?.cost?.amount).toBeLessThanOrEqual(0.00102);
    const next = drive({ costBudget }, shared);
    next.app(ask({ model: 'm' }));
    expect(next.takeApp()).toContain('HTTP/1.1 429 ');
  });

  it('refuses by name what has no price in its currency, and says where to set one', () => {
    const driver = drive({ costBudget });
    for (const body of [{ model: 'unheard' }, { model: 'euro' }, { model: 'm', fallbacks: ['unheard'] }]) {
      driver.app(ask(body));
      expect(driver.takeService()).toBe('');
      const told = driver.takeApp();
      expect(told).toContain('HTTP/1.1 404 ');
      expect(told).toMatch(/no price in USD is known for (?:unheard|euro)/);
      expect(told).toContain('llm.prices in culvert.yaml');
    }
    expect(driver.outcome.calls.map(({ rule }) => rule)).toEqual(Array(3).fill('contract:http.costBudget'));
  });

  it('refuses what names no model, or names it where readers differ', () => {
    const driver = drive({ costBudget });
    driver.app(ask({ messages: [] }));
    expect(driver.takeApp()).toContain('HTTP/1.1 403 ');
    driver.app(ask({ Model: 'm' }));
    expect(driver.takeApp()).toContain('HTTP/1.1 400 ');
    driver.app(post('model=m', { 'Content-Type': 'text/plain' }));
    expect(driver.takeApp()).toContain('HTTP/1.1 400 ');
    expect(driver.takeService()).toBe('');
    driver.app('GET /v1/models HTTP/1.1\r\nHost: docs\r\n\r\n');
    expect(driver.takeService()).toContain('GET /v1/models');
  });

  it('counts the dearest of the models that may answer', () => {
    const driver = drive({ costBudget: { ...costBudget, amount: 1 } });
    driver.app(ask({ model: 'm', fallbacks: ['dear'] })).service(used(10, 1));
    expect(driver.outcome.calls).toMatchObject([{ cost: { amount: 0.0003, currency: 'USD' } }]);
  });

  it('charges nothing for an answer that is an error', () => {
    const shared = context();
    const driver = drive({ costBudget }, shared);
    driver.app(ask({ model: 'm', max_tokens: 9_000 }));
    driver.service(answer('{"error":{}}').replace('200 OK', '529 Overloaded'));
    expect(shared.ledger.used('laptop|claude|docs|http.cost.USD', 60_000, 1_000)).toBe(0);
    expect(driver.outcome.calls[0]).not.toHaveProperty('cost');
  });

  it('charges and records a batch at once', () => {
    const shared = context();
    const driver = drive({ costBudget: { ...costBudget, amount: 1 } }, shared);
    const requests = [{ params: { model: 'm', max_tokens: 400 } }];
    driver.app(ask({ requests }, '/v1/messages/batches')).service(answer('{"id":"batch"}'));
    const [call] = driver.outcome.calls;
    expect(call?.cost?.amount).toBeGreaterThan(0.004);
    expect(shared.ledger.used('laptop|claude|docs|http.cost.USD', 60_000, 1_000)).toBe(
      Math.round((call?.cost?.amount ?? 0) * 1_000_000),
    );
  });

  it('stands beside one of tokens: whichever is used first ends it, and the other gets back what it had set aside', () => {
    const shared = context();
    const rules = { costBudget, tokenBudget: { tokens: 10_000, perSeconds: 60 } };
    const driver = drive(rules, shared);
    driver.app(ask({ model: 'm' })).service(used(10, 200));
    driver.takeApp();
    driver.app(ask({ model: 'm' }));
    expect(driver.takeApp()).toContain('0.001 USD');
    expect(shared.ledger.used('laptop|claude|docs|http.tokens', 60_000, 1_000)).toBe(210);
  });

  it('is refused a websocket, and a place beside MCP', () => {
    const driver = drive({ costBudget, websocket: true });
    driver.app(
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect(driver.takeApp()).toContain('426');
    expect(() => createGuard(parseEngagement({ mcp: {}, http: { costBudget } }, 'test'), context())).toThrow(
      expect.objectContaining({ code: 'contract.invalid' }),
    );
  });

  it.each([
    { amount: 0, currency: 'USD', perSeconds: 60 },
    { amount: 1e12, currency: 'USD', perSeconds: 60 },
    { amount: 1, currency: 'usd', perSeconds: 60 },
    { amount: 1, perSeconds: 60 },
    { amount: 1, currency: 'USD', perSeconds: 60, perDay: 1 },
  ])('is refused half understood: %o', (half) => {
    expect(() => parseEngagement({ http: { costBudget: half } }, 'test')).toThrow(
      expect.objectContaining({ code: 'contract.invalid' }),
    );
  });

  it('is only made narrower by a local contract', () => {
    const contract = (more: object): ReturnType<typeof parseEngagement> =>
      parseEngagement({ http: { costBudget: { ...costBudget, ...more } } }, 'test');
    const narrow = narrowContracts(contract({}), contract({ amount: 5, perSeconds: 600 }));
    expect(narrow.http?.costBudget).toEqual({ amount: 0.001, currency: 'USD', perSeconds: 600 });
    expect(narrowContracts(contract({}), parseEngagement({}, 'test')).http?.costBudget).toEqual(costBudget);
    expect(() => narrowContracts(contract({}), contract({ currency: 'EUR' }))).toThrow(
      expect.objectContaining({ code: 'contract.invalid' }),
    );
  });
});

describe('four fifths of a budget', () => {
  const warnings = (driver: GuardDriver): string[] => driver.outcome.warnings;

  it('are told once a span, whoever uses the rest', () => {
    const shared = context();
    const [one, two] = [drive({ costBudget }, shared), drive({ costBudget }, shared)];
    one.app(ask({ model: 'm' })).service(used(0, 79));
    expect(warnings(one)).toEqual([]);
    two.app(ask({ model: 'm' })).service(used(0, 1));
    expect(warnings(two)).toEqual(['four fifths of the budget of 0.001 USD in 60 s are used']);
    one.app(ask({ model: 'm' })).service(used(0, 5));
    expect(warnings(one)).toEqual([]);
    one.nowMs += 61_000;
    one.app(ask({ model: 'm' })).service(used(0, 90));
    expect(warnings(one)).toHaveLength(1);
  });

  it('are told while an answer still grows', () => {
    const driver = drive({ tokenBudget: { tokens: 100, perSeconds: 60 } });
    driver.app(ask({ model: 'm', stream: true }));
    const delta = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'w' } }] })}\n\n`;
    driver.service(chunked(Array<string>(85).fill(delta)).replace(/0\r\n\r\n$/, ''));
    expect(driver.outcome.ends).toEqual([]);
    expect(warnings(driver)).toEqual(['four fifths of the budget of 100 tokens in 60 s are used']);
  });

  it('are not told of what is only set aside', () => {
    const driver = drive({ tokenBudget: { tokens: 100, perSeconds: 60 } });
    driver.app(ask({ model: 'm', max_tokens: 500 })).service(used(1, 1));
    expect(warnings(driver)).toEqual([]);
    const shared = context();
    const rules = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    drive(rules, shared).app(ask({ model: 'm', max_tokens: 50 }));
    const beside = drive(rules, shared);
    beside.app(ask({ model: 'm', max_tokens: 30 })).service(used(5, 35));
    expect(warnings(beside)).toEqual([]);
  });
});

describe('prices', () => {
  it('ship with a day and a source each, and know names with the day of their release', () => {
    for (const { checked, source, input, output, cached = 0 } of shippedPrices) {
      expect(checked).toMatch(/^20\d\d-\d\d-\d\d$/);
      expect(new URL(source).protocol).toBe('https:');
      expect([input > 0, output >= 0, cached < input]).toEqual([true, true, true]);
    }
    const book = pricesFor(undefined);
    expect(book.priceOf('claude-sonnet-4-20250514')?.model).toBe('claude-sonnet-4-20??????');
    expect(book.priceOf('gpt-4o-2024-08-06')?.output).toBe(10);
    expect(book.priceOf('gpt-4o-mini')?.output).toBe(0.6);
    expect(book.priceOf('gpt-4o-audio-preview')).toBeUndefined();
    expect(book.priceOf('gpt-4o', 'EUR')).toBeUndefined();
  });

  it('are set in culvert.yaml, before those', () => {
    const line = `{ model: 'gpt-4o*', input: 1, output: 4, checked: 2026-11-30, source: 'contract 12' }`;
    const book = pricesFor(parseConfig(`llm: { prices: [${line}] }`, 'culvert.yaml').llm);
    expect(book.priceOf('gpt-4o')).toMatchObject({ input: 1, output: 4, currency: 'USD' });
    expect(book.priceOf('gpt-4o-audio-preview')).toMatchObject({ input: 1 });
    expect(book.priceOf('gpt-4.1')?.input).toBe(2);
    expect(() => parseConfig(`llm: { prices: [{ model: x, input: 1, output: 2 }] }`, 'culvert.yaml')).toThrow(
      /llm\.prices\.0\.checked/,
    );
  });
});

import { describe, expect, it, vi } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { EngagementRefusal, SessionEngagement } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { context, GuardDriver } from '../support/guard-driver.ts';

const guarded = (a2a: unknown, more: Parameters<typeof context>[0] = {}, terms = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ a2a, ...terms }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};

const frame = (header: string, payload = 'secret', version = 1): Buffer => {
  const head = Buffer.alloc(9);
  head[0] = version;
  head.writeUInt32BE(Buffer.byteLength(header), 1);
  head.writeUInt32BE(payload.length, 5);
  return Buffer.concat([head, Buffer.from(header), Buffer.from(payload)]);
};
const envelope = (type: string, payload?: string): Buffer =>
  frame(JSON.stringify({ schema_version: 1, envelope_id: 'e', message_type: type }), payload);

describe('the A2A guard: envelopes', () => {
  it('are carried both ways with their payloads as they are, their headers written anew, and counted', () => {
    const driver = guarded({ messageTypes: ['quote.*'] });
    const spaced = frame('{ "message_type" : "quote.ask",\n "schema_version":1 }');
    expect(driver.app(spaced).takeService()).toBe(
      frame('{"message_type":"quote.ask","schema_version":1}').toString('latin1'),
    );
    const answered = envelope('quote.told', 'x'.repeat(5_000));
    expect(driver.service(answered).takeApp()).toBe(answered.toString('latin1'));
    expect(driver.app(Buffer.concat([envelope('quote.a', ''), envelope('quote.b')])).takeService()).toBe(
      Buffer.concat([envelope('quote.a', ''), envelope('quote.b')]).toString('latin1'),
    );
    expect(driver.end().calls).toMatchObject(
      ['quote.ask', 'quote.a', 'quote.b'].map((target) => ({ method: 'envelope', target, decision: 'allow' })),
    );
    expect(driver.outcome.violations).toEqual([]);
  });

  it('mean the same however they are cut', () => {
    const all = Buffer.concat([envelope('a', 'one'), envelope('b', ''), envelope('c', 'y'.repeat(300))]);
    for (const size of [1, 2, 7, 50]) {
      const driver = guarded({});
      for (let at = 0; at < all.length; at += size) driver.app(all.subarray(at, at + size));
      expect(driver.takeService()).toBe(all.toString('latin1'));
      expect(driver.outcome.calls.map(({ target }) => target)).toEqual(['a', 'b', 'c']);
      expect(driver.guard.buffered()).toBe(0);
    }
  });

  it.each([
    ['of another type', { messageTypes: ['quote'] }, envelope('transfer'), 'guard.a2a.type_disallowed'],
    ['of any type where none is let through', { messageTypes: [] }, envelope('quote'), 'guard.a2a.type_disallowed'],
    [
      'that name no skill where some are allowed',
      { skills: ['quote'] },
      envelope('quote'),
      'guard.a2a.type_disallowed',
    ],
    ['beyond their size', { maxMessageBytes: 10 }, envelope('quote', 'x'.repeat(11)), 'guard.a2a.too_large'],
    [
      'of another version behind one that is read',
      {},
      Buffer.concat([envelope('q', 'ok'), frame('{}', '', 2)]),
      'guard.a2a.frame_version',
    ],
    ['with a field that nobody knows', {}, frame('{"message_type":"a","Message_Type":"b"}'), 'guard.a2a.frame_header'],
    [
      'with a header that is read in two ways',
      {},
      frame('{"message_type":"a","message_type":"b"}'),
      'guard.a2a.frame_header',
    ],
    ['without a type', {}, frame('{"schema_version":1}'), 'guard.a2a.frame_header'],
    [
      'with a header that has no end',
      {},
      Buffer.from([1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      'guard.a2a.frame_header',
    ],
  ])('%s end the session, and what is behind them does not pass', (_what, rules, bytes, code) => {
    const driver = guarded(rules).app(bytes).app(envelope('quote', 'more'));
    expect(driver.outcome.violations).toEqual([code]);
    expect(driver.takeService()).not.toMatch(/more|secret/);
    expect(driver.outcome.calls.at(-1)).toMatchObject({ decision: 'deny' });
  });

  it('of the agent that may not pass are its fault', () => {
    const driver = guarded({ messageTypes: ['quote'] }).service(envelope('transfer'));
    expect(driver.outcome.faults).toEqual(['guard.a2a.type_disallowed']);
    expect(driver.takeApp()).toBe('');
  });

  it('are counted over connections, with the messages of A2A', () => {
    const ledger = createLedger();
    guarded({ maxMessages: 2 }, { ledger }).app(envelope('a')).app(envelope('b'));
    expect(guarded({ maxMessages: 2 }, { ledger }).app(envelope('c')).outcome.violations).toEqual([
      'guard.a2a.count_used',
    ]);
  });

  it('go on where the contract observes, with a note of what would have stopped them', () => {
    const driver = guarded({ messageTypes: ['quote'] }, {}, { enforce: 'observe' }).app(envelope('transfer'));
    expect(driver.takeService()).toBe(envelope('transfer').toString('latin1'));
    expect(driver.outcome.calls).toMatchObject([{ decision: 'allow', observed: 'contract:a2a.messageTypes' }]);
  });

  it('need an engagement, and wait where the other end is asked first', async () => {
    const no: EngagementRefusal = { rule: 'contract:approval', sentence: 'nobody accepted it', next: 'propose one' };
    const engaged = (refusal: SessionEngagement['refusal'], said: boolean[] = []): GuardDriver =>
      guarded({}, { engagement: { refusal, said: (isMessage) => (said.push(isMessage), undefined) } });
    const refused = engaged(() => no).app(envelope('a'));
    expect(refused.takeService()).toBe('');
    expect(refused.outcome).toMatchObject({ ends: ['guard.a2a.not_engaged'], violations: [] });
    const said: boolean[] = [];
    const asked = engaged(() => Promise.resolve(undefined), said).app(envelope('a'));
    expect(asked.guard.waiting?.()).toBe('bytes');
    expect(asked.takeService()).toBe('');
    await vi.waitFor(() => expect(asked.takeService()).toBe(envelope('a').toString('latin1')));
    expect(said).toEqual([true]);
    const late = engaged(() => Promise.resolve(no)).app(envelope('a'));
    await vi.waitFor(() => expect(late.outcome.ends).toEqual(['guard.a2a.not_engaged']));
    expect(late.takeService()).toBe('');
  });

  it('of the agent need an engagement too, whoever speaks first', async () => {
    const no: EngagementRefusal = { rule: 'contract:approval', sentence: 'nobody accepted it', next: 'propose one' };
    const said: boolean[] = [];
    const engaged = (refusal: SessionEngagement['refusal'], unsaid?: EngagementRefusal): GuardDriver =>
      guarded({}, { engagement: { refusal, said: (isMessage) => (said.push(isMessage), unsaid) } });
    const refused = engaged(() => no).service(envelope('told'));
    expect(refused.takeApp()).toBe('');
    expect(refused.outcome).toMatchObject({ ends: ['guard.a2a.not_engaged'], violations: [], faults: [] });
    expect(refused.outcome.calls).toMatchObject([{ target: 'told', decision: 'deny', rule: 'contract:approval' }]);
    expect(said).toEqual([]);

    const asked = engaged(() => Promise.resolve(undefined)).service(envelope('told'));
    expect([asked.guard.holdsService?.(), asked.guard.waiting?.()]).toEqual([true, undefined]);
    expect(asked.service(envelope('more')).takeApp()).toBe('');
    const both = Buffer.concat([envelope('told'), envelope('more')]).toString('latin1');
    await vi.waitFor(() => expect(asked.outcome.toApp.toString('latin1')).toBe(both));
    expect(asked.guard.holdsService?.()).toBe(false);
    // It runs from then on, and is no message of the one who asks.
    expect(said).toEqual([false, false]);

    const late = engaged(() => Promise.resolve(no)).service(envelope('told'));
    await vi.waitFor(() => expect(late.outcome.ends).toEqual(['guard.a2a.not_engaged']));
    expect(late.takeApp()).toBe('');
    const unkept = engaged(() => undefined, no).service(envelope('told'));
    expect(unkept.takeApp()).toBe('');
    expect(unkept.outcome.ends).toEqual(['guard.a2a.not_engaged']);
  });
});

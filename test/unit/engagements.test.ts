import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngagementBook } from '../../main/agora/engagement-book.ts';
import { agoraWords, type Engagement, type Party } from '../../main/agora/engagement.ts';
import { unknownApp } from '../../main/apps/app.ts';
import { Emitter } from '../../main/base/emitter.ts';
import { parseEngagement, type EngagementContract } from '../../main/base/engagement.ts';
import { closeReasons } from '../../main/base/reason.ts';
import { silentLog } from '../../main/base/log.ts';
import { openEngaging, type EngagingDeps } from '../../main/engine/agora/engaging.ts';
import { openKeptEngagements } from '../../main/engine/agora/kept-engagements.ts';
import type { EngagedSession } from '../../main/engine/agora/engaged-session.ts';
import { Engagements } from '../../main/engine/agora/engagements.ts';
import { readEngagementAnswer, readQuestion } from '../../main/engine/agora/engagement-words.ts';
import type { EngagementRefusal } from '../../main/guard/guard.ts';
import type { EngagementWords } from '../../main/peer/words.ts';
import { Approvals } from '../../main/policy/approvals.ts';
import type { GrantHolder } from '../../main/policy/grants.ts';
import type { QuarantineEvent } from '../../main/policy/quarantine.ts';
import type { SessionEvent, SessionFacts } from '../../main/session/sessions.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import { context, GuardDriver, post } from '../support/guard-driver.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryAudit } from '../support/session-world.ts';

const contractOf = (terms: object): EngagementContract => parseEngagement({ a2a: {}, ...terms }, 'test');
const dialler: GrantHolder = {
  end: 'dial',
  account: 'id-laptop',
  identity: 'laptop',
  serviceId: 's1',
  service: 'broker',
};
const asHost: Party = { ...dialler, end: 'host', identity: 'box', counterparty: 'laptop (id-laptop)' };

const factsOf = (end: 'dial' | 'host', contract: EngagementContract): SessionFacts => ({
  service: 'broker',
  serviceId: 's1',
  identity: end === 'dial' ? 'laptop' : 'box',
  direction: end,
  entry: end === 'dial' ? 'socks5' : 'hosted',
  app: unknownApp,
  protocol: 'tcp',
  source: end === 'dial' ? '127.0.0.1:1' : 'laptop (id-laptop)',
  destination: 'broker.dark:80',
  encrypted: true,
  router: 'edge',
  decision: { code: 'policy.allowed', sentence: 'may' },
  contract,
  ...(end === 'dial'
    ? {}
    : { caller: { account: 'id-laptop', name: 'laptop', asserted: 'signature' as const, asks: true } }),
});

const quarantined = (subject: string): QuarantineEvent => ({
  kind: 'added',
  entry: { subject, sinceMs: 0, cause: 'x', by: 'operator' },
});

/** One end, with everything of it in the test's hands. */
class End {
  readonly clock: ManualClock;
  readonly audit = new MemoryAudit();
  readonly approvals: Approvals;
  readonly book: EngagementBook;
  readonly engagements: Engagements;
  readonly quarantined = new Emitter<QuarantineEvent>();
  /** Ids of sessions that are open, and why those were cut that are not. */
  readonly open = new Set<string>();
  readonly cut: [id: string, reason: string][] = [];
  #kept: readonly Engagement[] = [];
  #isUnwritten = false;
  failing = false;
  /** Told of ends that could not be kept. */
  readonly unkept: string[] = [];
  saves = 0;
  failsAfter = Infinity;
  unrecording = false;
  #made = 0;

  readonly end: 'dial' | 'host';

  constructor(
    end: 'dial' | 'host',
    ask: (question: unknown) => unknown,
    { clock = new ManualClock(), kept = [] }: { clock?: ManualClock; kept?: readonly Engagement[] } = {},
  ) {
    this.end = end;
    this.clock = clock;
    this.approvals = new Approvals({
      clock,
      sinceBootMs: () => clock.monotonic(),
      newId: () => `app_${++this.#made}`,
    });
    this.book = new EngagementBook({
      clock,
      sinceBootMs: () => clock.monotonic(),
      digest: (text) => createHash('sha256').update(text).digest('hex'),
      kept,
      save: () => {
        if (this.failing || this.saves >= this.failsAfter) throw new Error('no space');
        this.saves += 1;
        this.#isUnwritten = true;
        queueMicrotask(() => this.#write());
      },
      counted: () => void (this.#isUnwritten = true),
      record: (one) => {
        if (this.unrecording) throw new Error('no space');
        void this.audit.record({ kind: `engagement.${one.state}`, engagement: one.id, reason: one.reason });
      },
      unkept: (error) => void this.unkept.push(error.message),
    });
    this.engagements = new Engagements({
      book: this.book,
      approvals: this.approvals,
      quarantine: { events: this.quarantined },
      sessions: () => ({
        closeWhere: (matches, reason) => {
          const those = [...this.open].filter((id) => matches({ id } as never));
          for (const id of those) this.close(id, reason);
          return those;
        },
      }),
      accountOf: (identity) => `id-${identity}`,
      controllerName: (identity) => `${identity}.controller`,
      // Over the border, as it is: what is said has to be readable there.
      ask: async (_party, question) =>
        readEngagementAnswer(JSON.stringify(await ask(readQuestion(JSON.stringify(question))))),
      clock,
      log: silentLog,
    });
  }

  /** On the disk, once what is under way has got there. */
  get kept(): readonly Engagement[] {
    this.#write();
    return this.#kept;
  }

  #write(): void {
    if (this.#isUnwritten) this.#kept = this.book.list();
    this.#isUnwritten = false;
  }

  session(contract: EngagementContract, id = `s${++this.#made}`): EngagedSession {
    const session = this.engagements.of(contract, factsOf(this.end, contract), id);
    if (session === undefined) throw new Error('no engagement');
    this.open.add(id);
    return session;
  }

  close(id: string, reason: string, code?: string): void {
    this.open.delete(id);
    this.cut.push([id, reason]);
    const session = { ...factsOf(this.end, contractOf({})), id, closeReason: reason, closeWhy: code && { code } };
    this.engagements.session({ kind: 'closed', session } as unknown as SessionEvent);
  }

  states(): string[] {
    return this.book.list().map(({ state, ended }) => (ended === undefined ? state : `${state} ${ended}`));
  }

  transitions(): string[] {
    return this.audit.records.map(({ kind, reason }) => `${kind.slice('engagement.'.length)}: ${String(reason)}`);
  }
}

/** Both ends of one service; a dial names an id and is answered as sessions are. */
class Both {
  contract: EngagementContract;
  readonly clock = new ManualClock();
  readonly host: End = new End('host', () => undefined, { clock: this.clock });
  readonly dial: End = new End(
    'dial',
    (question) => {
      if (this.unreachable) throw new Error('nobody hosts it');
      return this.host.engagements.answer(asHost, this.contract, question as never);
    },
    { clock: this.clock },
  );
  unreachable = false;

  constructor(terms: object = {}) {
    this.contract = contractOf(terms);
  }

  connect(): { readonly dial: EngagedSession; readonly host: EngagedSession; say(bytes?: number): Promise<string> } {
    const id = this.dial.engagements.idFor(dialler);
    const words: EngagementWords = this.host.engagements.agree(asHost, this.contract, id);
    this.dial.engagements.met(dialler, words);
    const [dial, host] = [this.dial.session(this.contract), this.host.session(this.contract)];
    return {
      dial,
      host,
      say: async (bytes = 10) => {
        for (const side of [dial, host]) {
          const refused: EngagementRefusal | undefined = (await side.refusal()) ?? side.said(true);
          if (refused !== undefined) return `${refused.rule}; ${refused.next}`;
          side.moved(bytes);
        }
        return 'said';
      },
    };
  }

  propose(): Promise<unknown> {
    const id = `ses_${createHash('md5').update(String(this.host.book.list().length)).digest('hex')}`;
    const asked = { ask: 'propose', id, reason: 'please' } as const;
    const answer = this.host.engagements.answer(asHost, this.contract, asked);
    if (!('state' in answer) || answer.state === 'unknown') throw new Error('refused');
    if (this.dial.book.get(id) === undefined) this.dial.book.propose(dialler, this.contract, { id, reason: 'please' });
    this.dial.engagements.follow(id, answer);
    return Promise.resolve(answer);
  }
}

describe('an engagement that the contract alone accepts', () => {
  it('begins with the first message, under one id and one hash at both ends, and outlives its connections', async () => {
    const both = new Both();
    const first = both.connect();
    expect(both.dial.book.list()).toEqual([]);
    expect(await first.say()).toBe('said');
    expect(await both.connect().say()).toBe('said');
    for (const end of [both.dial, both.host]) {
      expect(end.states()).toEqual(['active']);
      expect(end.book.list()[0]).toMatchObject({ messages: 2, bytes: 20 });
      expect(end.transitions()).toEqual([
        'proposed: its first message',
        'accepting: accepted by the contract alone',
        'active: its first message',
      ]);
    }
    const [mine, theirs] = [both.dial.book.list()[0], both.host.book.list()[0]];
    expect(mine?.id).toBe(theirs?.id);
    expect(mine?.id).toMatch(/^ses_[0-9a-f]{32}$/);
    expect(mine?.contractHash).toBe(theirs?.contractHash);
    expect(mine).toMatchObject({ contractHashThere: theirs?.contractHash, counterparty: 'box.controller' });
    expect(theirs?.counterparty).toBe('laptop (id-laptop)');
  });

  it('is no matter of who only looks', () => {
    const both = new Both();
    both.connect().dial.moved(100);
    expect([...both.dial.book.list(), ...both.host.book.list()]).toEqual([]);
  });

  it('counts the bytes of all its connections against the contract', async () => {
    const both = new Both({ maxBytes: 100 });
    const first = both.connect();
    await first.say(60);
    expect(first.host.leftBytes()).toBe(40);
    const second = both.connect();
    expect(second.host.leftBytes()).toBe(Infinity);
    second.host.moved(5);
    await second.say(20);
    expect(second.host.leftBytes()).toBe(15);
    expect(first.host.leftBytes()).toBe(15);
  });

  it('ends with its time, however often it was reconnected, and cuts what flows', async () => {
    const both = new Both({ maxDurationSeconds: 60 });
    await both.connect().say();
    both.clock.advance(30_000);
    const later = both.connect();
    expect(await later.say()).toBe('said');
    both.clock.advance(30_001);
    for (const end of [both.dial, both.host]) {
      expect(end.states()).toEqual(['closed max_duration_exceeded']);
      expect(end.cut.map(([, reason]) => reason)).toEqual(['max_duration_exceeded', 'max_duration_exceeded']);
    }
    expect(await both.connect().say()).toBe('engagement:closed; propose another: culvert agora propose broker');
    await both.propose();
    expect(await both.connect().say()).toBe('said');
    expect(both.dial.states()).toEqual(['closed max_duration_exceeded', 'active']);
  });

  it('ends in silence, and the next message begins another', async () => {
    const both = new Both({ idleTimeoutSeconds: 5 });
    await both.connect().say();
    both.clock.advance(4_000);
    await both.connect().say();
    both.clock.advance(4_000);
    expect(both.dial.states()).toEqual(['active']);
    both.clock.advance(1_001);
    expect(both.host.states()).toEqual(['closed idle_timeout']);
    expect(await both.connect().say()).toBe('said');
    expect(both.host.states()).toEqual(['closed idle_timeout', 'active']);
  });

  it('ends with what ends its session, and with nothing that only ends a connection', async () => {
    for (const reason of closeReasons) {
      const both = new Both();
      const { dial } = both.connect();
      dial.said(true);
      const [id = ''] = both.dial.open;
      both.dial.close(id, reason);
      const ends = ['contract_violation', 'policy_revoked', 'quarantined', 'identity_disabled', 'max_bytes_exceeded'];
      expect(both.dial.states()).toEqual([ends.includes(reason) ? `closed ${reason}` : 'active']);
    }
  });

  it("says in Agora's words what a guard found", () => {
    const both = new Both();
    both.connect().dial.said(true);
    both.dial.close([...both.dial.open][0] ?? '', 'contract_violation', 'guard.a2a.type_disallowed');
    const [one] = both.dial.book.list();
    expect(one).toMatchObject({ ended: 'contract_violation', endedDetail: 'message_type_disallowed' });
    expect(agoraWords('contract_violation', one?.endedDetail)).toEqual({
      closeReason: 'contract_violation',
      closeDetail: 'message_type_disallowed',
    });
  });

  it('is closed by either end, and the other hears of it', async () => {
    const both = new Both();
    await both.connect().say();
    const [{ id }] = both.dial.book.list() as [Engagement];
    await both.dial.engagements.close(id, 'done');
    for (const end of [both.dial, both.host]) expect(end.states()).toEqual(['closed consumer_close']);
    expect(both.host.transitions().at(-1)).toBe('closed: done');

    const other = new Both();
    await other.connect().say();
    await other.host.engagements.close(other.host.book.list()[0]?.id ?? '', 'enough');
    expect(other.dial.states()).toEqual(['active']);
    await other.dial.engagements.refresh();
    expect(other.dial.states()).toEqual(['closed provider_close']);
    expect(other.dial.transitions().at(-1)).toBe('closed: enough');
  });

  it('ends at the host too where its terms ended it at the dialling end, whose word of why is noted as its word', async () => {
    const both = new Both({ maxBytes: 100 });
    const { dial, say } = both.connect();
    await say();
    dial.moved(200);
    const [id = ''] = both.dial.open;
    both.dial.close(id, 'max_bytes_exceeded');
    await new Promise((resolve) => setImmediate(resolve));
    expect(both.dial.states()).toEqual(['closed max_bytes_exceeded']);
    expect(both.host.states()).toEqual(['closed consumer_close']);
    expect(both.host.book.list()[0]).toMatchObject({ claimed: 'max_bytes_exceeded' });
    expect(await both.connect().say()).toMatch(/^engagement:closed/);
  });

  it.each(['tunnel_failed', 'contract_violation', 'idle_timeout', 'policy_revoked'] as const)(
    'goes on with what is left after %s, whoever says so, until a person proposes another',
    async (ended) => {
      const both = new Both({ maxBytes: 300, maxDurationSeconds: 60 });
      const { host, say } = both.connect();
      expect(await say(50)).toBe('said');
      host.moved(150);
      both.clock.advance(40_000);
      const [{ id }] = both.dial.book.list() as [Engagement];
      const asked = { ask: 'close', id, ended } as const;
      expect(both.host.engagements.answer(asHost, both.contract, asked)).toMatchObject({ ended: 'consumer_close' });
      both.dial.book.close(id, ended, 'x');
      // Over a restart too, and time between them is nobody's.
      const again = new End('host', () => undefined, { clock: both.clock, kept: both.host.kept });
      both.clock.advance(3_600_000);
      const next = again.session(both.contract);
      expect(await next.refusal()).toBe(undefined);
      next.said(true);
      expect(next.leftBytes()).toBe(100);
      next.moved(30);
      const [, one] = again.book.list() as [Engagement, Engagement];
      expect(again.book.endsAtMs(one)).toBe(both.clock.now() + 20_000);
      both.clock.advance(19_000);
      expect(again.states()).toEqual(['closed consumer_close', 'active']);
      // And from the second to the third.
      again.book.close(one.id, 'contract_violation', 'x');
      const third = again.session(both.contract);
      third.said(true);
      expect(third.leftBytes()).toBe(70);
      both.clock.advance(1_001);
      expect(again.states().at(-1)).toBe('closed max_duration_exceeded');

      const proposal = { ask: 'propose', id: `ses_${'b'.repeat(32)}` } as const;
      expect(again.engagements.answer(asHost, both.contract, proposal)).toMatchObject({ state: 'accepting' });
      const proposed = again.session(both.contract);
      proposed.said(true);
      expect(proposed.leftBytes()).toBe(300);
      both.clock.advance(59_000);
      expect(again.states().at(-1)).toBe('active');
    },
  );

  it('is not begun anew by a message where nothing is left of it', async () => {
    const both = new Both({ maxBytes: 100 });
    const { host, say } = both.connect();
    await say();
    host.moved(90);
    both.host.book.close(both.host.book.list()[0]?.id ?? '', 'contract_violation', 'x');
    expect(await both.host.session(both.contract).refusal()).toMatchObject({ rule: 'engagement:closed' });
  });

  it('is told when they meet again, where the other could not be reached', async () => {
    const both = new Both();
    await both.connect().say();
    const [{ id }] = both.dial.book.list() as [Engagement];
    both.unreachable = true;
    await both.dial.engagements.close(id, 'done');
    expect(both.host.states()).toEqual(['active']);
    both.unreachable = false;
    both.connect();
    await Promise.resolve();
    await Promise.resolve();
    expect(both.host.states()).toEqual(['closed consumer_close']);
  });

  it('is opened anew by its host after what the host alone ended, and the dialling end goes on with what is left there', async () => {
    const both = new Both({ maxBytes: 100 });
    await both.connect().say(60);
    await both.host.engagements.close(both.host.book.list()[0]?.id ?? '', 'enough');
    await both.dial.engagements.refresh();
    const over = both.host.book.list()[0] as Engagement;
    const id = both.host.engagements.reopen(over, both.contract, 'once more');
    const next = both.connect();
    expect(await next.say()).toBe('said');
    for (const end of [both.dial, both.host]) {
      expect(end.states()).toEqual(['closed provider_close', 'active']);
      expect(end.book.list()[1]?.id).toBe(id);
    }
    expect([next.dial.leftBytes(), next.host.leftBytes()]).toEqual([30, 90]);
  });

  it.each([
    ['max_duration_exceeded', (both: Both) => both.clock.advance(60_001)],
    ['max_bytes_exceeded', (both: Both) => both.dial.close([...both.dial.open][0] ?? '', 'max_bytes_exceeded')],
    ['quarantined', (both: Both) => both.dial.quarantined.emit(quarantined('service:broker'))],
    ['consumer_close', (both: Both) => both.dial.engagements.close(both.dial.book.list()[0]?.id ?? '', 'a person')],
  ] as const)(
    'that ended by %s at the dialling end is not opened by the host’s word, but by a proposal',
    async (ended, end) => {
      const both = new Both({ maxDurationSeconds: 60 });
      await both.connect().say();
      await end(both);
      await new Promise((resolve) => setImmediate(resolve));
      expect(both.dial.states()).toEqual([`closed ${ended}`]);
      both.host.engagements.reopen(both.host.book.list()[0] as Engagement, both.contract, 'once more');
      expect(await both.connect().say()).toMatch(/^engagement:closed; propose another/);
      expect(both.dial.states()).toEqual([`closed ${ended}`]);
      await both.propose();
      expect(await both.connect().say()).toBe('said');
    },
  );

  it('gives no bytes anew by what a host says of its state', async () => {
    const dial = new End('dial', () => ({ id: `ses_${'0'.repeat(32)}`, state: 'unknown' }));
    const contract = contractOf({ maxBytes: 100, approval: { by: ['box'], forSeconds: 60 } });
    const contractHash = 'a'.repeat(64);
    const greet = (digit: string): void => {
      const id = `ses_${digit.repeat(32)}`;
      dial.engagements.met(dialler, { id, contract: contractHash, by: 'evil', state: 'active' });
    };
    greet('1');
    const first = dial.session(contract);
    expect(first.said(true)).toBe(undefined);
    first.moved(70);
    // The host alone says how long it is approved for, and no longer than the contract does.
    expect(dial.book.endsAtMs(dial.book.list()[0] as Engagement)).toBe(dial.clock.now() + 60_000);
    dial.engagements.follow(dial.book.list()[0]?.id ?? '', {
      id: `ses_${'1'.repeat(32)}`,
      state: 'closed',
      ended: 'provider_close',
      reason: 'x',
      contract: contractHash,
      by: 'evil',
    });
    greet('2');
    const second = dial.session(contract);
    expect(await second.refusal()).toBe(undefined);
    expect(second.said(true)).toBe(undefined);
    expect(second.leftBytes()).toBe(30);
    second.moved(30);
    dial.book.end(dial.book.list()[1]?.id ?? '', 'tunnel_failed', 'x');
    greet('3');
    expect(await dial.session(contract).refusal()).toMatchObject({ rule: 'engagement:closed' });
  });

  it('is decided when it is said, whatever was answered before', async () => {
    const both = new Both();
    const { host } = both.connect();
    await both.connect().say();
    expect(await host.refusal()).toBe(undefined);
    await both.host.engagements.close(both.host.book.list()[0]?.id ?? '', 'enough');
    expect(host.said(true)).toMatchObject({ rule: 'engagement:closed' });
    expect(both.host.states()).toEqual(['closed provider_close']);
    expect(both.host.book.list()[0]).toMatchObject({ messages: 1 });
  });

  it('has one id again where one end has forgotten it', async () => {
    const both = new Both();
    await both.connect().say();
    for (const one of both.host.book.list()) both.host.book.close(one.id, 'idle_timeout', 'x');
    // The host has begun another one by itself, as with a caller that names none.
    both.host.engagements.agree(asHost, both.contract, undefined);
    both.host.session(both.contract).said(true);
    both.connect();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await both.connect().say()).toBe('said');
    const [mine, theirs] = [both.dial, both.host].map(({ book }) => book.list().at(-1));
    expect(mine).toMatchObject({ id: theirs?.id, state: 'active' });
  });

  it('is another one under another contract', async () => {
    const both = new Both();
    const before = both.connect();
    await before.say();
    both.contract = contractOf({ maxBytes: 5_000 });
    both.clock.advance(10);
    const after = both.connect();
    expect(await after.say()).toBe('said');
    expect(both.dial.states()).toEqual(['closed contract_changed', 'active']);
    expect(await before.say()).toMatch(/^engagement:contract_changed/);
  });

  it('has its place among those that a service may have', async () => {
    const both = new Both({ maxSessions: 1 });
    await both.connect().say();
    const other: SessionFacts = {
      ...factsOf('host', both.contract),
      source: 'phone',
      caller: { account: 'id-phone', name: 'phone', asserted: 'router', asks: false },
    };
    const phone = both.host.engagements.of(both.contract, other, 'phone');
    expect(await phone?.refusal()).toMatchObject({ rule: 'contract:maxSessions' });
    await both.host.engagements.close(both.host.book.list()[0]?.id ?? '', 'enough');
    expect(await phone?.refusal()).toBe(undefined);
  });

  it('ends where its identity or its service is cut off', async () => {
    for (const subject of ['identity:id-laptop', 'identity:laptop (id-laptop)', 'service:broker', 'identity:box']) {
      const both = new Both();
      await both.connect().say();
      both.host.quarantined.emit(quarantined(subject));
      expect(both.host.states()).toEqual(['closed quarantined']);
    }
  });

  it('lets nothing be said that cannot be kept', async () => {
    const both = new Both();
    both.host.failing = true;
    expect(await both.connect().say()).toMatch(/^engagement:not_recorded/);
  });

  it('that was proposed by a message and could not be accepted goes on with the next one', async () => {
    const both = new Both();
    both.host.failsAfter = 1;
    expect(await both.connect().say()).toMatch(/^engagement:not_recorded/);
    expect(both.host.states()).toEqual(['proposed']);
    both.host.failsAfter = Infinity;
    expect(await both.connect().say()).toBe('said');
    expect(both.host.states()).toEqual(['active']);
  });

  it('that ends is on the disk in one write, and what a killed engine had half ended is over too', async () => {
    const both = new Both({ maxDurationSeconds: 60 });
    await both.connect().say();
    const { host } = both;
    const [before, saves] = [host.book.list()[0] as Engagement, host.saves];
    host.book.close(before.id, 'quarantined', 'x');
    expect(host.saves).toBe(saves + 1);
    expect(host.kept.map(({ state }) => state)).toEqual(['closed']);

    const half: Engagement = { ...before, state: 'closing', ended: 'quarantined', reason: 'x' };
    const again = new End('host', () => undefined, { clock: both.clock, kept: [half] });
    expect(again.states()).toEqual(['closed quarantined']);
    expect(again.kept.map(({ state }) => state)).toEqual(['closed']);
    expect(again.transitions()).toEqual(['closed: x']);
    expect(await again.session(both.contract).refusal()).toMatchObject({ rule: 'engagement:closed' });
  });

  it('that ends where the disk is full is over, whoever ended it hears of it, and it is kept as soon as it can be', async () => {
    const both = new Both();
    await both.connect().say();
    const { host } = both;
    const [{ id }] = host.book.list() as [Engagement];
    host.failing = true;
    await expect(host.engagements.close(id, 'enough')).rejects.toThrow('no space');
    expect(host.states()).toEqual(['closed provider_close']);
    expect(host.cut.map(([, reason]) => reason)).toEqual(['provider_close']);
    expect(host.kept.map(({ state }) => state)).toEqual(['active']);
    expect(() => host.book.close(id, 'provider_close', 'again')).toThrow('no space');
    both.clock.advance(60_000);
    expect(host.kept.map(({ state }) => state)).toEqual(['active']);
    host.failing = false;
    both.clock.advance(60_000);
    expect(host.kept.map(({ state }) => state)).toEqual(['closed']);
    expect(host.transitions().slice(3)).toEqual(['closing: enough', 'closed: enough']);
    expect(new Set(host.unkept)).toEqual(new Set(['no space']));
    const told = host.unkept.length;
    both.clock.advance(60_000);
    expect(host.unkept).toHaveLength(told);
    expect(() => host.book.close(id, 'provider_close', 'again')).not.toThrow();
  });

  it('that cannot be recorded as over is recorded before the next one', async () => {
    const both = new Both();
    await both.connect().say();
    const { host } = both;
    host.unrecording = true;
    host.book.end(host.book.list()[0]?.id ?? '', 'idle_timeout', 'silence');
    expect(host.kept.map(({ state }) => state)).toEqual(['closed']);
    expect(host.session(both.contract).said(true)).toMatchObject({ rule: 'engagement:not_recorded' });
    host.unrecording = false;
    expect(host.session(both.contract).said(true)).toBe(undefined);
    expect(host.transitions().slice(3)).toEqual([
      'closing: silence',
      'closed: silence',
      'proposed: its first message',
      'accepting: accepted by the contract alone',
      'active: its first message',
    ]);
  });
});

describe('an engagement that a person accepts', () => {
  const approval = { by: ['box'], forSeconds: 60 };

  it('is proposed, and nothing is said before it is accepted', async () => {
    const both = new Both({ approval });
    expect(await both.connect().say()).toBe('contract:approval; propose one: culvert agora propose broker');
    expect(both.host.approvals.list()).toEqual([]);
    await both.propose();
    expect(both.host.states()).toEqual(['proposed']);
    expect(await both.connect().say()).toMatch(/^contract:approval; ask box/);
    const [row] = both.host.approvals.list();
    expect(row).toMatchObject({ kind: 'session', state: 'pending', holder: { identity: 'laptop (id-laptop)' } });
    both.host.approvals.answer(row?.id ?? '', { grant: true, by: 'box', reason: 'fine' });
    expect(both.host.states()).toEqual(['accepting']);
    // The dialling end asks before it refuses.
    expect(await both.connect().say()).toBe('said');
    expect(both.dial.transitions()).toEqual([
      'proposed: please',
      'accepting: accepted by box: fine',
      'active: its first message',
    ]);
    expect(both.host.transitions().slice(1)).toEqual(both.dial.transitions().slice(1));
    both.clock.advance(60_001);
    for (const end of [both.dial, both.host]) expect(end.states()).toEqual(['closed max_duration_exceeded']);
  });

  it('that is over when something is said is none, and the next one waits for a person', async () => {
    const both = new Both({ approval });
    await both.propose();
    both.host.approvals.answer('app_1', { grant: true, by: 'box' });
    const { host } = both.connect();
    // A long message: judged, and hashed in turns from here on.
    expect(await host.refusal()).toBe(undefined);
    await both.host.engagements.close(both.host.book.list()[0]?.id ?? '', 'a person closes it');
    expect(host.said(true)).toMatchObject({ rule: 'engagement:closed' });
    expect(both.host.states()).toEqual(['closed provider_close']);
    await both.propose();
    expect(host.said(true)).toMatchObject({ rule: 'contract:approval' });
    expect(both.host.states()).toEqual(['closed provider_close', 'proposed']);
    expect(both.host.book.list()[1]).toMatchObject({ messages: 0 });
    both.host.approvals.answer(both.host.approvals.list().at(-1)?.id ?? '', { grant: true, by: 'box' });
    expect(host.said(true)).toBe(undefined);
  });

  it('lets no long message pass that was judged under one and hashed until another waits', async () => {
    const both = new Both({ approval });
    await both.propose();
    both.host.approvals.answer('app_1', { grant: true, by: 'box' });
    both.connect();
    let turns = 0;
    const guard = createGuard(
      both.contract,
      context({
        engagement: both.host.session(both.contract),
        hash: () => {
          const hash = createHash('sha256');
          return { update: (text) => void hash.update(text), digest: () => hash.digest('hex') };
        },
        pause: async () => {
          turns += 1;
          if (turns > 1) return;
          await both.host.engagements.close(both.host.book.list()[0]?.id ?? '', 'a person closes it');
          await both.propose();
        },
      }),
    );
    if (guard === undefined) throw new Error('no guard');
    const parts = [{ text: 'x'.repeat(2 * 1024 * 1024) }];
    const params = { message: { messageId: 'm', role: 'ROLE_USER', parts } };
    const driver = new GuardDriver(guard).app(
      post(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params }), {}, '/'),
    );
    await vi.waitFor(() => expect(driver.outcome.toApp.toString()).toContain('waits for box'), 20_000);
    expect(turns).toBeGreaterThan(0);
    expect(driver.takeService()).toBe('');
    expect(both.host.states()).toEqual(['closed provider_close', 'proposed']);
    expect(both.host.book.list()[1]).toMatchObject({ messages: 0, bytes: 0 });
  });

  it('is none at a host that knows of no proposal', () => {
    const host = new End('host', () => undefined);
    expect(host.session(contractOf({ approval })).said(true)).toMatchObject({ rule: 'contract:approval' });
    expect(host.states()).toEqual([]);
  });

  it('is over where it is refused, or nobody answers', async () => {
    const both = new Both({ approval });
    await both.propose();
    both.host.approvals.answer('app_1', { grant: false, by: 'box', reason: 'not now' });
    await both.dial.engagements.refresh();
    for (const end of [both.dial, both.host]) {
      expect(end.states()).toEqual(['closed rejected']);
      expect(end.transitions().at(-1)).toBe('closed: refused by box: not now');
    }
    await both.propose();
    both.clock.advance(86_400_001);
    expect(both.host.states()).toEqual(['closed rejected', 'closed rejected']);
  });

  it('ends where its approval is taken back', async () => {
    const both = new Both({ approval });
    await both.propose();
    both.host.approvals.answer('app_1', { grant: true, by: 'box' });
    await both.connect().say();
    both.host.approvals.answer('app_1', { grant: false, by: 'box' });
    expect(both.host.states()).toEqual(['closed provider_close']);
    expect(both.host.cut.map(([, reason]) => reason)).toEqual(['provider_close']);
  });

  it('is asked of a person anew after a restart, and lasts without one once accepted', async () => {
    const both = new Both({ approval });
    await both.propose();
    const again = new End('host', () => undefined, { clock: both.clock, kept: both.host.kept });
    expect(again.approvals.list()).toMatchObject([{ state: 'pending' }]);
    again.approvals.answer(again.approvals.list()[0]?.id ?? '', { grant: true, by: 'box' });
    again.session(both.contract).said(true);
    both.clock.advance(30_000);
    const third = new End('host', () => undefined, { clock: both.clock, kept: again.kept });
    expect(third.states()).toEqual(['active']);
    expect(await third.session(both.contract).refusal()).toBe(undefined);
    both.clock.advance(30_001);
    expect(third.states()).toEqual(['closed max_duration_exceeded']);
  });
});

describe('an id of an engagement', () => {
  const id = `ses_${'c'.repeat(32)}`;
  const guarded = contractOf({ approval: { by: ['box'], forSeconds: 60 } });
  const there = { serviceId: 's2', service: 'guarded' };
  const asGuarded: Party = { ...asHost, ...there };

  /** `free` agreed on the id first, `guarded` has it, and then something is said at `free`. */
  function reused(): { host: End; free: string } {
    const host = new End('host', () => undefined);
    const free = contractOf({});
    expect(host.engagements.agree(asHost, free, id).id).toBe(id);
    expect(host.engagements.answer(asGuarded, guarded, { ask: 'propose', id })).toMatchObject({ id });
    host.approvals.answer('app_1', { grant: true, by: 'box' });
    const session = host.engagements.of(guarded, { ...factsOf('host', guarded), ...there }, 'g');
    host.open.add('g');
    expect(session?.said(true)).toBe(undefined);
    const other = host.session(free);
    expect(other.said(true)).toBe(undefined);
    expect(host.states()).toEqual(['active', 'active']);
    return { host, free: host.book.current(asHost)?.id ?? '' };
  }

  it('is of one party alone: approval at another service ends with its time, and by a no', () => {
    for (const end of [
      (host: End) => host.clock.advance(60_001),
      (host: End) => host.approvals.answer('app_1', { grant: false, by: 'box' }),
    ]) {
      const { host, free } = reused();
      expect(free).not.toBe(id);
      end(host);
      expect(host.book.get(id)).toMatchObject({ service: 'guarded', state: 'closed' });
      expect(host.cut.map(([session]) => session)).toEqual(['g']);
      expect(host.book.get(free)?.state).toBe('active');
    }
  });

  it('is taken once', () => {
    const { host } = reused();
    expect(() => host.book.propose(asHost, guarded, { id, reason: 'x' })).toThrow(
      expect.objectContaining({ code: 'base.invalid' }) as Error,
    );
  });
});

describe('proposals without end', () => {
  const contract = contractOf({ approval: { by: ['box'], forSeconds: 60 } });
  const nth = (n: number): string => `ses_${n.toString(16).padStart(32, '0')}`;

  it('leave one question on the list, and come at the pace of a person', () => {
    const host = new End('host', () => undefined);
    const propose = (n: number): unknown => host.engagements.answer(asHost, contract, { ask: 'propose', id: nth(n) });
    const loop = Array.from({ length: 20 }, (_, n) => {
      const answer = propose(n);
      host.engagements.answer(asHost, contract, { ask: 'close', id: nth(n) });
      return answer;
    });
    expect(loop.filter((answer) => JSON.stringify(answer).includes('"state":"proposed"'))).toHaveLength(10);
    expect(loop.at(-1)).toMatchObject({ code: 'agora.too_often' });
    expect(host.approvals.list()).toHaveLength(1);
    const phone: Party = { ...asHost, account: 'id-phone', counterparty: 'phone' };
    const asked = { ask: 'propose', id: nth(98) } as const;
    expect(host.engagements.answer(phone, contract, asked)).toMatchObject({ state: 'proposed' });
    host.clock.advance(60_001);
    expect(propose(99)).toMatchObject({ state: 'proposed' });
    expect(host.approvals.list().map(({ state }) => state)).toEqual(['pending', 'pending']);
  });

  it('are no quicker by closing what would begin again by itself', async () => {
    const host = new End('host', () => undefined);
    const free = contractOf({});
    let begun = 0;
    for (let n = 0; n < 20; n += 1) {
      const session = host.session(free);
      if ((await session.refusal()) !== undefined) break;
      session.said(true);
      begun += 1;
      const { id = '' } = host.book.current(asHost) ?? {};
      host.engagements.answer(asHost, free, { ask: 'close', id, ended: 'tunnel_failed' });
    }
    expect(begun).toBe(11);
  });

  it('are told to whoever makes them', async () => {
    const dial = new End('dial', () => undefined);
    const engaging = openEngaging({
      engagements: dial.engagements,
      identities: {
        all: () => [
          {
            name: 'laptop',
            account: () => 'id-laptop',
            services: () => [{ id: 's1', name: 'broker', permissions: ['Dial'], configs: {} }],
          },
        ],
      },
      policy: { contractOf: () => ({ kind: 'set', contract }) },
      quarantine: { causeOf: () => undefined },
      ask: () => Promise.resolve(readEngagementAnswer('{"refused":"no","code":"agora.too_often"}')),
    } as unknown as EngagingDeps);
    await expect(engaging.propose({ service: 'broker' })).rejects.toMatchObject({ code: 'agora.too_often' });
    expect(dial.states()).toEqual([]);
  });

  it('and their ends push out nobody else’s', async () => {
    const before = new End('host', () => undefined);
    const free = contractOf({});
    before.session(free).said(true);
    before.book.close(before.book.list()[0]?.id ?? '', 'max_bytes_exceeded', 'used');
    const [first] = before.book.list() as [Engagement];
    const others = Array.from({ length: 700 }, (_, n) => ({ ...first, id: nth(n), account: `id-${n % 70}` }));
    const ofOne = Array.from({ length: 100 }, (_, n) => ({ ...first, id: nth(1_000 + n), account: 'id-one' }));
    const host = new End('host', () => undefined, { kept: [first, ...others, ...ofOne] });
    const one: Party = { ...asHost, account: 'id-one' };
    host.book.propose(one, free, { id: nth(2_000), reason: 'x' });
    host.book.close(nth(2_000), 'consumer_close', 'x');
    const left = host.book.list();
    expect(left).toHaveLength(501);
    expect(left.filter(({ account }) => account === 'id-one')).toHaveLength(20);
    expect(new Set(left.map(({ account }) => account)).size).toBe(72);
    const mine = first.id;
    expect(host.book.latest(asHost)?.id).toBe(mine);
    expect(await host.session(free).refusal()).toMatchObject({ rule: 'engagement:closed' });
  });
});

describe('what is asked of an engagement', () => {
  it('is answered to those it is with, and to nobody else', async () => {
    const both = new Both();
    await both.connect().say();
    const [{ id }] = both.host.book.list() as [Engagement];
    const stranger: Party = { ...asHost, account: 'id-phone', counterparty: 'phone' };
    for (const ask of ['state', 'close'] as const) {
      const answer = both.host.engagements.answer(stranger, both.contract, { ask, id });
      expect(answer).toEqual({ id, state: 'unknown' });
    }
    expect(both.host.states()).toEqual(['active']);
    // Nor does a dialler take another's id for its own.
    expect(both.host.engagements.agree(stranger, both.contract, id).id).not.toBe(id);
    const proposed = both.host.engagements.answer(stranger, both.contract, { ask: 'propose', id });
    expect(proposed).not.toMatchObject({ id });
  });

  it('is read strictly', () => {
    const id = `ses_${'0'.repeat(32)}`;
    for (const line of ['x', '[]', '{}', `{"ask":"accept","id":"${id}"}`, '{"ask":"state","id":"../x"}']) {
      expect(() => readQuestion(line)).toThrow(expect.objectContaining({ code: 'base.invalid' }) as Error);
    }
    expect(() => readEngagementAnswer(`{"id":"${id}","state":"active"}`)).toThrow();
  });
});

describe('engagements on disk', () => {
  const places: string[] = [];
  afterEach(async () => {
    for (const place of places.splice(0)) await rm(place, { recursive: true, force: true });
  });

  it('are there after a restart with what was used of them, and record each step', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'culvert-engagements-'));
    places.push(stateDirectory);
    const clock = new ManualClock();
    const audit = new MemoryAudit();
    const id = `ses_${'a'.repeat(32)}`;
    const contract = contractOf({ maxBytes: 50 });
    {
      await using book = openKeptEngagements({ stateDirectory, clock, audit, log: silentLog });
      book.propose(dialler, contract, { id, reason: 'please' });
      book.accept(id, 'yes');
      book.begin(id);
      book.count(id, 1, 30);
    }
    await using book = openKeptEngagements({ stateDirectory, clock, audit, log: silentLog });
    expect(book.get(id)).toMatchObject({ state: 'active', messages: 1, bytes: 30, contract });
    expect(book.leftBytes(id)).toBe(20);
    book.close(id, 'max_bytes_exceeded', 'used');
    expect(audit.records.map(({ kind }) => kind)).toEqual(
      ['proposed', 'accepting', 'active', 'closing', 'closed'].map((state) => `engagement.${state}`),
    );
    const hash = createHash('sha256').update('{"a2a":{},"maxBytes":50}').digest('hex');
    expect(audit.records[0]).toMatchObject({ engagement: id, contract, contractHash: hash });
    expect(audit.records.at(-1)).toMatchObject({
      ...agoraWords('max_bytes_exceeded'),
      ended: 'max_bytes_exceeded',
      messages: 1,
      bytes: 30,
    });
  });

  it('are written while nobody waits, in their order, and what was said is there once that is asked for', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'culvert-engagements-'));
    places.push(stateDirectory);
    const clock = new ManualClock();
    const path = join(stateDirectory, 'engagements.json');
    const stateKept = (): string | undefined => {
      if (!existsSync(path)) return undefined;
      return (JSON.parse(readFileSync(path, 'utf8')) as { engagements: Engagement[] }).engagements.at(-1)?.state;
    };
    const order = ['proposed', 'accepting', 'active', 'closed'];
    for (let round = 1; round <= 5; round += 1) {
      const book = openKeptEngagements({ stateDirectory, clock, audit: new MemoryAudit(), log: silentLog });
      await rm(path, { force: true });
      const id = `ses_${round.toString(16).padStart(32, '0')}`;
      book.propose(dialler, contractOf({}), { id, reason: 'please' });
      expect(stateKept()).toBe(undefined);
      book.accept(id, 'yes');
      await book.kept();
      expect(stateKept()).toBe('accepting');
      book.begin(id);
      book.count(id, 1, 30);
      clock.advance(250);
      await new Promise((resolve) => setImmediate(resolve));
      book.close(id, 'consumer_close', 'done');
      // What an engine that is killed now would find, until nothing is under way any more.
      let isOver = false;
      const over = book[Symbol.asyncDispose]().then(() => (isOver = true));
      const seen: number[] = [];
      do {
        seen.push(order.indexOf(stateKept() ?? ''));
        await new Promise((resolve) => setImmediate(resolve));
      } while (!isOver);
      await over;
      expect(seen).toEqual(seen.toSorted((one, other) => one - other));
      expect(stateKept()).toBe('closed');
    }
  });

  it('that cannot be written let nothing new begin, and are written once they can be', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'culvert-engagements-'));
    places.push(stateDirectory);
    const clock = new ManualClock();
    await using book = openKeptEngagements({ stateDirectory, clock, audit: new MemoryAudit(), log: silentLog });
    const [one, other] = ['a', 'b'].map((digit) => `ses_${digit.repeat(32)}`);
    await rm(stateDirectory, { recursive: true });
    book.propose(dialler, contractOf({}), { id: one ?? '', reason: 'please' });
    await expect(book.kept()).rejects.toThrow(/ENOENT/);
    expect(() => book.accept(one ?? '', 'yes')).toThrow(/ENOENT/);
    expect(book.get(one ?? '')?.state).toBe('proposed');
    book.end(one ?? '', 'rejected', 'no');
    expect(() => book.propose(dialler, contractOf({}), { id: other ?? '', reason: 'x' })).toThrow(/ENOENT/);
    await mkdir(stateDirectory);
    clock.advance(5_000);
    await book.kept();
    clock.advance(5_000);
    book.propose(dialler, contractOf({}), { id: other ?? '', reason: 'again' });
    await book.kept();
    expect(book.list().map(({ state }) => state)).toEqual(['closed', 'proposed']);
  });

  it('are not forgotten where their file is damaged', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'culvert-engagements-'));
    places.push(stateDirectory);
    await writeFile(join(stateDirectory, 'engagements.json'), '{"version":1,"engagements":[{}]}');
    const open = (): unknown =>
      openKeptEngagements({ stateDirectory, clock: new ManualClock(), audit: new MemoryAudit(), log: silentLog });
    expect(open).toThrow(expect.objectContaining({ code: 'engine.state_unusable' }) as Error);
  });
});

import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { isTunnelerError, TunnelerError } from '../../main/base/errors.ts';
import type { Reason } from '../../main/base/reason.ts';
import type { App } from '../../main/apps/app.ts';
import { createConsequences } from '../../main/engine/containment/consequences.ts';
import type { Guard, GuardEffect } from '../../main/guard/guard.ts';
import { Quarantine } from '../../main/policy/quarantine.ts';
import { memoryStreamPair, until } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { SessionWorld, someFacts } from '../support/session-world.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const contract = (raw: unknown) => parseEngagement(raw, 'test');

describe('a session', () => {
  it('pumps both ways, counts, and half-closes', async () => {
    const world = new SessionWorld();
    const { id, app, appSaw, service, serviceSaw } = world.open();
    app.write(bytes('hello'));
    app.end();
    await until(() => serviceSaw.ended);
    expect(serviceSaw.text()).toBe('hello');
    expect(world.sessions.get(id)?.state).toBe('open');
    service.write(bytes('still here'));
    await until(() => appSaw.length === 10);
    service.end();
    await until(() => world.sessions.get(id)?.state === 'closed');
    const row = world.sessions.get(id);
    expect(row).toMatchObject({ closeReason: 'consumer_close', bytesSent: 5, bytesReceived: 10 });
    expect(appSaw.error).toBeUndefined();
    expect(world.audit.kinds()).toEqual(['session.opened', 'session.closed']);
  });

  it('shows what its host granted, until it goes on beyond that: then more was given, and nobody here knows how much', () => {
    const world = new SessionWorld();
    const bound = world.open({ contract: { maxBytes: 1_000_000 } });
    world.sessions.met(bound.id, { guarded: true, leftSeconds: 60 });
    world.clock.advance(20_000);
    expect(world.sessions.get(bound.id)?.remaining.seconds).toBe(40);
    world.clock.advance(60_000);
    expect(world.sessions.get(bound.id)?.remaining.seconds).toBeUndefined();
  });

  it('says provider_close where the service ends first', async () => {
    const world = new SessionWorld();
    const { id, app, appSaw, service } = world.open();
    service.end();
    await until(() => appSaw.ended);
    app.end();
    await until(() => world.sessions.get(id)?.state === 'closed');
    expect(world.reasonOf(id)).toBe('provider_close');
  });

  it('carries a reset of one side to the other', async () => {
    const world = new SessionWorld();
    const first = world.open();
    first.app.reset();
    await until(() => first.serviceSaw.over);
    expect(first.serviceSaw.error).toBeDefined();
    expect(world.reasonOf(first.id)).toBe('consumer_close');
    const second = world.open();
    second.service.reset();
    await until(() => second.appSaw.over);
    expect(second.appSaw.error).toBeDefined();
    expect(world.reasonOf(second.id)).toBe('provider_close');
  });

  it.each([
    ['ziti.dial.access_denied', {}, 'policy_revoked'],
    ['ziti.stream.reset', { revoked: true }, 'policy_revoked'],
    ['ziti.channel.closed', {}, 'tunnel_failed'],
    ['ziti.stream.decrypt', {}, 'tunnel_failed'],
    ['ziti.stream.reset', {}, 'provider_close'],
  ] as const)('names an overlay error %s %j as %s', async (code, details, reason) => {
    const world = new SessionWorld();
    const [, consumer] = memoryStreamPair();
    const [provider] = memoryStreamPair();
    const id = world.sessions.open(someFacts, consumer, provider);
    provider.reset(new TunnelerError(code, 'gone', { details }));
    await until(() => world.sessions.get(id)?.state === 'closed');
    expect(world.reasonOf(id)).toBe(reason);
  });

  it('waits for the slower side and loses nothing', async () => {
    const world = new SessionWorld();
    const { app, appSaw, service, serviceSaw } = world.open({}, { highWaterMarkBytes: 64 * 1024 });
    service.pause();
    const chunk = new Uint8Array(16 * 1024);
    let written = 0;
    while (app.write(chunk.slice())) {
      written += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
      if (written > 10_000_000) throw new Error('no back-pressure');
    }
    written += chunk.length;
    expect(written).toBeLessThan(400 * 1024);
    service.resume();
    await until(() => serviceSaw.length === written && appSaw.drains > 0);
    app.write(bytes('more'));
    await until(() => serviceSaw.length === written + 4);
  });

  it('records the opening before the first byte, and refuses where it cannot', () => {
    const world = new SessionWorld();
    world.audit.failing = (event) => event.kind === 'session.opened';
    expect(() => world.open()).toThrow(/disk full/);
    expect(world.sessions.openCount()).toBe(0);
    expect(world.sessions.total()).toBe(0);
  });

  it('keeps closed rows for ten minutes and a thousand', async () => {
    const world = new SessionWorld();
    const ids = Array.from({ length: 1_100 }, () => world.open().id);
    world.sessions.closeWhere(() => true, 'tunnel_failed');
    expect(world.sessions.list()).toHaveLength(1_000);
    expect(world.sessions.get(ids[0] ?? '')).toBeUndefined();
    world.clock.advance(10 * 60_000 + 1);
    expect(world.sessions.list()).toHaveLength(0);
    expect(world.sessions.total()).toBe(1_100);
  });
});

describe('a contract on a session', () => {
  it('ends to the second', () => {
    const world = new SessionWorld();
    const { id } = world.open({}, { contract: contract({ maxDurationSeconds: 90 }) });
    world.clock.advance(89_999);
    expect(world.sessions.get(id)).toMatchObject({ state: 'open', remaining: { seconds: 1 } });
    world.clock.advance(1);
    expect(world.reasonOf(id)).toBe('max_duration_exceeded');
  });

  it('counts time asleep, and is not stretched by a clock turned back', () => {
    const world = new SessionWorld();
    const slept = world.open({}, { contract: contract({ maxDurationSeconds: 3600 }) });
    world.clock.jump(3_600_000);
    world.clock.advance(10_000);
    expect(world.reasonOf(slept.id)).toBe('max_duration_exceeded');
    const turned = world.open({}, { contract: contract({ maxDurationSeconds: 60 }) });
    world.clock.jump(-86_400_000);
    world.clock.advance(60_000);
    expect(world.reasonOf(turned.id)).toBe('max_duration_exceeded');
  });

  it('ends in silence only', async () => {
    const world = new SessionWorld();
    const { id, app, serviceSaw } = world.open({}, { contract: contract({ idleTimeoutSeconds: 5 }) });
    world.clock.advance(4_000);
    app.write(bytes('x'));
    await until(() => serviceSaw.length === 1);
    world.clock.advance(4_999);
    expect(world.sessions.get(id)?.state).toBe('open');
    world.clock.advance(1);
    expect(world.reasonOf(id)).toBe('idle_timeout');
  });

  it('gives a datagram association a minute of silence', async () => {
    const world = new SessionWorld();
    const udp = world.open({ protocol: 'udp' }, { kind: 'datagram' });
    const tcp = world.open();
    world.clock.advance(60_000);
    expect(world.reasonOf(udp.id)).toBe('idle_timeout');
    expect(world.sessions.get(tcp.id)?.state).toBe('open');
  });

  it('ends when the bytes that several sessions share are used, and passes none beyond', async () => {
    let left = 1_000;
    const shared = { leftBytes: () => left, moved: (bytes: number) => void (left -= bytes) };
    const world = new SessionWorld(undefined, () => shared);
    const [one, other] = [1, 2].map(() => world.open({}, { contract: contract({ maxBytes: 1_000 }) }));
    one?.app.write(new Uint8Array(700));
    await until(() => one?.serviceSaw.length === 700);
    other?.app.write(new Uint8Array(700));
    await until(() => other?.serviceSaw.length === 300);
    expect([one, other].map((joined) => world.reasonOf(joined?.id ?? ''))).toEqual([undefined, 'max_bytes_exceeded']);
    expect(left).toBe(0);
  });

  it('delivers exactly up to the last byte, both directions together', async () => {
    const world = new SessionWorld();
    const { id, app, appSaw, service, serviceSaw } = world.open({}, { contract: contract({ maxBytes: 1_000 }) });
    service.write(new Uint8Array(400));
    await until(() => appSaw.length === 400);
    app.write(new Uint8Array(600));
    await until(() => serviceSaw.length === 600);
    expect(world.sessions.get(id)).toMatchObject({ state: 'open', remaining: { bytes: 0 } });
    app.write(new Uint8Array(1));
    await until(() => world.sessions.get(id)?.state === 'closed');
    expect(world.sessions.get(id)).toMatchObject({ closeReason: 'max_bytes_exceeded', bytesSent: 600 });

    const over = world.open({}, { contract: contract({ maxBytes: 1_000 }) });
    over.app.write(new Uint8Array(5_000));
    await until(() => over.serviceSaw.length === 1_000);
    expect(world.reasonOf(over.id)).toBe('max_bytes_exceeded');
    world.clock.advance(200);
    await until(() => over.appSaw.over && over.serviceSaw.over);
    // Cut, not ended: half of a file must not look like all of it.
    for (const saw of [over.appSaw, over.serviceSaw]) {
      expect(saw).toMatchObject({ ended: false, error: { code: expect.any(String) as string } });
    }
    expect(world.events.map((event) => event.kind)).not.toContain('violated');
  });

  it.each(['alert', 'quarantine'] as const)('ends at its bytes, and %s is asked for besides', async (onViolation) => {
    const world = new SessionWorld();
    const { id, app, serviceSaw } = world.open({}, { contract: contract({ maxBytes: 10, onViolation }) });
    app.write(new Uint8Array(11));
    await until(() => serviceSaw.length === 10);
    expect(world.reasonOf(id)).toBe('max_bytes_exceeded');
    const told = world.events.find((event) => event.kind === 'violated');
    expect(told).toMatchObject({ reason: { code: 'session.bytes_used' }, session: { contract: { onViolation } } });
    expect(world.audit.kinds()).toEqual(expect.arrayContaining(['violation', 'session.closed']));
  });

  it('closes what runs when the schedule ends', () => {
    const world = new SessionWorld();
    // The manual clock starts on Thursday 2026-01-01 00:00 UTC.
    const schedule = { timezone: 'UTC', windows: [{ days: ['thu'], from: '00:00', to: '01:00' }] };
    const { id } = world.open({}, { contract: contract({ schedule }) });
    world.clock.advance(3_599_000);
    expect(world.sessions.get(id)?.state).toBe('open');
    world.clock.advance(1_000);
    expect(world.reasonOf(id)).toBe('max_duration_exceeded');
    expect(world.sessions.get(id)?.closeWhy).toMatchObject({ code: 'session.schedule_over' });
  });

  it('admits no more sessions than it says, places held included', () => {
    const world = new SessionWorld();
    const terms = contract({ maxSessions: 2 });
    world.open({}, { contract: terms });
    const place = world.sessions.reserve('svc-1');
    expect(world.sessions.openCount('svc-1')).toBe(2);
    expect(() => world.open({}, { contract: terms })).toThrow(TunnelerError);
    place[Symbol.dispose]();
    world.open({}, { contract: terms });
    try {
      world.open({}, { contract: terms });
      expect.unreachable();
    } catch (error) {
      expect(isTunnelerError(error, 'session.limit')).toBe(true);
    }
  });

  it('is a frozen snapshot', () => {
    const world = new SessionWorld();
    const terms = { maxDurationSeconds: 10 };
    const { id } = world.open({}, { contract: terms });
    terms.maxDurationSeconds = 10_000;
    world.clock.advance(10_000);
    expect(world.reasonOf(id)).toBe('max_duration_exceeded');
    expect(Object.isFrozen(world.sessions.get(id)?.contract)).toBe(true);
  });
});

describe('a guard on a session', () => {
  const scripted = (answer: (from: 'app' | 'service', text: string) => readonly GuardEffect[]): Guard => ({
    kind: 'http',
    fromApp: (chunk) => answer('app', Buffer.from(chunk).toString()),
    fromService: (chunk) => answer('service', Buffer.from(chunk).toString()),
    appEnded: () => [],
    serviceEnded: () => [],
    buffered: () => 0,
  });
  const reason: Reason = { code: 'guard.violation', sentence: 'not like this' };

  const guarded = (effects: readonly GuardEffect[], terms: unknown) => {
    const world = new SessionWorld(() => scripted(() => effects));
    return { world, ...world.open({}, { contract: contract(terms) }) };
  };

  it('has its effects applied and its calls counted, told and recorded', async () => {
    const call = { protocol: 'http', method: 'GET', target: '/', decision: 'deny', startedAtMs: 0 } as const;
    const { world, id, app, appSaw, serviceSaw } = guarded(
      [
        { kind: 'to-app', bytes: bytes('no') },
        { kind: 'call', call },
      ],
      {},
    );
    app.write(bytes('ask'));
    await until(() => appSaw.text() === 'no');
    expect(serviceSaw.length).toBe(0);
    expect(world.sessions.get(id)).toMatchObject({ calls: 1, denied: 1, guard: 'http' });
    expect(world.events.map((event) => event.kind)).toEqual(['opened', 'called']);
    expect(world.audit.records[1]).toMatchObject({ kind: 'call', tool: '/', decision: 'deny', session: id });
    expect(world.audit.records[1]?.['observed']).toBeUndefined();
  });

  it('whose own answers nobody reads is asked no more, whatever the service takes', async () => {
    const readWhenAsked: number[] = [];
    const guard = scripted(() => {
      readWhenAsked.push(joined.appSaw.length);
      return [
        { kind: 'to-app', bytes: new Uint8Array(1_000) },
        { kind: 'to-service', bytes: new Uint8Array(1_000) },
      ];
    });
    const world = new SessionWorld(() => guard);
    const joined = world.open({}, { contract: contract({}), highWaterMarkBytes: 1_000 });
    const { app, appSaw, service, serviceSaw } = joined;
    app.pause();
    service.pause();
    app.write(bytes('one'));
    await until(() => readWhenAsked.length === 1);
    app.write(bytes('two'));
    service.resume();
    await until(() => serviceSaw.length === 1_000);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    app.resume();
    await until(() => appSaw.length === 2_000);
    expect(readWhenAsked).toEqual([0, 1_000]);
  });

  it('of a contract that observes is no denial anywhere, and says what it would have been', async () => {
    const observed = 'contract:http.methods';
    const call = {
      protocol: 'http',
      method: 'PUT',
      target: '/',
      decision: 'allow',
      startedAtMs: 0,
      rule: 'contract:enforce observe',
      observed,
    } as const;
    const { world, id, app } = guarded([{ kind: 'call', call }], { enforce: 'observe' });
    app.write(bytes('ask'));
    await until(() => world.sessions.get(id)?.calls === 1);
    expect(world.sessions.get(id)).toMatchObject({ denied: 0, observed: 1 });
    world.sessions.close(id, 'consumer_close');
    expect(world.audit.records).toMatchObject([
      { kind: 'session.opened', enforce: 'observe' },
      { kind: 'call', decision: 'allow', observed },
      { kind: 'session.closed', denied: 0, observed: 1 },
    ]);
  });

  it.each([
    ['close', 'contract_violation'],
    ['quarantine', 'quarantined'],
  ])('that is violated ends the session by %s', async (onViolation, expected) => {
    const { world, id, app, appSaw, serviceSaw } = guarded([{ kind: 'violation', reason, lost: false }], {
      onViolation,
    });
    app.write(bytes('bad'));
    await until(() => serviceSaw.over);
    world.clock.advance(200);
    await until(() => appSaw.over);
    expect(appSaw.ended).toBe(false);
    expect(world.reasonOf(id)).toBe(expected);
    expect(world.events.map((event) => event.kind)).toEqual(['opened', 'violated', 'closed']);
    expect(world.audit.kinds()).toEqual(['session.opened', 'violation', 'session.closed']);
  });

  it('that ends what flows lets the application read to an orderly end, and the service go at once', async () => {
    const last = { kind: 'to-app', bytes: bytes('the last of it') } as const;
    const { world, id, app, appSaw, serviceSaw } = guarded([last, { kind: 'end', reason }], {});
    app.write(bytes('ask'));
    await until(() => serviceSaw.over && appSaw.ended);
    expect(appSaw.text()).toBe('the last of it');
    world.clock.advance(400);
    expect(appSaw.over).toBe(false);
    app.end();
    await until(() => appSaw.over);
    expect(world.reasonOf(id)).toBe('provider_close');
  });

  it('that only alerts goes on, unless the guard has lost the stream', async () => {
    const going = guarded([{ kind: 'violation', reason, lost: false }], { onViolation: 'alert' });
    going.app.write(bytes('bad'));
    await until(() => going.world.events.length === 2);
    expect(going.world.sessions.get(going.id)?.state).toBe('open');
    const lost = guarded([{ kind: 'violation', reason, lost: true }], { onViolation: 'alert' });
    lost.app.write(bytes('bad'));
    await until(() => lost.world.sessions.get(lost.id)?.state === 'closed');
    expect(lost.world.reasonOf(lost.id)).toBe('contract_violation');
  });

  it('that warns leaves the session alone, and is heard even at its end', async () => {
    const low: Reason = { code: 'guard.http.budget_low', sentence: 'four fifths are used' };
    const world = new SessionWorld(() => ({
      ...scripted(() => [{ kind: 'warning', reason: low }]),
      serviceEnded: () => [{ kind: 'warning', reason: low }],
    }));
    const { id, app } = world.open({}, { contract: contract({}) });
    const raised: unknown[] = [];
    const nothing = (): void => undefined;
    const { session } = createConsequences({
      sessions: world.sessions,
      quarantine: { add: nothing } as unknown as Quarantine,
      onSession: nothing,
      onCall: nothing,
      raise: (alert) => raised.push(alert),
      refresh: nothing,
    });
    world.sessions.subscribe(session);
    app.write(bytes('ask'));
    await until(() => raised.length === 1);
    expect(world.sessions.get(id)?.state).toBe('open');
    expect(world.sessions.get(id)?.timeline.at(-1)).toMatchObject({ kind: 'alert', said: low });
    expect(raised).toMatchObject([
      { severity: 'warning', kind: 'budget', code: 'alert.budget', text: `web: ${low.sentence}`, session: id },
    ]);
    world.sessions.close(id, 'quarantined');
    expect(raised).toHaveLength(2);
  });

  it('whose call cannot be recorded ends the session', async () => {
    const call = { protocol: 'http', method: 'GET', target: '/', decision: 'allow', startedAtMs: 0 } as const;
    const { world, id, app } = guarded([{ kind: 'call', call }], {});
    world.audit.failing = (event) => event.kind === 'call';
    app.write(bytes('ask'));
    await until(() => world.sessions.get(id)?.state === 'closed');
    expect(world.reasonOf(id)).toBe('tunnel_failed');
  });
});

describe('containment', () => {
  it('cuts a thousand sessions at once', async () => {
    const world = new SessionWorld();
    const joined = Array.from({ length: 1_000 }, (_, index) => world.open({ identity: index % 2 === 0 ? 'a' : 'b' }));
    const cut = world.sessions.closeWhere((session) => session.identity === 'a', 'quarantined', {
      code: 'policy.quarantined',
      sentence: 'test',
    });
    // By the time it returns.
    expect(cut).toHaveLength(500);
    expect(world.sessions.openCount()).toBe(500);
    await until(() => joined.every(({ appSaw }, index) => appSaw.over === (index % 2 === 0)));
    expect(world.audit.kinds().filter((kind) => kind === 'session.closed')).toHaveLength(500);
  });

  it.each([
    ['router', ['identity:remote']],
    ['signature', ['identity:remote']],
    ['nobody', []],
  ] as const)(
    'of a caller who breaks the contract of what is hosted here never cuts off who hosts it (%s vouches for it)',
    async (asserted, expected) => {
      const world = new SessionWorld();
      const clock = world.clock;
      using quarantine = new Quarantine({ clock });
      const nothing = (): void => undefined;
      const { session, quarantined } = createConsequences({
        sessions: world.sessions,
        quarantine,
        onSession: nothing,
        onCall: nothing,
        raise: nothing,
        refresh: nothing,
      });
      world.sessions.subscribe(session);
      quarantine.events.subscribe(quarantined);
      const caller = { account: 'id-7', name: 'remote', asserted, asks: false };
      const hosted = { direction: 'host', entry: 'hosted', identity: 'box', source: 'remote', caller } as const;
      const breaking = world.open(hosted, { contract: contract({ maxBytes: 10, onViolation: 'quarantine' }) });
      const beside = world.open(hosted);
      const other = world.open({ ...hosted, source: 'else', caller: { ...caller, account: 'id-8', name: 'else' } });
      breaking.app.write(new Uint8Array(100));
      await until(() => world.sessions.get(breaking.id)?.state === 'closed');
      expect(quarantine.list().map(({ subject }) => subject)).toEqual(expected);
      expect(world.sessions.get(other.id)?.state).toBe('open');
      expect(world.reasonOf(beside.id)).toBe(asserted === 'nobody' ? undefined : 'quarantined');
    },
  );

  it('tells how many are open of each agent, and of no other program', () => {
    const world = new SessionWorld();
    const of = (agent: string): { app: App } => ({ app: { attribution: 'exact', agent, parents: [] } });
    world.open(of('claude'));
    const { id } = world.open(of('claude'));
    world.open(of('codex'));
    world.open({});
    world.sessions.close(id, 'quarantined');
    expect([...world.sessions.openAgents()]).toEqual([
      ['claude', 1],
      ['codex', 1],
    ]);
  });

  it('also cuts what still lingers after its contract', async () => {
    const world = new SessionWorld();
    const { app, serviceSaw, service } = world.open({}, { contract: contract({ maxBytes: 10 }) });
    service.pause();
    app.write(new Uint8Array(100));
    await until(() => world.sessions.openCount() === 0);
    world.sessions.closeWhere(() => true, 'quarantined');
    await until(() => serviceSaw.over);
    expect(serviceSaw.length).toBe(0);
  });

  it('cuts everything when it is disposed', async () => {
    const world = new SessionWorld();
    const { id, appSaw } = world.open();
    await world.sessions[Symbol.asyncDispose]();
    await until(() => appSaw.over);
    expect(world.reasonOf(id)).toBe('tunnel_failed');
  });

  it('keeps an idle session small', () => {
    const world = new SessionWorld();
    const recorder = new RecordingSink();
    const inert = {
      kind: 'stream',
      start: () => undefined,
      write: () => true,
      end: () => undefined,
      reset: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    } as const;
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 10_000; index += 1) world.sessions.open(someFacts, inert, inert);
    const perSession = (process.memoryUsage().heapUsed - before) / 10_000;
    expect(recorder.over).toBe(false);
    expect(perSession).toBeLessThan(8 * 1024);
  });
});

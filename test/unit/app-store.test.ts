import { describe, expect, it } from 'vitest';
import { EngineStore } from '../../app/store/engine-store.ts';
import { parsePreferences, Preferences } from '../../app/store/preferences.ts';
import { selectSessions, valuesOf } from '../../app/store/selectors.ts';
import { Ticker } from '../../app/store/ticker.ts';
import { Toasts } from '../../app/store/toasts.ts';
import { historyPoints, sampleRates, Traffic } from '../../app/store/traffic.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import type { SessionView } from '../../main/api/views.ts';
import { createFakeEngine, type FakeEngine } from '../support/fake-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryTransport, type MemoryTransport } from '../support/memory-transport.ts';
import { sceneState } from '../support/window/scene.ts';

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

interface Rig extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly clock: ManualClock;
  readonly store: EngineStore;
  readonly transports: MemoryTransport[];
  published(): number;
}

async function open(engine = createFakeEngine(sceneState(Date.UTC(2026, 0, 1)))): Promise<Rig> {
  const clock = new ManualClock();
  const transports: MemoryTransport[] = [];
  let published = 0;
  const store = new EngineStore({
    clock,
    open: () => {
      const transport = memoryTransport(engine.dispatcher);
      transports.push(transport);
      return transport;
    },
  });
  store.subscribe(() => (published += 1));
  store.start();
  await settle();
  return {
    engine,
    clock,
    store,
    transports,
    published: () => published,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function touched(engine: FakeEngine, id: string, bytesSent: number): void {
  const session = engine.state().sessions[id];
  engine.push({ kind: 'session-changed', key: id, value: { ...session!, bytesSent } });
}

describe('the window’s copy of the engine', () => {
  it('begins with a snapshot and follows deltas, telling a burst of them once', async () => {
    await using rig = await open();
    expect(rig.store.link()).toMatchObject({ phase: 'live', permission: 'administer' });
    const before = rig.published();
    for (let bytes = 1; bytes <= 50; bytes += 1) touched(rig.engine, 's-01', bytes);
    await settle();
    rig.clock.advance(50);
    expect(rig.store.state()?.sessions['s-01']?.bytesSent).toBe(50);
    expect(rig.published()).toBe(before + 1);
  });

  it('keeps references of what did not change', async () => {
    await using rig = await open();
    const services = rig.store.state()?.services;
    const list = selectSessions(rig.store.state()!);
    expect(selectSessions(rig.store.state()!)).toBe(list);
    touched(rig.engine, 's-01', 9);
    await settle();
    rig.clock.advance(50);
    expect(rig.store.state()?.services).toBe(services);
    expect(selectSessions(rig.store.state()!)).not.toBe(list);
    expect(rig.store.state()?.sessions['s-02']).toBe(list.find(({ id }) => id === 's-02'));
  });

  it('asks for a new snapshot after a gap', async () => {
    await using rig = await open();
    rig.engine.skip();
    touched(rig.engine, 's-01', 77);
    await settle();
    rig.clock.advance(50);
    expect(rig.store.state()?.sessions['s-01']?.bytesSent).toBe(77);
    expect(rig.engine.calls.filter(({ name }) => name === 'state.snapshot')).toHaveLength(2);
    touched(rig.engine, 's-01', 78);
    await settle();
    rig.clock.advance(50);
    expect(rig.store.state()?.sessions['s-01']?.bytesSent).toBe(78);
  });

  it('keeps showing the last state while the engine is gone, and comes back by itself', async () => {
    await using rig = await open();
    rig.transports[0]?.break(new TunnelerError('base.closed', 'gone'));
    await settle();
    expect(rig.store.link().phase).toBe('lost');
    expect(rig.store.state()?.sessions['s-01']).toBeDefined();
    expect(() => rig.store.client).toThrow(TunnelerError);
    rig.clock.advance(300);
    await settle();
    expect(rig.store.link().phase).toBe('live');
    expect(rig.transports).toHaveLength(2);
  });

  it('does not insist where it is refused', async () => {
    await using rig = await open();
    rig.transports[0]?.break(new TunnelerError('console.refused', 'used'));
    await settle();
    expect(rig.store.link().phase).toBe('refused');
    rig.clock.advance(60_000);
    await settle();
    expect(rig.transports).toHaveLength(1);
  });

  it('tells five thousand changed services once', async () => {
    await using rig = await open(createFakeEngine());
    const { manyServices } = await import('../support/window/scene-services.ts');
    const changes = manyServices(5_000).map((value) => ({ kind: 'service-changed' as const, key: value.id, value }));
    const before = rig.published();
    rig.engine.push(...changes);
    await settle();
    rig.clock.advance(50);
    expect(valuesOf(rig.store.state()!.services)).toHaveLength(5_000);
    expect(rig.published()).toBe(before + 1);
  });
});

describe('rates', () => {
  const session = (id: string, bytesSent: number, state: SessionView['state'] = 'open'): SessionView =>
    ({ id, bytesSent, bytesReceived: 0, state }) as SessionView;

  it('come from the counters, settle on a steady flow, and end with the session', () => {
    let counters = sampleRates(new Map(), [session('a', 0)], 1000);
    expect(counters.get('a')?.rate.sent).toBe(0);
    for (let second = 1; second <= 12; second += 1)
      counters = sampleRates(counters, [session('a', second * 5_000)], 1000);
    expect(counters.get('a')?.rate.sent).toBeCloseTo(5_000, -1);
    counters = sampleRates(counters, [session('a', 60_000, 'closed')], 1000);
    expect(counters.get('a')?.rate.sent).toBe(0);
    expect(sampleRates(counters, [], 1000).size).toBe(0);
  });

  it('do not show what was carried before the window looked', () => {
    const first = sampleRates(new Map(), [session('a', 9_000_000)], 1000);
    expect(sampleRates(first, [session('a', 9_000_000)], 1000).get('a')?.rate.sent).toBe(0);
  });

  it('are kept for two minutes', () => {
    const clock = new ManualClock();
    let bytes = 0;
    using traffic = new Traffic(clock, () => [session('a', (bytes += 1_000))]);
    clock.advance(300_000);
    const history = traffic.history();
    expect(history.times).toHaveLength(historyPoints);
    expect(history.sent).toHaveLength(historyPoints);
    expect(history.sent.at(-1)).toBeCloseTo(1_000, 0);
  });
});

describe('preferences', () => {
  it('are kept, and survive what somebody else wrote', () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    };
    new Preferences(storage).set({ theme: 'dark', locale: 'de' });
    expect(new Preferences(storage).values()).toMatchObject({ theme: 'dark', locale: 'de', density: 'roomy' });
    expect(parsePreferences('{"theme":"neon","locale":7}')).toMatchObject({ theme: 'system', locale: 'system' });
    expect(parsePreferences('nonsense').theme).toBe('system');
    expect(parsePreferences('null').theme).toBe('system');
  });
});

describe('toasts', () => {
  it('pass, are never more than four, and do not repeat themselves', () => {
    const clock = new ManualClock();
    const toasts = new Toasts(clock);
    for (const text of ['a', 'a', 'b', 'c', 'd', 'e']) toasts.show({ tone: 'info', text });
    expect(toasts.shown().map(({ text }) => text)).toEqual(['b', 'c', 'd', 'e']);
    toasts.show({ tone: 'bad', text: 'failed' });
    clock.advance(7_000);
    expect(toasts.shown().map(({ text }) => text)).toEqual(['failed']);
    clock.advance(7_000);
    expect(toasts.shown()).toEqual([]);
  });
});

describe('the ticker', () => {
  it('runs only while somebody watches', () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    expect(clock.pending()).toBe(0);
    let ticks = 0;
    const stop = ticker.subscribe(() => (ticks += 1));
    clock.advance(3_000);
    expect(ticks).toBe(3);
    stop();
    expect(clock.pending()).toBe(0);
  });
});

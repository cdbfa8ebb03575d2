import { describe, expect, it } from 'vitest';
import { Baselines, defaultBaselines } from '../../main/policy/detectors/baselines.ts';
import { Breaker, defaultBreaker } from '../../main/policy/detectors/breaker.ts';
import type { Finding, WatchedEvent } from '../../main/policy/detectors/finding.ts';
import { OrdersFound } from '../../main/policy/detectors/orders.ts';

const common = { program: 'claude', service: 'docs', identity: 'laptop' };
const dial = (more: Partial<WatchedEvent & { kind: 'dial' }> = {}): WatchedEvent => ({
  kind: 'dial',
  ...common,
  outcome: 'opened',
  ...more,
});
const call = (tool: string, outcome: 'ok' | 'failed' | 'denied' = 'ok'): WatchedEvent => ({
  kind: 'call',
  ...common,
  tool,
  outcome,
});
const closed = (bytes: number): WatchedEvent => ({ kind: 'closed', ...common, bytes });
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const start = Date.UTC(2026, 0, 5);

describe('a breaker', () => {
  it('cuts one program off one service after too many failures within the window', () => {
    const breaker = new Breaker({ ...defaultBreaker, failures: 3, windowSeconds: 10 });
    expect(breaker.observe(dial({ outcome: 'failed' }), 0)).toEqual([]);
    expect(breaker.observe(dial({ outcome: 'failed', service: 'other' }), 1)).toEqual([]);
    expect(breaker.observe(dial({ outcome: 'failed' }), 9_000)).toEqual([]);
    expect(breaker.observe(dial({ outcome: 'failed' }), 10_001)).toEqual([]);
    expect(breaker.observe(dial({ outcome: 'failed' }), 10_002)).toMatchObject([
      { detector: 'breaker.failures', subject: 'app:claude@docs', action: 'quarantine', holdMs: 5_000 },
    ]);
    expect(breaker.observe(dial({ outcome: 'failed' }), 10_003)).toEqual([]);
  });

  it('counts violations, refused calls and calls, each as set', () => {
    const breaker = new Breaker({ ...defaultBreaker, violations: 1, denials: 2, calls: 3, holdSeconds: 0 });
    expect(breaker.observe({ kind: 'violation', ...common, program: undefined }, 0)).toMatchObject([
      { detector: 'breaker.violations', subject: 'service:docs' },
    ]);
    const found = [call('a', 'denied'), call('a', 'denied'), call('a'), call('a'), call('a')].flatMap((event) =>
      breaker.observe(event, 1),
    );
    expect(found.map((finding) => finding.detector)).toEqual(['breaker.denials', 'breaker.calls']);
    expect(found[0]).not.toHaveProperty('holdMs');
    expect(new Breaker({ ...defaultBreaker, violations: 0 }).observe({ kind: 'violation', ...common }, 0)).toEqual([]);
  });
});

describe('orders to a model', () => {
  it('are told of once a minute for each program and service', () => {
    const orders = new OrdersFound();
    const found = { ...call('chat'), orders: true } as WatchedEvent;
    expect(orders.observe(call('chat'), 0)).toEqual([]);
    expect(orders.observe(found, 0)).toMatchObject([
      { detector: 'detector.orders', severity: 'warning', subject: 'app:claude@docs', action: 'alert' },
    ]);
    expect(orders.observe(found, 59_999)).toEqual([]);
    expect(orders.observe({ ...found, service: 'other' }, 1)).toHaveLength(1);
    expect(orders.observe(found, 60_000)).toHaveLength(1);
  });
});

describe('baselines', () => {
  /** Two weeks of office hours: a dial, two tools and a small session each hour from nine to five. */
  const learnt = (): Baselines => {
    const baselines = new Baselines(defaultBaselines);
    for (let day = 0; day < 14; day += 1) {
      for (let hour = 9; hour < 17; hour += 1) {
        const at = start + day * dayMs + hour * hourMs;
        for (const event of [dial(), call('search'), call('read'), closed(10_000 + hour)]) {
          expect(baselines.observe(event, at)).toEqual([]);
        }
      }
    }
    return baselines;
  };
  const later = start + 14 * dayMs + 10 * hourMs;
  const names = (findings: readonly Finding[]): string[] => findings.map((finding) => finding.detector);

  it('are silent while they learn and on what is usual', () => {
    const baselines = learnt();
    expect(baselines.observe(dial(), later)).toEqual([]);
    expect(baselines.observe(call('search'), later)).toEqual([]);
    expect(baselines.observe(closed(12_000), later)).toEqual([]);
  });

  it('tell what is not, in words, once', () => {
    const baselines = learnt();
    const [service] = baselines.observe(dial({ service: 'payroll' }), later);
    expect(service).toMatchObject({ detector: 'baseline.new-service', action: 'alert', subject: 'app:claude@payroll' });
    expect(service?.text).toContain('first time');
    expect(names(baselines.observe(dial(), later + 16 * hourMs))).toEqual(['baseline.hour']);
    expect(names(baselines.observe(call('delete_all'), later))).toEqual(['baseline.new-tool']);
    expect(baselines.observe(call('delete_all'), later)).toEqual([]);
    expect(names(baselines.observe(closed(500_000_000), later))).toEqual(['baseline.volume']);
    const burst = Array.from({ length: 40 }, (_, index) =>
      baselines.observe(call('search', 'failed'), later + index),
    ).flat();
    expect(names(burst).sort()).toEqual(['baseline.errors', 'baseline.rate']);
  });

  it('quarantine where so set, and learn anew what was lost', () => {
    const kept: unknown = JSON.parse(JSON.stringify(learnt().keep()));
    const strict = new Baselines({ ...defaultBaselines, action: 'quarantine' }, kept);
    expect(strict.lost).toBe(0);
    expect(strict.observe(call('delete_all'), later)).toMatchObject([{ action: 'quarantine' }]);
    const damaged = new Baselines(defaultBaselines, { profiles: [['claude', { dials: 'many' }], 7] });
    expect(damaged.lost).toBe(2);
    expect(damaged.observe(dial(), later)).toEqual([]);
    expect(new Baselines(defaultBaselines, 'nonsense').lost).toBe(1);
  });
});

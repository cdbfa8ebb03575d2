import { describe, expect, it } from 'vitest';
import { unknownApp } from '../../main/apps/app.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import type { FlowRequest } from '../../main/base/flow.ts';
import { Dialing, type DialingDeps } from '../../main/engine/admission/dialing.ts';
import { reachability, Terminators, type TerminatorsDeps } from '../../main/engine/identities/terminators.ts';
import type { Intercept, Match } from '../../main/intercept/match.ts';
import { ManualClock } from '../support/manual-clock.ts';

interface World {
  readonly clock: ManualClock;
  readonly asked: string[];
  readonly counts: Map<string, number | undefined | Error>;
  readonly troubled: Set<string>;
  changes: number;
  turn(ms: number): Promise<void>;
  readonly terminators: Terminators;
}

function world(services: Record<string, readonly string[]>): World {
  const clock = new ManualClock();
  const asked: string[] = [];
  const counts = new Map<string, number | undefined | Error>();
  const troubled = new Set<string>();
  const context = {
    terminatorCount: (id: string, name?: string) => {
      const place = name === undefined ? id : `${id} as ${name}`;
      asked.push(place);
      const count = counts.get(place);
      return count instanceof Error ? Promise.reject(count) : Promise.resolve(count);
    },
  };
  const runners = Object.entries(services).map(([name, ids]) => ({
    name,
    services: () => ids.map((id) => ({ id, permissions: [id.startsWith('bind') ? 'Bind' : 'Dial'] })),
    trouble: () => (troubled.has(name) ? { code: 'identity.disabled', sentence: 'off' } : undefined),
    context: () => context,
  }));
  const identities = {
    all: () => runners,
    find: (name: string) => runners.find((runner) => runner.name === name),
    context: () => context,
  } as unknown as TerminatorsDeps['identities'];
  const made: World = {
    clock,
    asked,
    counts,
    troubled,
    changes: 0,
    async turn(ms) {
      for (let turned = 0; turned < ms; turned += 300) {
        clock.advance(300);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    terminators: new Terminators({ clock, identities, changed: () => (made.changes += 1) }),
  };
  return made;
}

describe('terminators, asked for now and then', () => {
  it('tell of services nobody hosts, one question at a time, and again: of those soon, of others after a minute', async () => {
    const it = world({ laptop: ['a', 'b', 'bind-c'] });
    it.counts.set('a', 2).set('b', 0);
    await it.turn(300);
    expect(it.asked).toEqual(['a']);
    await it.turn(3_000);
    expect(it.asked).toEqual(['a', 'b']);
    const deserted = () => [it.terminators.isDeserted('laptop', 'a'), it.terminators.isDeserted('laptop', 'b')];
    expect(deserted()).toEqual([false, true]);
    expect(it.changes).toBe(1);
    it.counts.set('a', 0).set('b', 1);
    await it.turn(8_400);
    expect(deserted()).toEqual([false, false]);
    await it.turn(52_000);
    expect(deserted()).toEqual([true, false]);
    expect(it.changes).toBe(3);
    const soFar = it.asked.length;
    it.terminators[Symbol.dispose]();
    await it.turn(120_000);
    expect(it.asked).toHaveLength(soFar);
  });

  it('say nothing where the controller does not, cannot, or has better things to do', async () => {
    const many = Array.from({ length: 51 }, (_, index) => `s${index}`);
    const it = world({ silent: ['x'], failing: ['y'], crowded: many, off: ['z'] });
    it.troubled.add('off');
    it.counts.set('x', undefined).set('y', new Error('unreachable')).set('z', 0);
    await it.turn(3_000);
    expect(it.asked).toEqual(['x', 'y']);
    expect(it.terminators.isDeserted('silent', 'x') || it.terminators.isDeserted('failing', 'y')).toBe(false);
    expect(it.changes).toBe(0);
  });

  it('pass over none of them where many have nobody', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => `s${index}`);
    const it = world({ laptop: ids });
    for (const id of ids) it.counts.set(id, 0);
    await it.turn(50 * 300);
    expect(new Set(it.asked).size).toBe(50);
    expect(ids.every((id) => it.terminators.isDeserted('laptop', id))).toBe(true);
  });
});

describe('terminators, learnt from dials', () => {
  it('are none after one that found nobody, until the controller or another dial says otherwise', async () => {
    const it = world({ laptop: ['a', 'b'] });
    it.counts.set('a', 1).set('b', 1);
    await it.turn(600);
    it.terminators.note(['laptop', 'a'], 'nobody');
    it.terminators.note(['laptop', 'b'], 'nobody');
    expect([it.terminators.isDeserted('laptop', 'a'), it.changes]).toEqual([true, 2]);
    it.terminators.note(['laptop', 'b'], 'somebody');
    expect([it.terminators.isDeserted('laptop', 'b'), it.changes]).toEqual([false, 3]);
    await it.turn(8_400);
    expect([it.terminators.isDeserted('laptop', 'a'), it.changes]).toEqual([false, 4]);
  });

  it('are none for half a minute where the controller does not say', async () => {
    const it = world({ laptop: ['a'] });
    it.terminators.note(['laptop', 'a'], 'nobody');
    await it.turn(29_700);
    expect(it.terminators.isDeserted('laptop', 'a')).toBe(true);
    await it.turn(600);
    expect([it.terminators.isDeserted('laptop', 'a'), it.changes]).toEqual([false, 2]);
  });

  it('of one name say nothing of the others, but whoever is found under a name hosts the service', async () => {
    const it = world({ laptop: ['a'] });
    it.terminators.note(['laptop', 'a', 'plc-7'], 'nobody');
    expect(it.terminators.isDeserted('laptop', 'a')).toBe(false);
    expect(it.terminators.isDeserted('laptop', 'a', 'plc-7')).toBe(true);
    it.terminators.note(['laptop', 'a'], 'nobody');
    it.terminators.note(['laptop', 'a', 'plc-8'], 'somebody');
    expect(it.terminators.isDeserted('laptop', 'a')).toBe(false);
    expect(it.terminators.isDeserted('laptop', 'a', 'plc-7')).toBe(true);
  });
});

describe('terminators, asked for by whoever cannot wait', () => {
  it('are as old as may be, one question for all who ask at once, and everybody learns from the answer', async () => {
    const it = world({ crowded: Array.from({ length: 51 }, (_, index) => `s${index}`) });
    it.counts.set('s1', 0);
    expect(await Promise.all([1, 2, 3].map(() => it.terminators.count(['crowded', 's1'], 5_000)))).toEqual([0, 0, 0]);
    expect(it.asked).toEqual(['s1']);
    expect([it.terminators.isDeserted('crowded', 's1'), it.changes]).toEqual([true, 1]);
    it.clock.advance(4_999);
    it.counts.set('s1', 2);
    expect(await it.terminators.count(['crowded', 's1'], 5_000)).toBe(0);
    expect(await it.terminators.count(['crowded', 's1'])).toBe(2);
    expect([it.asked.length, it.terminators.isDeserted('crowded', 's1')]).toEqual([2, false]);
  });

  it('answer a ping: somebody, or nobody says that there is none', async () => {
    const it = world({ laptop: ['a'] });
    const match = { identity: 'laptop', service: { id: 'a' }, terminatorIdentity: 'plc-7' };
    let matched: unknown = { kind: 'matched', matches: [match] };
    const reachable = reachability({ match: () => matched as ReturnType<Intercept['match']> }, it.terminators);
    const ping = async (count: number | undefined | Error): Promise<boolean> => {
      it.clock.advance(5_000);
      it.counts.set('a as plc-7', count);
      return reachable({ address: '100.64.0.5', port: 0 });
    };
    expect([await ping(1), await ping(0), await ping(undefined), await ping(new Error('away'))]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    await ping(1);
    it.troubled.add('laptop');
    expect(await reachable({ address: '100.64.0.5', port: 0 })).toBe(false);
    matched = { kind: 'unmatched', reason: { code: 'intercept.no_match', sentence: '' } };
    it.troubled.clear();
    expect(await reachable({ address: '100.64.0.5', port: 0 })).toBe(false);
  });
});

describe('a dial', () => {
  it('tells what it found, under the name the identity has now', async () => {
    const told: unknown[] = [];
    let failure = new TunnelerError('ziti.dial.no_terminator', 'nobody');
    const dialing = new Dialing({
      clock: new ManualClock(),
      identities: {
        nameOf: (name: string) => (name === 'before' ? 'now' : name),
        context: () => ({ dial: () => Promise.reject(failure) }),
        find: () => undefined,
      },
      recentDials: { note: () => undefined },
      terminators: { note: (...found: unknown[]) => void told.push(found) },
      breakGlass: { reasonFor: () => undefined },
    } as unknown as DialingDeps);
    const match = { identity: 'before', service: { id: 'a' }, terminatorIdentity: 'plc-7' } as Match;
    const flow = { protocol: 'tcp' } as FlowRequest;
    const dial = () => dialing.dial(match, flow, unknownApp, {}, new AbortController().signal);
    await expect(dial()).rejects.toBe(failure);
    failure = new TunnelerError('ziti.dial.timeout', 'late');
    await expect(dial()).rejects.toBe(failure);
    dialing.note(match, 'failed');
    expect(told).toEqual([[['now', 'a', 'plc-7'], 'nobody']]);
    dialing.note(match, 'open');
    expect(told.at(-1)).toEqual([['now', 'a', 'plc-7'], 'somebody']);
  });
});

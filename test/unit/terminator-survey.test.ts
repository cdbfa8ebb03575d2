import { describe, expect, it } from 'vitest';
import { surveyTerminators } from '../../main/engine/identities/terminators.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Identities = Parameters<typeof surveyTerminators>[0]['identities'];

interface World {
  readonly clock: ManualClock;
  readonly asked: string[];
  readonly counts: Map<string, number | undefined | Error>;
  changes: number;
  turn(ms: number): Promise<void>;
  readonly survey: ReturnType<typeof surveyTerminators>;
}

function world(services: Record<string, readonly string[]>, troubled: readonly string[] = []): World {
  const clock = new ManualClock();
  const asked: string[] = [];
  const counts = new Map<string, number | undefined | Error>();
  const runners = Object.entries(services).map(([name, ids]) => ({
    name,
    services: () => ids.map((id) => ({ id, permissions: [id.startsWith('bind') ? 'Bind' : 'Dial'] })),
    trouble: () => (troubled.includes(name) ? { code: 'identity.disabled', sentence: '' } : undefined),
    context: () => ({
      terminatorCount: (id: string) => {
        asked.push(id);
        const count = counts.get(id);
        return count instanceof Error ? Promise.reject(count) : Promise.resolve(count);
      },
    }),
  }));
  const made: World = {
    clock,
    asked,
    counts,
    changes: 0,
    async turn(ms) {
      for (let turned = 0; turned < ms; turned += 300) {
        clock.advance(300);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    survey: surveyTerminators({
      clock,
      identities: { all: () => runners } as unknown as Identities,
      changed: () => (made.changes += 1),
    }),
  };
  return made;
}

describe('the survey of terminators', () => {
  it('tells of services nobody hosts, one question at a time, and asks again: of those soon, of others after a minute', async () => {
    const it = world({ laptop: ['a', 'b', 'bind-c'] });
    it.counts.set('a', 2).set('b', 0);
    await it.turn(300);
    expect(it.asked).toEqual(['a']);
    await it.turn(3_000);
    expect(it.asked).toEqual(['a', 'b']);
    expect([it.survey.isDeserted('laptop', 'a'), it.survey.isDeserted('laptop', 'b')]).toEqual([false, true]);
    expect(it.changes).toBe(1);
    it.counts.set('a', 0).set('b', 1);
    await it.turn(8_400);
    expect([it.survey.isDeserted('laptop', 'a'), it.survey.isDeserted('laptop', 'b')]).toEqual([false, false]);
    await it.turn(52_000);
    expect([it.survey.isDeserted('laptop', 'a'), it.survey.isDeserted('laptop', 'b')]).toEqual([true, false]);
    expect(it.changes).toBe(3);
    const soFar = it.asked.length;
    it.survey[Symbol.dispose]();
    await it.turn(120_000);
    expect(it.asked).toHaveLength(soFar);
  });

  it('says nothing where the controller does not, cannot, or has better things to do', async () => {
    const many = Array.from({ length: 51 }, (_, index) => `s${index}`);
    const it = world({ silent: ['x'], failing: ['y'], crowded: many, off: ['z'] }, ['off']);
    it.counts.set('x', undefined).set('y', new Error('unreachable')).set('z', 0);
    await it.turn(3_000);
    expect(it.asked).toEqual(['x', 'y']);
    expect(it.survey.isDeserted('silent', 'x') || it.survey.isDeserted('failing', 'y')).toBe(false);
    expect(it.changes).toBe(0);
  });
});

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { openKeptLedger } from '../../main/engine/admission/kept-ledger.ts';
import { createHeldBudget } from '../../main/guard/held-budget.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

describe('budgets', () => {
  it('stand after a restart, with what was set aside for a call under way', async () => {
    const directory = temporaryDirectory('budgets');
    const clock = new ManualClock();
    const deps = { stateDirectory: directory, clock, log: silentLog };
    const first = openKeptLedger(deps);
    first.charge('laptop|svc|http.tokens', 70, 60_000, clock.now());
    first.hold('laptop|svc|http.tokens', 20, 60_000, clock.now());
    await first[Symbol.asyncDispose]();
    await using second = openKeptLedger(deps);
    expect(second.used('laptop|svc|http.tokens', 60_000, clock.now())).toBe(90);
    clock.advance(60_001);
    expect(second.used('laptop|svc|http.tokens', 60_000, clock.now())).toBe(0);
  });

  it('are written soon after they change', async () => {
    const directory = temporaryDirectory('budgets');
    const clock = new ManualClock();
    const deps = { stateDirectory: directory, clock, log: silentLog };
    await using first = openKeptLedger(deps);
    first.charge('k', 5, 60_000, clock.now());
    clock.advance(1_000);
    await until(() => existsSync(join(directory, 'budgets.json')));
    // As after a kill: nobody closed the first.
    await using second = openKeptLedger(deps);
    expect(second.used('k', 60_000, clock.now())).toBe(5);
  });

  it('are not given anew by a damaged file', async () => {
    const directory = temporaryDirectory('budgets');
    await writeFile(join(directory, 'budgets.json'), '{"version":1');
    const deps = { stateDirectory: directory, clock: new ManualClock(), log: silentLog };
    expect(() => openKeptLedger(deps)).toThrow(expect.objectContaining({ code: 'engine.state_unusable' }));
  });

  it('say when there is room again', () => {
    const ledger = createLedger();
    ledger.charge('k', 60, 10_000, 1_000);
    ledger.charge('k', 60, 10_000, 4_000);
    expect(ledger.freeAt('k', 100, 10_000, 5_000)).toBe(11_000);
    expect(ledger.freeAt('k', 50, 10_000, 5_000)).toBe(14_000);
    expect(ledger.freeAt('k', 200, 10_000, 5_000)).toBe(5_000);
  });
});

describe('messages that are held', () => {
  it('share one bound over all sessions; the oldest unfinished one makes room', () => {
    const held = createHeldBudget(100);
    const dropped: string[] = [];
    const claim = (name: string, nowMs: number): ReturnType<typeof held.claim> => {
      const own = held.claim(() => {
        dropped.push(name);
        own.release();
      }, nowMs);
      return own;
    };
    const [one, two, three] = [claim('one', 0), claim('two', 1_000), claim('three', 2_000)];
    expect(one.grow(50, 2_000)).toBe(true);
    expect(two.grow(50, 2_000)).toBe(true);
    // Nobody has been unfinished for long yet.
    expect(three.grow(10, 3_000)).toBe(false);
    three.release();
    expect(claim('four', 15_500).grow(40, 15_500)).toBe(true);
    expect(dropped).toEqual(['one']);
    two.release();
    expect(held.used()).toBe(40);
  });

  it('have a time', () => {
    const held = createHeldBudget();
    const own = held.claim(() => undefined, 0);
    expect(own.grow(1, 119_000)).toBe(true);
    expect(own.grow(1, 121_000)).toBe(false);
  });
});

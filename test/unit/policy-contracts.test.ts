import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { isTunnelerError, type TunnelerError } from '../../main/base/errors.ts';
import { narrowContracts } from '../../main/policy/narrow.ts';
import { Quarantine, type QuarantineEvent } from '../../main/policy/quarantine.ts';
import { programMatches } from '../../main/policy/program.ts';
import { compileSchedule } from '../../main/policy/schedule.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { curl } from '../support/policy-world.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const contract = (raw: unknown) => parseEngagement(raw, 'test');

describe('two contracts', () => {
  it('leave the stricter of each limit', () => {
    const left = contract({
      maxBytes: 10,
      maxDurationSeconds: 100,
      http: { methods: ['GET', 'POST'], paths: ['/api/**'] },
      mcp: { allow: ['search', 'list_*', 'delete_x'], rateLimit: { calls: 5, perSeconds: 1 }, recordArguments: true },
      modbus: { allow: 'read', units: [1, 2], ranges: [{ table: 'holding', from: 0, to: 100 }] },
      onViolation: 'alert',
    });
    const right = contract({
      maxBytes: 20,
      maxDurationSeconds: 50,
      idleTimeoutSeconds: 5,
      http: { methods: ['GET'], paths: ['/api/v1/*'] },
      mcp: { allow: ['*'], deny: ['delete_*'], rateLimit: { calls: 9, perSeconds: 60 }, recordArguments: false },
      modbus: { allow: [3, 6], ranges: [{ from: 50, to: 200 }] },
    });
    expect(narrowContracts(left, right)).toEqual({
      maxBytes: 10,
      maxDurationSeconds: 50,
      idleTimeoutSeconds: 5,
      http: { methods: ['GET'], paths: ['/api/v1/*'] },
      mcp: {
        allow: ['search', 'list_*', 'delete_x'],
        deny: ['delete_*'],
        rateLimit: { calls: 5, perSeconds: 60 },
        recordArguments: false,
      },
      modbus: { allow: [3], units: [1, 2], ranges: [{ table: 'holding', from: 50, to: 100 }] },
      onViolation: 'alert',
    });
  });

  it('never widen what the other lets through of a device', () => {
    const allow = (left: unknown, right: unknown): unknown =>
      narrowContracts(contract({ modbus: { allow: left } }), contract({ modbus: { allow: right } })).modbus?.allow;
    // Writing covers no restart; reading none either, by whichever name.
    expect(allow('write', [8, 3])).toEqual([
      3,
      '8/0',
      '8/2',
      ...[11, 12, 13, 14, 15, 16, 17, 18].map((sub) => `8/${sub}`),
    ]);
    expect(allow(['8/1', '43/14'], 'read')).toEqual(['43/14']);
    expect(allow('read', 'write')).toBe('read');
    expect(allow([8], ['8/1', '8/0'])).toEqual(['8/1', '8/0']);
    const write = (range: unknown) => contract({ modbus: { allow: 'write', write: [range] } });
    expect(
      narrowContracts(
        write({ from: 0, to: 9, units: [1, 2], max: 100, rate: { writes: 9, perSeconds: 60 } }),
        write({ table: 'holding', from: 5, to: 20, units: [2], min: 1, max: 50, rate: { writes: 2, perSeconds: 5 } }),
      ).modbus?.write,
    ).toEqual([{ table: 'holding', from: 5, to: 9, units: [2], min: 1, max: 50, rate: { writes: 2, perSeconds: 60 } }]);
  });

  it('leave of the floor what both let through', () => {
    const floor = (left: unknown, right: unknown): unknown => narrowContracts(contract(left), contract(right));
    const s7 = (rules: unknown) => ({ s7: rules });
    expect(
      floor(
        s7({ allow: ['read', 'write'], objects: [{ area: 'db', from: 0, to: 9 }], opaque: 'alert' }),
        s7({ allow: ['write-var', 'control'], objects: [{ area: 'db', db: 1, from: 5 }, { area: 'flags' }] }),
      ),
    ).toEqual(s7({ allow: ['write-var'], objects: [{ area: 'db', db: 1, from: 5, to: 9 }], opaque: 'refuse' }));
    expect(floor({ dnp3: { allow: 'read' } }, { dnp3: { allow: ['control'] } })).toEqual({
      dnp3: { allow: [], opaque: 'refuse' },
    });
    const opcua = (object: string) => ({ opcua: { allow: 'read', objects: [object], opaque: 'alert' } });
    expect(floor(opcua('ns=2;*'), opcua('ns=2;s=Speed'))).toEqual(opcua('ns=2;s=Speed'));
    const points = (from: number, to: number) => ({ iec104: { allow: [45], objects: [{ from, to }] } });
    expect(floor(points(0, 9), points(10, 19))).toEqual({ iec104: { allow: [45], objects: [], opaque: 'refuse' } });
  });

  it('are none where one lets people in by a glass that the other leaves idle', () => {
    const approval = { by: ['box'], forSeconds: 60, breakGlass: { by: ['laptop'], forSeconds: 60 } };
    const agents = contract({ a2a: {} });
    expect(() => narrowContracts(contract({ approval }), agents)).toThrow(/approval\.breakGlass/);
    expect(narrowContracts(contract({ approval: { by: ['box'], forSeconds: 60 } }), agents)).toMatchObject({ a2a: {} });
    const refused = expect.objectContaining({
      code: 'contract.invalid',
      message: expect.stringContaining('approval.breakGlass: ') as string,
      details: { issues: [expect.objectContaining({ path: 'approval.breakGlass' })] },
    }) as Error;
    expect(() => contract({ a2a: {}, approval })).toThrow(refused);
  });

  it('overlap in time, and cannot where their zones differ', () => {
    const window = (zone: string, from: string, to: string) =>
      contract({ schedule: { timezone: zone, windows: [{ days: ['mon', 'tue'], from, to }] } });
    expect(narrowContracts(window('UTC', '08:00', '12:00'), window('UTC', '10:00', '14:00')).schedule?.windows).toEqual(
      [{ days: ['mon', 'tue'], from: '10:00', to: '12:00' }],
    );
    expect(() => narrowContracts(window('UTC', '08:00', '12:00'), window('Asia/Tokyo', '08:00', '12:00'))).toThrow(
      /zone/,
    );
  });

  it('never allow a program that one of them does not', () => {
    const glob = fc.string({ unit: fc.constantFrom('/', 'a', 'b', '*', '?'), minLength: 1, maxLength: 4 });
    const path = fc.string({ unit: fc.constantFrom('/', 'a', 'b'), minLength: 1, maxLength: 4 });
    const globs = fc.array(glob, { maxLength: 3 });
    fc.assert(
      fc.property(globs, globs, path, (left, right, candidate) => {
        const app = { ...curl, path: candidate };
        const { apps } = narrowContracts(contract({ apps: { allow: left } }), contract({ apps: { allow: right } }));
        const allows = (patterns: readonly string[] | undefined): boolean =>
          patterns?.some((pattern) => programMatches(pattern, app)) ?? true;
        if (allows(apps?.allow)) expect(allows(left) && allows(right)).toBe(true);
      }),
    );
  });
});

describe('two contracts, one of which observes', () => {
  const enforce = (...contracts: readonly unknown[]): unknown =>
    contracts.map((one) => contract(one)).reduce((left, right) => narrowContracts(left, right)).enforce ?? 'enforce';
  const lists = { mcp: { allow: ['a'] } };

  it('observe only where every one that has lists does', () => {
    const observe = { ...lists, enforce: 'observe' };
    expect(enforce(observe, observe)).toBe('observe');
    expect(enforce(observe, { maxBytes: 1 })).toBe('observe');
    expect(enforce(observe, lists)).toBe('enforce');
    expect(enforce(observe, { enforce: 'enforce' })).toBe('enforce');
    expect(enforce(lists, { enforce: 'observe' })).toBe('enforce');
    expect(() => contract({ ...lists, enforce: 'watch' })).toThrow(/enforce/);
  });

  it('never stop enforcing what one of them enforces, in whatever order they are read', () => {
    const word = fc.constantFrom('enforce', 'observe', undefined);
    const part = fc.record({ enforce: word, lists: fc.boolean() });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const raw = parts.map((one) => ({
          ...(one.lists ? lists : {}),
          ...(one.enforce === undefined ? {} : { enforce: one.enforce }),
        }));
        const means = (one: { enforce: string | undefined; lists: boolean }): boolean =>
          one.enforce === 'enforce' || (one.enforce === undefined && one.lists);
        if (parts.some(means)) expect(enforce(...raw)).toBe('enforce');
        else if (parts.some((one) => one.enforce === 'observe')) expect(enforce(...raw)).toBe('observe');
      }),
    );
  });
});

describe('a schedule', () => {
  const at = (schedule: unknown, iso: string) =>
    compileSchedule(contract({ schedule }).schedule ?? {}).at(Date.parse(iso));

  it('knows weekdays and wall time of its zone', () => {
    const work = { timezone: 'Europe/Berlin', windows: [{ days: ['mon', 'fri'], from: '08:00', to: '17:00' }] };
    expect(at(work, '2026-01-05T07:00:00Z')).toEqual({ open: true, closesAtMs: Date.parse('2026-01-05T16:00:00Z') });
    expect(at(work, '2026-01-05T06:59:59Z')).toMatchObject({ open: false });
    expect(at(work, '2026-01-06T10:00:00Z')).toMatchObject({ open: false });
    // Summer time: the wall is an hour nearer to UTC's eight.
    expect(at(work, '2026-07-06T06:00:00Z')).toMatchObject({ open: true });
  });

  it('runs past midnight and joins windows that touch', () => {
    const night = { timezone: 'UTC', windows: [{ days: ['sun'], from: '22:00', to: '06:00' }] };
    expect(at(night, '2026-01-05T05:59:00Z')).toEqual({ open: true, closesAtMs: Date.parse('2026-01-05T06:00:00Z') });
    expect(at(night, '2026-01-05T06:00:00Z')).toMatchObject({ open: false });
    const touching = {
      timezone: 'UTC',
      windows: [
        { from: '00:00', to: '12:00' },
        { from: '12:00', to: '18:00' },
      ],
    };
    expect(at(touching, '2026-01-05T01:00:00Z')).toEqual({
      open: true,
      closesAtMs: Date.parse('2026-01-05T18:00:00Z'),
    });
    const always = { timezone: 'UTC', windows: [{ from: '00:00', to: '24:00' }] };
    expect(at(always, '2026-01-05T01:00:00Z')).toEqual({ open: true, closesAtMs: undefined });
    expect(at({ timezone: 'UTC', windows: [] }, '2026-01-05T01:00:00Z')).toMatchObject({ open: false });
  });

  it('keeps to its dates', () => {
    const dates = { notBefore: '2026-01-02T00:00:00Z', notAfter: '2026-01-03T00:00:00Z' };
    expect(at(dates, '2026-01-01T23:59:59Z')).toMatchObject({ open: false });
    expect(at(dates, '2026-01-02T00:00:00Z')).toEqual({ open: true, closesAtMs: Date.parse('2026-01-03T00:00:00Z') });
    expect(at(dates, '2026-01-03T00:00:00Z')).toMatchObject({ open: false });
  });
});

describe('quarantine', () => {
  it('holds until released, is kept, and tells', () => {
    const clock = new ManualClock();
    const saved: string[][] = [];
    const told: QuarantineEvent['kind'][] = [];
    const quarantine = new Quarantine({ clock, save: (entries) => saved.push(entries.map((entry) => entry.subject)) });
    quarantine.events.subscribe((event) => told.push(event.kind));
    quarantine.add('app:claude', 'ran wild', 'detector');
    quarantine.add('app:claude', 'again', 'operator');
    expect(quarantine.causeOf('app:claude')).toBe('ran wild');
    expect(quarantine.release('app:claude')).toBe(true);
    expect(quarantine.release('app:claude')).toBe(false);
    expect(saved).toEqual([['app:claude'], []]);
    expect(told).toEqual(['added', 'released']);
    expect(() => quarantine.add('claude', 'x', 'operator')).toThrow(/expected app:/);
  });

  it('cuts off before that is kept, and where it cannot be kept', () => {
    const order: string[] = [];
    const save = (): void => {
      order.push('saved');
      throw new Error('no space');
    };
    const quarantine = new Quarantine({ clock: new ManualClock(), save });
    quarantine.events.subscribe(() => order.push('cut'));
    expect(() => quarantine.add('app:claude', 'ran wild', 'detector')).toThrow('no space');
    expect(order).toEqual(['cut', 'saved']);
    expect(quarantine.causeOf('app:claude')).toBe('ran wild');
  });

  it('holds until released whom an operator cuts off while a breaker held it for a while', () => {
    const clock = new ManualClock();
    const quarantine = new Quarantine({ clock });
    quarantine.add('app:claude', 'too many failures', 'breaker', 1_000);
    quarantine.add('app:claude', 'under inquiry', 'operator');
    // A detector cannot shorten that again.
    quarantine.add('app:claude', 'once more', 'breaker', 1_000);
    clock.advance(5_000);
    expect(quarantine.causeOf('app:claude')).toBe('under inquiry');
    expect(quarantine.release('app:claude')).toBe(true);
  });

  it('follows a subject that gets another name: nobody is freed, and its time goes on', () => {
    const clock = new ManualClock();
    const saved: string[][] = [];
    const quarantine = new Quarantine({ clock, save: (entries) => saved.push(entries.map((entry) => entry.subject)) });
    quarantine.add('identity:old', 'five failures', 'breaker', 60_000);
    quarantine.rename('identity:old', 'identity:new');
    quarantine.rename('identity:nobody', 'identity:other');
    expect(saved).toEqual([['identity:old'], ['identity:new']]);
    expect(quarantine.causeOf('identity:new')).toBe('five failures');
    expect(quarantine.release('identity:old')).toBe(false);
    clock.advance(60_001);
    expect(quarantine.causeOf('identity:new')).toBeUndefined();
  });

  it('of a breaker ends by itself, also after a restart', () => {
    const clock = new ManualClock();
    const first = new Quarantine({ clock });
    first.add('service:db', 'five failures', 'breaker', 60_000);
    const second = new Quarantine({ clock, entries: first.list() });
    clock.advance(59_999);
    expect(second.causeOf('service:db')).toBeDefined();
    clock.advance(1);
    expect(second.causeOf('service:db')).toBeUndefined();
  });

  it('holds even where it cannot be kept', () => {
    const quarantine = new Quarantine({
      clock: new ManualClock(),
      save: () => {
        throw new Error('disk full');
      },
    });
    expect(() => quarantine.add('app:x', 'y', 'operator')).toThrow('disk full');
    expect(quarantine.causeOf('app:x')).toBe('y');
  });
});

describe('the contract parser', () => {
  const whole = {
    maxDurationSeconds: 1,
    idleTimeoutSeconds: 1,
    maxBytes: 1,
    maxSessions: 1,
    apps: { allow: ['a'], deny: ['b'] },
    schedule: {
      timezone: 'UTC',
      windows: [{ days: ['mon'], from: '00:00', to: '24:00' }],
      notAfter: '2030-01-01T00:00:00Z',
    },
    requireMfaWithinSeconds: 1,
    mcp: {
      allow: ['a', { tool: 'b', kind: 'prompt', arguments: { 'x.y': { max: 1, in: [1, 'a', null] } } }],
      deny: [],
      maxCalls: 0,
      rateLimit: { calls: 1, perSeconds: 1 },
      recordArguments: true,
    },
    http: {
      methods: ['GET'],
      paths: ['/**'],
      models: ['m'],
      tokenBudget: { tokens: 1, perSeconds: 1 },
      costBudget: { amount: 0.5, currency: 'USD', perSeconds: 1 },
    },
    modbus: { allow: 'read', units: [1], ranges: [{ table: 'coils', from: 0, to: 1 }] },
    enforce: 'observe',
    onViolation: 'alert',
  };
  const refusal = (raw: unknown): TunnelerError | undefined => {
    try {
      contract(raw);
      return undefined;
    } catch (error) {
      expect(isTunnelerError(error, 'contract.invalid')).toBe(true);
      return error as TunnelerError;
    }
  };

  it('takes every field there is, and names one there is not, wherever it stands', () => {
    expect(refusal(whole)).toBeUndefined();
    for (const path of [
      [],
      ['apps'],
      ['schedule'],
      ['mcp'],
      ['mcp', 'rateLimit'],
      ['http', 'tokenBudget'],
      ['http', 'costBudget'],
      ['modbus'],
    ]) {
      const copy = structuredClone(whole) as Record<string, unknown>;
      const at = path.reduce((node, key) => node[key] as Record<string, unknown>, copy);
      at.maxByte = 1;
      expect(refusal(copy)?.message).toContain([...path, 'maxByte'].join('.'));
    }
  });

  it('never takes half of one, and fails in one way only', () => {
    fc.assert(
      fc.property(fc.anything({ maxDepth: 4 }), (raw) => {
        refusal(raw);
      }),
      { numRuns: fuzzRounds(500) },
    );
    const keys = fc.constantFrom(...Object.keys(whole));
    fc.assert(
      fc.property(keys, fc.jsonValue(), (key, value) => {
        const raw = { ...whole, [key]: value };
        if (refusal(raw) === undefined) expect(contract(raw)).toEqual(raw);
      }),
      { numRuns: fuzzRounds(500) },
    );
  });
});

/** Time that belongs to a holder and a service, and what a person says about it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import type { KeptApproval } from '../../main/policy/approval-row.ts';
import { Approvals } from '../../main/policy/approvals.ts';
import { grantedTimes } from '../../main/policy/granted-times.ts';
import { Grants, type Grant, type GrantHolder } from '../../main/policy/grants.ts';
import { answerHere, breakGlassAlarm, openApprovals } from '../../main/engine/containment/approvals.ts';
import { askPerson } from '../../main/engine/admission/ask-person.ts';
import { BreakGlass } from '../../main/engine/admission/break-glass.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SessionWorld } from '../support/session-world.ts';

const holder: GrantHolder = { end: 'host', account: 'id-1', identity: 'vendor', serviceId: 'svc', service: 'plc' };
const contract = (raw: unknown) => parseEngagement(raw, 'test');
const boxed = contract({ grantSeconds: 60 });

function world(kept: readonly Grant[] = []) {
  const clock = new ManualClock();
  const boot = { ms: 1_000_000 };
  const saved: { grants: readonly Grant[] } = { grants: kept };
  const grants = new Grants({
    clock,
    sinceBootMs: () => boot.ms,
    digest: (text) => text,
    kept,
    save: (all) => void (saved.grants = all),
  });
  let ids = 0;
  const approvals = new Approvals({ clock, sinceBootMs: () => boot.ms, newId: () => `a${++ids}` });
  return { clock, boot, saved, grants, approvals, times: grantedTimes(grants, approvals) };
}

describe('a grant', () => {
  it('counts from the first session on, however often its holder comes back', () => {
    const { boot, grants } = world();
    expect(grants.leftMs(holder, boxed)).toBe(60_000);
    boot.ms += 30_000;
    expect(grants.leftMs(holder, boxed)).toBe(60_000);
    grants.begin(holder, boxed);
    boot.ms += 40_000;
    grants.begin(holder, boxed);
    expect(grants.leftMs(holder, boxed)).toBe(20_000);
    boot.ms += 40_000;
    expect(grants.leftMs(holder, boxed)).toBe(0);
    expect(grants.leftMs({ ...holder, account: 'id-2' }, boxed)).toBe(60_000);
  });

  it('is stretched by no clock on the wall, and by no restart', () => {
    const first = world();
    first.grants.begin(holder, boxed);
    first.clock.jump(-86_400_000);
    first.boot.ms += 10_000;
    expect(first.grants.leftMs(holder, boxed)).toBe(50_000);

    const again = new Grants({
      clock: { now: () => first.clock.now() },
      sinceBootMs: () => first.boot.ms + 5_000,
      digest: (text) => text,
      kept: first.saved.grants,
    });
    expect(again.leftMs(holder, boxed)).toBe(45_000);

    // Another boot, after an hour by the wall's clock.
    const [kept] = first.saved.grants;
    const later = (kept?.beganAtMs ?? 0) + 3_600_000;
    const rebooted = new Grants({
      clock: { now: () => later },
      sinceBootMs: () => 1_000,
      digest: (text) => text,
      kept: first.saved.grants,
    });
    expect(rebooted.leftMs(holder, boxed)).toBe(0);
  });

  it('that is used up is asked for, refused meanwhile, and given anew', () => {
    const { boot, times, approvals, grants } = world();
    times.begin(holder, boxed);
    boot.ms += 60_000;
    expect(times.refusal(holder, boxed, undefined)).toMatchObject({ code: 'policy.contract.grantSeconds' });
    expect(times.refusal(holder, boxed, undefined)).toBeDefined();
    expect(approvals.list()).toMatchObject([{ kind: 'grant', state: 'pending', holder: { identity: 'vendor' } }]);
    grants.renew(holder, boxed, 60_000);
    expect(times.refusal(holder, boxed, undefined)).toBeUndefined();
  });

  it('is another under another contract', () => {
    const { boot, grants } = world();
    grants.begin(holder, boxed);
    boot.ms += 60_000;
    expect(grants.leftMs(holder, contract({ grantSeconds: 61 }))).toBe(61_000);
  });
});

describe('breaking the glass', () => {
  const glass = contract({
    approval: { by: ['floor'], forSeconds: 600, breakGlass: { by: ['vendor'], forSeconds: 60 } },
  });
  const emergency = { names: ['vendor', 'id-1'], reason: 'it burns' };

  it('lets in whom the contract names, counts from the first use, and is on the list', () => {
    const { boot, times, approvals } = world();
    const told: unknown[] = [];
    approvals.events.subscribe(breakGlassAlarm((alert) => told.push(alert)));
    expect(times.refusal(holder, glass, undefined)).toMatchObject({ rule: 'contract:approval' });
    expect(times.refusal(holder, glass, undefined, emergency)).toBeUndefined();
    const taken = { state: 'granted', brokenGlass: true, answeredBy: 'break-glass: vendor', reason: 'it burns' };
    expect(approvals.list()).toMatchObject([{ id: 'a1', ...taken }]);
    const [time] = times.begin(holder, glass);
    expect(time?.leftMs()).toBe(60_000);
    boot.ms += 60_000;
    expect(time?.leftMs()).toBe(0);
    expect(told).toMatchObject([{ severity: 'critical', kind: 'break-glass' }, { kind: 'break-glass' }]);
  });

  it('is for nobody else, under no contract without it, and not against a no', () => {
    const { times, approvals } = world();
    expect(times.refusal(holder, glass, undefined, { ...emergency, names: ['other'] })).toBeDefined();
    const plain = contract({ approval: { by: ['floor'], forSeconds: 600 } });
    expect(times.refusal(holder, plain, undefined, emergency)).toBeDefined();
    approvals.answer('a1', { grant: false, by: 'floor' });
    expect(times.refusal(holder, glass, undefined, emergency)).toBeDefined();
  });

  it('that somebody approves is an approval', () => {
    const { times, approvals } = world();
    times.refusal(holder, glass, undefined, emergency);
    const row = approvals.answer('a1', { grant: true, by: 'floor' });
    expect(row).toMatchObject({ state: 'granted', answeredBy: 'floor' });
    expect(row.brokenGlass).toBeUndefined();
  });
});

describe('an approval of sessions', () => {
  const approved = contract({ approval: { by: ['floor'], forSeconds: 600, reason: 'required' } });

  it('is no matter between agents, whose engagement is what is approved', () => {
    const { times, approvals } = world();
    const agents = contract({ a2a: {}, approval: { by: ['floor'], forSeconds: 600 } });
    expect(times.refusal(holder, agents, undefined)).toBe(undefined);
    expect(times.begin(holder, agents)).toEqual([]);
    expect(approvals.list()).toEqual([]);
  });
  const said = { by: 'floor', reason: 'the belt is stuck' };

  it('is asked once, wants its reason, and counts from the first use', () => {
    const { boot, times, approvals } = world();
    expect(times.refusal(holder, approved, undefined)).toMatchObject({ rule: 'contract:approval' });
    times.refusal(holder, approved, undefined);
    expect(approvals.list()).toHaveLength(1);
    expect(() => approvals.answer('a1', { grant: true, by: 'floor' })).toThrow(
      expect.objectContaining({ code: 'approvals.reason_required' }),
    );
    approvals.answer('a1', { grant: true, ...said });
    boot.ms += 3_600_000;
    expect(times.refusal(holder, approved, undefined)).toBeUndefined();
    const [time] = times.begin(holder, approved);
    expect(time?.leftMs()).toBe(600_000);
    boot.ms += 200_000;
    expect(time?.leftMs()).toBe(400_000);
  });

  it('is only shortened by minutes, extended while in use, and ended at any moment', () => {
    const { boot, times, approvals } = world();
    times.refusal(holder, approved, undefined);
    approvals.answer('a1', { grant: true, minutes: 60, ...said });
    const [time] = times.begin(holder, approved);
    expect(time?.leftMs()).toBe(600_000);
    boot.ms += 500_000;
    approvals.answer('a1', { grant: true, minutes: 2, ...said });
    expect(time?.leftMs()).toBe(120_000);
    approvals.answer('a1', { grant: false, ...said });
    expect(time?.leftMs()).toBe(0);
    expect(() => approvals.answer('a1', { grant: true, ...said })).toThrow(
      expect.objectContaining({ code: 'approvals.answered' }),
    );
  });

  it('lapses unused after a day', () => {
    const { clock, times, approvals } = world();
    times.refusal(holder, approved, undefined);
    approvals.answer('a1', { grant: true, ...said });
    clock.advance(86_400_000);
    expect(approvals.get('a1')).toMatchObject({ state: 'expired' });
    expect(times.refusal(holder, approved, undefined)).toBeDefined();
  });
});

describe('a held call', () => {
  const asks = contract({ mcp: { ask: ['delete_*'] } });
  const call = {
    protocol: 'mcp' as const,
    method: 'tools/call',
    target: 'delete_all',
    rule: 'contract:mcp.ask delete_*',
    digest: 'd',
    arguments: { table: 'orders' },
    startedAtMs: 0,
  };

  it('waits for a person, who sees it, and whose reason the program is told', async () => {
    const { approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: 'coder' });
    const answer = ask(call, new AbortController().signal);
    expect(approvals.list()).toMatchObject([{ kind: 'call', agent: 'coder', call: { target: 'delete_all' } }]);
    approvals.answer('a1', { grant: false, reason: 'not on a Friday', by: 'here' });
    expect(await answer).toMatchObject({ granted: false, reason: { sentence: 'not on a Friday' } });
  });

  it('is refused where nobody answers in time, and forgotten with its session', async () => {
    const { clock, approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: undefined });
    const late = ask(call, new AbortController().signal);
    clock.advance(120_000);
    expect(await late).toMatchObject({ granted: false });
    const session = new AbortController();
    const gone = ask(call, session.signal);
    session.abort();
    expect(await gone).toMatchObject({ granted: false });
    expect(approvals.list().at(-1)).toMatchObject({ state: 'expired' });
  });

  it('granted for a session is not asked for again in it, until somebody ends it; another session asks', async () => {
    const { approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: undefined });
    const first = ask(call, new AbortController().signal);
    approvals.answer('a1', { grant: true, session: true, by: 'here' });
    expect(await first).toMatchObject({ granted: true });
    expect(await ask(call, new AbortController().signal)).toMatchObject({ granted: true });
    void ask({ ...call, target: 'delete_one' }, new AbortController().signal);
    void askPerson(approvals, { holder, contract: asks, agent: undefined })(call, new AbortController().signal);
    expect(approvals.list().filter(({ state }) => state === 'pending')).toHaveLength(2);
    approvals.answer('a1', { grant: false, by: 'here' });
    void ask(call, new AbortController().signal);
    expect(approvals.list().filter(({ state }) => state === 'pending')).toHaveLength(3);
  });

  it('granted for minutes lets the same tool pass until they are over', async () => {
    const { clock, approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: undefined });
    const first = ask(call, new AbortController().signal);
    approvals.answer('a1', { grant: true, minutes: 5, by: 'here' });
    expect(await first).toMatchObject({ granted: true });
    expect(await ask(call, new AbortController().signal)).toMatchObject({ granted: true });
    clock.advance(300_000);
    void ask(call, new AbortController().signal);
    expect(approvals.list().at(-1)).toMatchObject({ state: 'pending' });
  });
});

describe('a grant for a task', () => {
  const asks = contract({ mcp: { ask: ['*'] } });
  const call = (target: string, method = 'tools/call') => ({
    protocol: 'mcp' as const,
    method,
    target,
    rule: 'contract:mcp.ask',
    digest: '',
    arguments: {},
    startedAtMs: 0,
  });
  const never = new AbortController().signal;

  it('lets the tools it names pass for its minutes, those that wait already too, and nothing else', async () => {
    const { clock, approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: undefined });
    const [first, second] = [ask(call('read'), never), ask(call('write'), never)];
    const other = askPerson(approvals, { holder: { ...holder, account: 'id-2' }, contract: asks, agent: undefined });
    void other(call('write'), never);
    approvals.answer('a1', { grant: true, minutes: 5, tools: ['write', 'move'], by: 'here' });
    for (const passed of [first, second, ask(call('read'), never), ask(call('move'), never)]) {
      expect(await passed).toMatchObject({ granted: true });
    }
    const pending = (): readonly unknown[] =>
      approvals.list().flatMap((row) => (row.state === 'pending' ? [row.call?.target] : []));
    expect(pending()).toEqual(['write']);
    void ask(call('delete'), never);
    void ask(call('write', 'prompts/get'), never);
    expect(pending()).toEqual(['write', 'delete', 'write']);

    clock.advance(300_000);
    expect(approvals.get('a1')).toMatchObject({ state: 'expired', tools: ['write', 'move'] });
    const before = approvals.list().length;
    void ask(call('move'), never);
    expect(approvals.list()).toHaveLength(before + 1);
  });

  it('is over as soon as a person says so, and is none without minutes', async () => {
    const { approvals } = world();
    const ask = askPerson(approvals, { holder, contract: asks, agent: undefined });
    const first = ask(call('read'), never);
    approvals.answer('a1', { grant: true, minutes: 5, tools: ['write'], by: 'here' });
    await first;
    approvals.answer('a1', { grant: false, by: 'here' });
    void ask(call('write'), never);
    expect(approvals.list().at(-1)).toMatchObject({ id: 'a2', state: 'pending' });
    approvals.answer('a2', { grant: true, tools: ['read'], by: 'here' });
    void ask(call('read'), never);
    expect(approvals.list().at(-1)).toMatchObject({ id: 'a3', state: 'pending' });
  });
});

describe('who may approve', () => {
  const waiting = contract({ approval: { by: ['floor'], forSeconds: 60 } });
  const known = (controllerName: string, caPem = 'network', serviceId = 'svc', name = 'here') => ({
    name,
    record: () => ({ controllerName, controllerId: `id-of-${controllerName}`, caPem }),
    services: () => [{ id: serviceId }],
  });
  const answers = (...all: ReturnType<typeof known>[]): unknown => {
    const { approvals } = world();
    const { id } = approvals.ask({ kind: 'session', holder, contract: waiting });
    return answerHere(approvals, { all: () => all }, id, { grant: true }).answeredBy;
  };

  it('is an identity on the network of the service, by what that network or the engine calls it', () => {
    expect(answers(known('floor'))).toBe('here');
    // It need not see the service itself.
    expect(answers(known('box'), known('floor', 'network', 'another', 'there'))).toBe('there');
    expect(answers(known('floor-7', 'network', 'svc', 'floor'))).toBe('floor');
    expect(() => answers(known('box'))).toThrow(/approves this/);
  });

  it('is nobody of another network, whatever that calls them', () => {
    expect(() => answers(known('box'), known('floor', 'of my own', 'another'))).toThrow(/approves this/);
    expect(() => answers(known('box'), known('x', 'of my own', 'another', 'floor'))).toThrow(/approves this/);
  });
});

describe('an emergency', () => {
  it("is its person's, for a while, and no agent's", () => {
    const clock = new ManualClock();
    const glass = new BreakGlass(clock);
    glass.declare('plc', 'the belt burns', 1000);
    expect(glass.reasonFor('plc', { uid: 1000 })).toBe('the belt burns');
    expect(glass.reasonFor('plc', { uid: 1000, agent: 'robot' })).toBeUndefined();
    expect(glass.reasonFor('plc', { uid: 1001 })).toBeUndefined();
    expect(glass.reasonFor('other', { uid: 1000 })).toBeUndefined();
    glass.declare('plc', 'smoke', 1001);
    expect([1000, 1001].map((uid) => glass.reasonFor('plc', { uid }))).toEqual(['the belt burns', 'smoke']);
    clock.advance(15 * 60_000);
    expect(glass.reasonFor('plc', { uid: 1000 })).toBeUndefined();
  });

  it('that root or the window declares is for every person of the machine', () => {
    const glass = new BreakGlass(new ManualClock());
    glass.declare('plc', 'by root', 0);
    expect(glass.reasonFor('plc', { uid: 1000 })).toBe('by root');
    glass.declare('plc', 'by the window', undefined);
    expect(glass.reasonFor('plc', {})).toBe('by the window');
    expect(glass.reasonFor('plc', { uid: 0, agent: 'robot' })).toBeUndefined();
  });

  it('is none for an hour after a no, however short what was broken', () => {
    const { clock, boot, approvals } = world();
    const asked = contract({
      approval: { by: ['floor'], forSeconds: 600, breakGlass: { by: ['vendor'], forSeconds: 60 } },
    });
    const question = { kind: 'session', holder, contract: asked } as const;
    expect(approvals.breakGlass(question, 'vendor', 'the belt burns', 60_000)).toBe(true);
    approvals.answer('a1', { grant: false, by: 'floor' });
    const later = (ms: number): void => {
      boot.ms += ms;
      clock.advance(ms);
    };
    later(59 * 60_000);
    expect(approvals.breakGlass(question, 'vendor', 'still', 60_000)).toBe(false);
    later(60_000);
    expect(approvals.breakGlass(question, 'vendor', 'still', 60_000)).toBe(true);
  });
});

describe('calls that wait', () => {
  const asks = contract({ mcp: { allow: ['*'], ask: ['*'] } });
  const ask = (approvals: Approvals, size = 4) =>
    askPerson(approvals, { holder, contract: asks, agent: 'robot' })(
      {
        ...{
          protocol: 'mcp',
          method: 'tools/call',
          target: 'drop',
          rule: 'contract:mcp.ask *',
          digest: 'd',
          startedAtMs: 0,
        },
        arguments: { text: 'x'.repeat(size) },
      },
      new AbortController().signal,
    );

  it('are so many of one holder; one more is refused and takes no place', async () => {
    const { approvals } = world();
    for (let count = 0; count < 64; count += 1) void ask(approvals);
    expect(await ask(approvals)).toMatchObject({
      granted: false,
      reason: { sentence: '64 calls wait for an answer already' },
    });
    expect(approvals.list()).toHaveLength(64);
    approvals.answer('a1', { grant: true, by: 'here' });
    void ask(approvals);
    expect(approvals.list().filter(({ state }) => state === 'pending')).toHaveLength(64);
  });

  it('leave nothing once whoever asked is gone, and no large arguments once they are over', () => {
    const { approvals } = world();
    void ask(approvals, 100_000);
    approvals.withdraw('a1');
    expect(approvals.list()).toEqual([]);
    void ask(approvals, 100_000);
    expect(JSON.stringify(approvals.get('a2')?.call?.arguments)).toHaveLength(100_011);
    approvals.answer('a2', { grant: true, by: 'here' });
    expect(approvals.get('a2')?.call).toEqual({ method: 'tools/call', target: 'drop', arguments: undefined });
  });
});

describe('a restart', () => {
  const glass = { by: ['vendor'], forSeconds: 60 };
  const asked = contract({ approval: { by: ['floor'], forSeconds: 600, breakGlass: glass } });
  const other: GrantHolder = { ...holder, account: 'id-2', identity: 'other' };

  /** An engine on a clock and a boot of its own, over what was kept before. */
  function run(clock: ManualClock, boot: { ms: number }, disk: { rows: readonly KeptApproval[] }) {
    const approvals = new Approvals({
      clock,
      sinceBootMs: () => boot.ms,
      newId: () => `a${disk.rows.length + 1}`,
      save: (rows) => void (disk.rows = rows),
    });
    const told: string[] = [];
    approvals.events.subscribe(({ id, state }) => told.push(`${id} ${state}`));
    approvals.restore(disk.rows);
    const grants = new Grants({ clock, sinceBootMs: () => boot.ms, digest: (text) => text });
    return { approvals, told, times: grantedTimes(grants, approvals) };
  }

  it('takes back nothing that was granted and not used, and lengthens no day', () => {
    const [clock, boot, disk] = [new ManualClock(), { ms: 1_000_000 }, { rows: [] }];
    const first = run(clock, boot, disk);
    first.times.refusal(holder, asked, undefined);
    first.approvals.answer('a1', { grant: true, by: 'floor', reason: 'the belt' });

    // A kill: nothing is disposed. Another boot, an hour by the clock on the wall.
    clock.jump(3_600_000);
    const later = run(clock, { ms: 1_000 }, disk);
    expect(later.approvals.get('a1')).toMatchObject({ state: 'granted', answeredBy: 'floor', reason: 'the belt' });
    expect(later.approvals.get('a1')?.expiresAtMs).toBe(clock.now() + 23 * 3_600_000);
    expect(later.told).toEqual([]);
    expect(later.times.refusal(holder, asked, undefined)).toBeUndefined();
    expect(later.times.begin(holder, asked)[0]?.leftMs()).toBe(600_000);
  });

  it('lets what was granted and not used lapse, where its day went by meanwhile', () => {
    const [clock, boot, disk] = [new ManualClock(), { ms: 1_000_000 }, { rows: [] }];
    const first = run(clock, boot, disk);
    first.times.refusal(holder, asked, undefined);
    first.approvals.answer('a1', { grant: true, by: 'floor' });
    boot.ms += 86_400_000;
    const later = run(clock, boot, disk);
    expect(later.told).toEqual(['a1 expired']);
    expect(later.times.refusal(holder, asked, undefined)).toMatchObject({ rule: 'contract:approval' });
  });

  it('gives no time anew to what is in use, on whichever clock more has gone by', () => {
    const [clock, boot, disk] = [new ManualClock(), { ms: 1_000_000 }, { rows: [] }];
    const first = run(clock, boot, disk);
    first.times.refusal(holder, asked, undefined);
    first.approvals.answer('a1', { grant: true, by: 'floor' });
    first.times.begin(holder, asked);
    clock.jump(-86_400_000);
    boot.ms += 200_000;
    const second = run(clock, boot, disk);
    expect(second.approvals.leftMs(holder)).toBe(400_000);
    clock.jump(86_400_000 + 500_000);
    const third = run(clock, { ms: 1_000 }, disk);
    expect(third.approvals.leftMs(holder)).toBe(100_000);
    clock.advance(100_000);
    expect(third.told).toEqual(['a1 expired']);
  });

  it('forgets no refusal within its time, and says of what waited that it is over', () => {
    const [clock, boot, disk] = [new ManualClock(), { ms: 1_000_000 }, { rows: [] }];
    const first = run(clock, boot, disk);
    first.times.refusal(holder, asked, undefined);
    first.approvals.answer('a1', { grant: false, by: 'floor' });
    first.times.refusal(other, asked, undefined);
    first.approvals[Symbol.dispose]();

    boot.ms += 1_800_000;
    const later = run(clock, boot, disk);
    expect(later.approvals.list()).toMatchObject([
      { id: 'a1', state: 'denied' },
      { id: 'a2', state: 'expired', holder: { identity: 'other' } },
    ]);
    expect(later.told).toEqual(['a2 expired']);
    later.times.refusal(other, asked, undefined);
    expect(later.approvals.list().map(({ id, state }) => `${id} ${state}`)).toEqual([
      'a1 denied',
      'a2 expired',
      'a3 pending',
    ]);
    const emergency = { names: ['vendor'], reason: 'it burns' };
    expect(later.times.refusal(holder, asked, undefined, emergency)).toBeDefined();
    clock.advance(1_800_000);
    expect(later.times.refusal(holder, asked, undefined, emergency)).toBeUndefined();
  });

  it('is refused what cannot be kept, but for a no', () => {
    const { clock, boot } = world();
    let full = false;
    const save = (): void => {
      if (full) throw new Error('the disk is full');
    };
    const approvals = new Approvals({ clock, sinceBootMs: () => boot.ms, newId: () => 'a1', save });
    approvals.ask({ kind: 'session', holder, contract: asked });
    full = true;
    expect(() => approvals.answer('a1', { grant: true, by: 'floor' })).toThrow('full');
    expect(approvals.get('a1')).toMatchObject({ state: 'pending' });
    full = false;
    approvals.answer('a1', { grant: true, by: 'floor' });
    full = true;
    expect(() => approvals.answer('a1', { grant: false, by: 'floor' })).toThrow('full');
    expect(approvals.leftMs(holder)).toBeUndefined();
  });

  it('is outlived in a file that holds nothing a program said, and that is not forgotten where it is damaged', () => {
    const stateDirectory = mkdtempSync(join(tmpdir(), 'culvert-approvals-'));
    onTestFinished(() => rmSync(stateDirectory, { recursive: true }));
    const { clock, audit, sessions } = new SessionWorld();
    const { grants } = world();
    const open = () => openApprovals({ stateDirectory, clock, log: silentLog, audit, grants, sessions });
    const first = open();
    const row = first.ask({ kind: 'session', holder, contract: asked, agent: 'coder' });
    first.answer(row.id, { grant: true, by: 'floor' });
    const call = { method: 'tools/call', target: 'drop', arguments: { table: 'hidden-orders' } };
    const held = first.ask({ kind: 'call', holder, contract: asked, call });
    first[Symbol.dispose]();

    const file = join(stateDirectory, 'approvals.json');
    expect(readFileSync(file, 'utf8')).not.toContain('hidden-orders');
    using second = open();
    expect(second.get(row.id)).toMatchObject({ state: 'granted', agent: 'coder', contract: asked });
    expect(second.get(held.id)).toMatchObject({ state: 'expired', call: { target: 'drop', arguments: null } });
    expect(audit.records.at(-1)).toMatchObject({ kind: 'approval.expired', approval: held.id });
    writeFileSync(file, '{');
    expect(open).toThrow(expect.objectContaining({ code: 'engine.state_unusable' }));
  });
});

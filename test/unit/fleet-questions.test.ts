import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../main/audit/record.ts';
import type { FleetStore } from '../../main/engine/collect/fleet-store.ts';
import { agentOf } from '../../main/engine/collect/questions/agent.ts';
import { containmentOf } from '../../main/engine/collect/questions/containment.ts';
import { darkOf } from '../../main/engine/collect/questions/dark.ts';
import { incidentOf } from '../../main/engine/collect/questions/incident.ts';
import { reachOf } from '../../main/engine/collect/questions/reach.ts';
import { LeftOut, recordsOf, type FleetRecords } from '../../main/engine/collect/questions/records.ts';
import { openSqliteStore } from '../../main/engine/collect/sqlite-store.ts';
import { chainOf, newDevice } from '../conformance/fleet-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Records stand a millisecond apart, in the order given. */
const laptop: AuditEvent[] = [
  { kind: 'engine.listening', mode: 'proxy', addresses: ['127.0.0.1:1080', '0.0.0.0:9000', '100.64.0.1'] },
  { kind: 'service.gained', identity: 'ada', service: 'notes', permission: 'Dial' },
  { kind: 'service.gained', identity: 'ada', service: 'mail', permission: 'Dial' },
  { kind: 'service.gained', identity: 'old', service: 'wiki', permission: 'Dial' },
  { kind: 'identity.changed', identity: 'bob', before: 'old', enabled: true },
  { kind: 'session.opened', session: 'ses_1', identity: 'ada', service: 'notes', agent: 'claude', direction: 'dial' },
  {
    kind: 'call',
    session: 'ses_1',
    identity: 'ada',
    service: 'notes',
    agent: 'claude',
    tool: 'read',
    decision: 'allow',
  },
  {
    kind: 'call',
    session: 'ses_1',
    identity: 'ada',
    service: 'notes',
    agent: 'claude',
    tool: 'drop',
    decision: 'deny',
  },
  { kind: 'verdict', identity: 'ada', service: 'mail', agent: 'claude', decision: 'deny' },
  {
    kind: 'session.opened',
    session: 'ses_2',
    identity: 'ada',
    service: 'notes',
    app: '/usr/bin/curl',
    direction: 'dial',
  },
  {
    kind: 'session.closed',
    session: 'ses_1',
    identity: 'ada',
    service: 'notes',
    agent: 'claude',
    reason: 'policy_revoked',
  },
  {
    kind: 'session.closed',
    session: 'ses_2',
    identity: 'ada',
    service: 'notes',
    app: '/usr/bin/curl',
    reason: 'policy_revoked',
  },
  { kind: 'service.lost', identity: 'ada', service: 'notes', permission: 'Dial' },
  { kind: 'quarantine.added', subject: 'app:claude', cause: 'ordered by the desk', by: 'operator' },
];
const box: AuditEvent[] = [
  { kind: 'service.gained', identity: 'box', service: 'notes', permission: 'Bind' },
  { kind: 'session.opened', session: 'ses_9', identity: 'box', service: 'notes', direction: 'host', source: 'ada' },
  // The same call as the laptop's, seen at the host, which is told the agent.
  {
    kind: 'call',
    session: 'ses_9',
    identity: 'box',
    service: 'notes',
    agent: 'claude',
    tool: 'drop',
    end: 'host',
    caller: 'ada',
    decision: 'deny',
  },
  { kind: 'session.closed', session: 'ses_9', identity: 'box', service: 'notes', reason: 'provider_close' },
];

describe('the questions of the desk', () => {
  let store: FleetStore;
  const fleet = {
    search: (query: Parameters<FleetStore['search']>[0]) => store.search(query),
    devices: async () =>
      (await store.devices()).map(({ firstSeenMs, lastSeenMs, ...device }) => ({
        ...device,
        firstSeenAt: new Date(firstSeenMs).toISOString(),
        lastSeenAt: new Date(lastSeenMs).toISOString(),
      })),
  };

  beforeEach(async () => {
    store = openSqliteStore(temporaryDirectory('desk'));
    const first = await store.addDevice(newDevice('laptop'));
    await store.append(first.id, chainOf(laptop), 1);
    const second = await store.addDevice(newDevice('box'));
    await store.append(second.id, chainOf(box), 2);
  });

  afterEach(() => store[Symbol.asyncDispose]());

  it('who can reach what: held now, under the name it has now, and how much of it was used by whom', async () => {
    expect(await reachOf(fleet, {})).toEqual([
      { device: 'box', identity: 'box', dial: [], bind: ['notes'], used: [], unused: [] },
      {
        device: 'laptop',
        identity: 'ada',
        dial: ['mail'],
        bind: [],
        used: [
          { who: '/usr/bin/curl', services: ['notes'] },
          { who: 'claude', services: ['notes'] },
        ],
        unused: ['mail'],
      },
      { device: 'laptop', identity: 'bob', dial: ['wiki'], bind: [], used: [], unused: ['wiki'] },
    ]);
    expect((await reachOf(fleet, { agent: 'claude' })).map(({ identity }) => identity)).toEqual(['ada']);
    expect((await reachOf(fleet, { device: 'box' })).map(({ identity }) => identity)).toEqual(['box']);
  });

  it('a device that sends much keeps no other out: each has its share of what is looked at', async () => {
    const gained = Array.from({ length: 40 }, (_, at): AuditEvent => ({ kind: 'service.gained', service: `s${at}` }));
    const loud = await store.addDevice(newDevice('loud'));
    await store.append(loud.id, chainOf(gained), 3);
    const left = new LeftOut();
    const counted = async (limit: number): Promise<Record<string, number>> => {
      const found = await recordsOf(fleet, left, ['service.gained'], {}, limit);
      return Object.fromEntries(
        ['laptop', 'box', 'loud'].map((name) => [name, found.filter(({ device }) => device === name).length]),
      );
    };
    expect(await counted(100)).toEqual({ laptop: 3, box: 1, loud: 40 });
    expect(left.all()).toEqual([]);
    expect(await counted(20)).toEqual({ laptop: 3, box: 1, loud: 16 });
    expect(left.all()).toEqual([{ device: 'loud', kinds: ['service.gained'] }]);
    // Of the one that is cut, the newest.
    const newest = await recordsOf(fleet, left, ['service.gained'], { device: 'loud' }, 20);
    expect(newest.map(({ record }) => record['service'])).toEqual(gained.slice(-20).map(({ service }) => service));
  });

  it('each row says which kinds of its device were too many to be looked at whole', async () => {
    const [loud, quiet] = ['loud', 'quiet'].map((name) => ({
      name,
      origin: name,
      asserted: 'router' as const,
      clockOffsetMs: 0,
      firstSeenAt: '2026-01-01T00:00:00.000Z',
      lastSeenAt: '2026-01-02T00:00:00.000Z',
    }));
    const many: FleetRecords = {
      devices: () => Promise.resolve([loud, quiet].flatMap((one) => one ?? [])),
      search({ kind, origin = 'loud', limit }) {
        const count = kind === 'service.gained' ? 1 : kind === 'session.opened' && origin === 'loud' ? Infinity : 0;
        const fields = { identity: 'ada', service: 'notes', permission: 'Dial', agent: 'claude' };
        return Promise.resolve(
          Array.from({ length: Math.min(count, limit ?? 100) }, (_, at) => ({
            device: origin,
            origin,
            branch: 1,
            receivedAt: '2026-01-01T00:00:00.000Z',
            record: { seq: at + 1, at: '2026-01-01T00:00:00.000Z', kind, ...fields } as never,
          })),
        );
      },
    };
    expect((await reachOf(many, {})).map(({ device, leftOut }) => [device, leftOut])).toEqual([
      ['loud', ['session.opened']],
    ]);
    expect((await darkOf(many)).map(({ device, leftOut }) => [device, leftOut])).toEqual([
      ['loud', undefined],
      ['quiet', undefined],
    ]);
    expect((await agentOf(many, { agent: 'claude' })).leftOut).toEqual([{ device: 'loud', kinds: ['session.opened'] }]);
  });

  it('what was taken while a device was off is held no more, and what it only stopped using is', async () => {
    const gained = (identity: string, service: string): AuditEvent => ({
      kind: 'service.gained',
      identity,
      service,
      permission: 'Dial',
    });
    const stopped = { kind: 'service.lost', permission: 'Dial', cause: 'stopped' } as const;
    const plc = await store.addDevice(newDevice('plc'));
    const first = [gained('plc', 'taken'), gained('plc', 'kept'), { kind: 'engine.started' } as const];
    await store.append(plc.id, chainOf([...first, gained('plc', 'kept')]), 3);
    const off = await store.addDevice(newDevice('off'));
    await store.append(off.id, chainOf([gained('o', 'mail'), { ...stopped, identity: 'o', service: 'mail' }]), 4);
    expect((await reachOf(fleet, { identity: 'plc' })).map(({ dial }) => dial)).toEqual([['kept']]);
    expect((await reachOf(fleet, { identity: 'o' })).map(({ dial }) => dial)).toEqual([['mail']]);
    expect(await containmentOf(fleet, { device: 'off' })).toEqual([]);
  });

  it('what happened when access was taken: which sessions ended by it, and how long the last one took', async () => {
    expect(await containmentOf(fleet, {})).toMatchObject([
      { device: 'laptop', what: 'quarantined', subject: 'app:claude', sessions: 0 },
      { device: 'laptop', what: 'revoked', subject: 'ada → notes', sessions: 2, lastAfterMs: 2 },
    ]);
    expect(await containmentOf(fleet, { device: 'box' })).toEqual([]);
  });

  it('access that was taken and not gone: sessions that went on, and those nothing tells the end of', async () => {
    const session = (name: string, direction = 'dial'): AuditEvent => ({
      kind: 'session.opened',
      session: name,
      identity: 'eve',
      service: 'crm',
      direction,
    });
    const closed = (name: string, reason: string): AuditEvent => ({ ...session(name), kind: 'session.closed', reason });
    const lost: AuditEvent = {
      kind: 'service.lost',
      identity: 'eve',
      service: 'crm',
      permission: 'Dial',
      cause: 'revoked',
    };
    const waits = await store.addDevice(newDevice('slow'));
    const upToIt = chainOf([session('gone'), closed('gone', 'consumer_close'), session('late'), lost]);
    // A record a millisecond: so many later are the time that it took.
    const far = { seq: 30_005, prev: upToIt.at(-1)?.record.hash ?? '' };
    const afterIt = chainOf([closed('late', 'consumer_close'), session('after')], far);
    await store.append(waits.id, [...upToIt, ...afterIt], 3);
    const never = await store.addDevice(newDevice('never'));
    await store.append(never.id, chainOf([session('on'), session('hosted', 'host'), lost]), 4);
    const [before] = await containmentOf(fleet, { device: 'slow' });
    expect(before).toMatchObject({ sessions: 1, stillOpen: 0, lastAfterMs: 30_001, contained: false });
    const { at = '' } = before ?? {};
    expect(await containmentOf(fleet, { device: 'slow', since: at, until: at })).toEqual([before]);
    const [open] = await containmentOf(fleet, { device: 'never' });
    expect(open).toMatchObject({ sessions: 1, stillOpen: 1, contained: false });
    expect(open).not.toHaveProperty('lastAfterMs');
    // The engine's end is the session's.
    const again = chainOf([session('on'), lost, { kind: 'engine.started' }]);
    const stopped = await store.addDevice(newDevice('stopped'));
    await store.append(stopped.id, again, 5);
    const [ended] = await containmentOf(fleet, { device: 'stopped' });
    expect(ended).toMatchObject({ sessions: 1, stillOpen: 0, lastAfterMs: 1, contained: true });
  });

  it('a clock that is wrong is put right', async () => {
    const [device] = (await store.devices()).filter(({ name }) => name === 'laptop');
    if (device === undefined) throw new Error('the laptop is known');
    await store.see(device.id, { ...device, clockOffsetMs: 3_600_000 });
    const [row] = await containmentOf(fleet, {});
    expect(row?.at).toBe(new Date(Date.UTC(2026, 5, 1, 11) + laptop.length).toISOString());
  });

  it('an incident: the whole of each session that a search touches, over both devices', async () => {
    const view = await incidentOf(fleet, { tool: 'drop' });
    expect(view).toMatchObject({
      devices: ['box', 'laptop'],
      agents: ['claude'],
      services: ['notes'],
      tools: ['drop', 'read'],
    });
    expect(
      view.sessions.map(({ session, device, calls, denied, closeReason }) => [
        session,
        device,
        calls,
        denied,
        closeReason,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['ses_1', 'laptop', 2, 1, 'policy_revoked'],
        ['ses_9', 'box', 1, 1, 'provider_close'],
      ]),
    );
    expect(view.timeline).toHaveLength(7);
    const times = view.timeline.map(({ at }) => at);
    expect(times).toEqual([...times].sort());
  });

  it('an incident of very many records is cut, and says how many sessions it left out', async () => {
    const talker = await store.addDevice(newDevice('talker'));
    const calls = Array.from({ length: 300 }, (_, i): AuditEvent => ({
      kind: 'call',
      session: `ses_t${i}`,
      tool: 'talk',
    }));
    await store.append(talker.id, chainOf(calls), 5);
    const view = await incidentOf(fleet, { tool: 'talk', limit: 300 });
    expect(view.sessionsLeftOut).toBe(100);
    expect(view.timeline).toHaveLength(300);
  });

  it('an agent: what it did, and what it could have done', async () => {
    expect(await agentOf(fleet, { agent: 'claude' })).toEqual({
      agent: 'claude',
      devices: ['box', 'laptop'],
      sessions: 1,
      did: [
        { service: 'notes', tool: 'drop', calls: 1, denied: 1 },
        { service: 'notes', tool: 'read', calls: 1, denied: 0 },
      ],
      refused: 1,
      could: [{ device: 'laptop', identity: 'ada', services: ['mail'], used: ['notes'], unused: ['mail'] }],
    });
  });

  it('an agent: what a device does not tell of is told by the host, and what both tell of counts once', async () => {
    const call = (identity: string, tool: string, more: object): AuditEvent => ({
      kind: 'call',
      identity,
      service: 'crm',
      agent: 'gemini',
      tool,
      decision: 'allow',
      ...more,
    });
    const tells = await store.addDevice(newDevice('tells'));
    await store.append(tells.id, chainOf([call('ann', 'read', { end: 'dial' })]), 3);
    const hosts = await store.addDevice(newDevice('hosts'));
    const hosted = [
      call('crm', 'read', { end: 'host', caller: 'ann (aB3.x-9)' }),
      call('crm', 'drop_all', { end: 'host', caller: 'mute' }),
      // Its own device tells of reads only.
      call('crm', 'drop_one', { end: 'host', caller: 'ann' }),
    ];
    await store.append(hosts.id, chainOf(hosted), 4);
    expect((await agentOf(fleet, { agent: 'gemini' })).did.map(({ tool, calls }) => [tool, calls])).toEqual([
      ['drop_all', 1],
      ['drop_one', 1],
      ['read', 1],
    ]);
  });

  it('a device that was installed anew holds what its new journal says, and keeps what it used', async () => {
    const gained = (service: string, permission: string): AuditEvent => ({
      kind: 'service.gained',
      identity: 'ann',
      service,
      permission,
    });
    const listens = (address: string): AuditEvent => ({
      kind: 'engine.listening',
      mode: 'proxy',
      addresses: [address],
    });
    const before = await store.addDevice(newDevice('anew'));
    const used: AuditEvent = { kind: 'session.opened', session: 's', identity: 'ann', service: 'crm', agent: 'gemini' };
    const old = [listens('0.0.0.0:1'), gained('crm', 'Dial'), gained('gone', 'Dial'), gained('plc', 'Bind'), used];
    await store.append(before.id, chainOf(old), newDevice('').nowMs + 1);
    const after = await store.addDevice({ ...newDevice('anew'), nowMs: newDevice('').nowMs + 2 });
    await store.append(after.id, chainOf([listens('127.0.0.1:1'), gained('crm', 'Dial')]), newDevice('').nowMs + 3);
    expect(await reachOf(fleet, { device: 'anew' })).toMatchObject([
      { identity: 'ann', dial: ['crm'], bind: [], used: [{ who: 'gemini', services: ['crm'] }], unused: [] },
    ]);
    const isAnew = ({ device }: { device: string }): boolean => device === 'anew';
    expect((await darkOf(fleet)).filter(isAnew)).toMatchObject([{ hosts: [], listens: ['127.0.0.1:1'], open: [] }]);

    // Somebody who only says that this is its name puts nothing aside, and two that are heard of both count.
    const later = { ...newDevice('anew'), nowMs: newDevice('').nowMs + 9 };
    const claims = await store.addDevice({ ...later, asserted: 'nobody' });
    await store.append(claims.id, chainOf([gained('other', 'Dial')]), later.nowMs);
    const beside = await store.addDevice({ ...newDevice('anew'), nowMs: newDevice('').nowMs + 2 });
    await store.append(beside.id, chainOf([gained('beside', 'Dial')]), later.nowMs);
    const held = (await reachOf(fleet, { device: 'anew' })).flatMap(({ dial }) => dial);
    expect(held.sort()).toEqual(['beside', 'crm', 'other']);
  });

  it("a clock that was set moves no other device's records, and none of its own", async () => {
    const origins = ['a', 'b', 'c'] as const;
    const hit = fc.record({
      origin: fc.constantFrom(...origins),
      branch: fc.integer({ min: 1, max: 2 }),
      at: fc.nat(60),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(hit, { maxLength: 60 }), fc.infiniteStream(fc.nat()), async (written, places) => {
        const hits = written.map(({ origin, branch, at }, seq) => ({
          device: origin,
          origin,
          branch,
          receivedAt: '',
          record: { kind: 'call', seq, at: new Date(at).toISOString(), prev: '', hash: '' },
        }));
        const shuffled = hits
          .map((one) => ({ one, place: places.next().value }))
          .sort((a, b) => a.place - b.place)
          .map(({ one }) => one);
        const read = await recordsOf(
          { search: () => Promise.resolve(shuffled), devices: fleet.devices },
          new LeftOut(),
          ['call'],
        );
        expect(read).toHaveLength(hits.length);
        for (const origin of origins) {
          const own = hits.filter((one) => one.origin === origin).sort((a, b) => a.branch - b.branch);
          expect(read.filter((one) => one.origin === origin)).toEqual(own);
        }
      }),
    );
  });

  it('what is dark and what listens: an address that others could reach is named', async () => {
    expect(await darkOf(fleet)).toEqual([
      { device: 'box', hosts: ['notes'], listens: [], open: [] },
      {
        device: 'laptop',
        hosts: [],
        mode: 'proxy',
        listens: ['127.0.0.1:1080', '0.0.0.0:9000', '100.64.0.1'],
        open: ['0.0.0.0:9000'],
      },
    ]);
  });
});

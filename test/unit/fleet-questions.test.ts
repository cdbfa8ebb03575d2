import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../main/audit/record.ts';
import type { FleetStore } from '../../main/engine/collect/fleet-store.ts';
import { agentOf } from '../../main/engine/collect/questions/agent.ts';
import { containmentOf } from '../../main/engine/collect/questions/containment.ts';
import { darkOf } from '../../main/engine/collect/questions/dark.ts';
import { incidentOf } from '../../main/engine/collect/questions/incident.ts';
import { reachOf } from '../../main/engine/collect/questions/reach.ts';
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
    decision: 'deny',
  },
  { kind: 'session.closed', session: 'ses_9', identity: 'box', service: 'notes', reason: 'provider_close' },
];

describe('the questions of the desk', () => {
  let store: FleetStore;
  const fleet = {
    search: (query: Parameters<FleetStore['search']>[0]) => store.search(query),
    devices: () => store.devices(),
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

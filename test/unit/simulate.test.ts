/** What a change at the controller would allow and cut, by the record and the functions that decide. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SimulatedRow, SimulateView } from '../../main/api/learning-views.ts';
import type { IdentityView, PolicyView, ServiceView } from '../../main/api/views.ts';
import { defined } from '../../main/base/defined.ts';
import { simulateChange } from '../../main/learning/learning.ts';
import type { JournalRecord } from '../../main/learning/seen.ts';
import { openOverlay } from '../../main/overlay/overlay.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const controller = 'https://ctrl.test:1280';
const contract = { modbus: { allow: 'write' } };

const identity: IdentityView = {
  ...{ name: 'laptop', keystore: 'file', scope: 'machine', state: 'ready', controller, controllers: [controller] },
  ...{ id: 'id-ada', controllerName: 'ada', mfa: 'none', services: { dial: 1, bind: 0 } },
};
const plc: ServiceView = {
  ...{ name: 'plc', id: 'svc-plc', identity: 'laptop', permissions: ['Dial'], status: 'available', encrypted: true },
  ...{ addresses: [], ports: [], protocols: [], forwards: [], workgroups: ['floor'], posture: [], openSessions: 0 },
};
const rows: PolicyView = {
  contracts: [
    {
      ...{ service: 'plc', identity: 'laptop', origin: 'controller', guard: 'modbus', terms: contract },
      ...{ onViolation: 'close', granted: contract },
    },
  ],
  ...{ localRules: [], errors: [], posture: [] },
};

const at = (second: number): string => new Date(Date.UTC(2026, 0, 5, 10, 0, second)).toISOString();
const one = { service: 'plc', identity: 'laptop', agent: null, user: 'ada', attribution: 'exact' };
const opened = (seq: number, app = '/usr/bin/hmi'): JournalRecord => ({
  ...{ seq, at: at(seq), kind: 'session.opened', session: `s${seq}`, direction: 'dial', app, contract },
  ...{ ...one, protocol: 'tcp', destination: 'plc.dark:502' },
});
const call = (seq: number, session: string, access: 'read' | 'write', decision = 'allow'): JournalRecord => ({
  ...{ seq, at: at(seq), kind: 'call', session, protocol: 'modbus', decision, startedAtMs: seq, target: 'unit 1' },
  ...{ method: access === 'read' ? 'read-holding-registers' : 'write-single-register' },
  arguments: {
    registers: [{ access, table: 'holding', address: 7, count: 1, ...(access === 'read' ? {} : { values: [3] }) }],
  },
  ...one,
});
const read = (seq: number, session = 's1'): JournalRecord => call(seq, session, 'read');
const write = (seq: number, session = 's1', decision = 'allow'): JournalRecord => call(seq, session, 'write', decision);
const refused = (seq: number, code: string): JournalRecord => ({
  ...{ seq, at: at(seq), kind: 'verdict', decision: 'deny', app: '/usr/bin/hmi', destination: 'plc.dark:502', code },
  ...one,
});

async function simulated(
  change: unknown,
  records: readonly JournalRecord[],
  more: { services?: readonly ServiceView[]; policy?: PolicyView; rules?: string; management?: unknown } = {},
): Promise<SimulateView> {
  const none = temporaryDirectory('no-rules');
  const { services = [plc], policy = rows, management } = more;
  return simulateChange({
    told: { identities: [identity], services, policy },
    records,
    nowMs: Date.parse(at(59)),
    rulesNow: none,
    ...defined({
      rulesThen: more.rules,
      change: change === undefined ? undefined : { file: 'change.json', text: JSON.stringify(change) },
      management: management === undefined ? undefined : { file: 'admin.json', text: JSON.stringify(management) },
    }),
  });
}
const rowOf = (view: SimulateView, service = 'plc', name = 'laptop'): SimulatedRow | undefined =>
  view.rows.find((row) => row.service === service && row.identity === name && row.end === 'dial');

describe('a contract that changes at the controller', () => {
  it('cuts the calls that it would refuse, and says by which rule', async () => {
    const change = { contracts: [{ service: 'pl*', contract: { modbus: { allow: 'read' } } }] };
    const view = await simulated(change, [opened(1), read(2), write(3), write(4)]);
    expect(rowOf(view)).toMatchObject({
      ...{
        now: 'allowed',
        then: 'allowed',
        sessions: { seen: 1, cut: 0, letIn: 0 },
        calls: { seen: 3, cut: 2, letIn: 0 },
      },
      rules: [{ rule: 'contract:modbus.allow', count: 2 }],
    });
    expect([view.cut, view.letIn, view.identities]).toEqual([2, 0, 'own']);
  });

  it('cuts sessions with all their calls, and only what it does not refuse today already', async () => {
    const change = { contracts: [{ service: 'plc', contract: { ...contract, apps: { allow: ['/usr/bin/hmi'] } } }] };
    const view = await simulated(change, [opened(1), read(2), opened(3, '/tmp/other'), read(4, 's3')]);
    expect(rowOf(view)).toMatchObject({ sessions: { seen: 2, cut: 1 }, calls: { seen: 2, cut: 1 } });
    const narrow = { ...contract, apps: { allow: ['/usr/bin/hmi'] } };
    const [held] = rows.contracts;
    const policy = { ...rows, contracts: held === undefined ? [] : [{ ...held, granted: narrow }] };
    expect((await simulated(change, [opened(3, '/tmp/other')], { policy })).cut).toBe(0);
  });

  it('lets in what was refused, by it or without it', async () => {
    const [held] = rows.contracts;
    const narrow = { modbus: { allow: 'read' }, apps: { deny: ['/usr/bin/hmi'] } };
    const policy = { ...rows, contracts: held === undefined ? [] : [{ ...held, granted: narrow }] };
    const records = [opened(1), write(2, 's1', 'deny'), refused(3, 'policy.contract.apps')];
    for (const after of [contract, null]) {
      const view = await simulated({ contracts: [{ service: 'plc', contract: after }] }, records, { policy });
      expect(rowOf(view)).toMatchObject({ sessions: { cut: 0, letIn: 1 }, calls: { cut: 0, letIn: 1 } });
    }
  });

  it('is refused with its place where it cannot be read', async () => {
    await expect(simulated({ contracts: [{ service: 'plc', contract: { modbos: {} } }] }, [])).rejects.toMatchObject({
      code: 'contract.invalid',
    });
    await expect(simulated({ policies: [{ name: 'x', identityRoles: ['ada'] }] }, [])).rejects.toMatchObject({
      code: 'base.invalid',
    });
    await expect(simulated({}, [])).rejects.toMatchObject({ code: 'base.invalid' });
  });
});

describe('a contract of now that cannot be read', () => {
  const granted = { mcp: { alow: ['read_graph'] } };
  const error = { file: 'contract of the controller', message: 'contract of service plc: mcp.alow', granted };
  const policy: PolicyView = { ...rows, contracts: [], errors: [{ ...error, service: 'plc', identity: 'laptop' }] };

  it('refuses every dial now, and a change that repairs it allows them', async () => {
    const view = await simulated({ contracts: [{ service: 'plc', contract }] }, [opened(1), read(2)], { policy });
    expect(rowOf(view)).toMatchObject({ now: 'refused', then: 'allowed', code: 'contract.invalid' });
    expect(view.cut).toBe(0);
  });

  it('is none any more once it is taken away, and stays where something else changes', async () => {
    const gone = await simulated({ contracts: [{ service: 'plc', contract: null }] }, [], { policy });
    expect(rowOf(gone)).toMatchObject({ now: 'refused', then: 'allowed' });
    const same = await simulated({ services: [{ name: 'plc', roleAttributes: [] }] }, [read(2)], { policy });
    expect(rowOf(same)).toMatchObject({ now: 'refused', then: 'refused', code: 'contract.invalid', calls: { cut: 0 } });
  });
});

describe('what a change names', () => {
  it('is told where nothing here is called so', async () => {
    const view = await simulated(
      {
        contracts: [
          { service: ['plc', 'plk-*'], contract },
          { service: 'pl?', contract },
        ],
        policies: [{ name: 'new', type: 'Dial', identityRoles: ['@ada'], serviceRoles: ['@plc', '@plcc'] }],
        services: [{ name: 'press', roleAttributes: [] }],
      },
      [],
    );
    expect(view.unmatched).toEqual([
      { what: 'service', name: 'plcc' },
      { what: 'service', name: 'press' },
      { what: 'service', name: 'plk-*' },
    ]);
    expect((await simulated({ contracts: [{ service: 'plc', contract }] }, [])).unmatched).toEqual([]);
  });

  it('may be of another controller, and of another service than the one that is asked for', async () => {
    const far = { ...identity, name: 'far', id: 'id-far', controller: 'https://far.test:1280' };
    const ask = (service: string): Promise<SimulateView> =>
      simulateChange({
        told: {
          identities: [identity, far],
          services: [plc, { ...plc, name: 'press', id: 'svc-press', identity: 'far' }],
          policy: rows,
        },
        records: [],
        nowMs: Date.parse(at(59)),
        rulesNow: temporaryDirectory('no-rules'),
        change: { file: 'change.json', text: JSON.stringify({ contracts: [{ service: ['plc', 'press'], contract }] }) },
        service,
      });
    const view = await ask('plc');
    expect([view.unmatched, view.rows.map((row) => row.service)]).toEqual([[], ['plc']]);
    expect((await ask('pcl')).unmatched).toEqual([{ what: 'service', name: 'pcl' }]);
  });
});

describe('a change of posture or policies, by what this device was told', () => {
  const check = {
    id: 'pc1',
    name: 'antivirus',
    policyId: 'pol1',
    type: 'PROCESS',
    policyType: 'Dial',
    passing: true,
  } as const;
  const guarded = { ...plc, posture: [check] };

  it('shuts a service whose check would fail, and opens it where another policy asks for nothing', async () => {
    const change = { posture: [{ check: 'antivirus', passes: false }] };
    const view = await simulated(change, [opened(1)], { services: [guarded] });
    expect(rowOf(view)).toMatchObject({
      now: 'allowed',
      then: 'refused',
      code: 'posture.failed',
      sessions: { cut: 1 },
    });
    const policies = [{ name: 'open', type: 'Dial', identityRoles: ['@ada'], serviceRoles: ['@plc'] }];
    const both = await simulated({ ...change, policies }, [opened(1)], { services: [guarded] });
    expect(rowOf(both)).toMatchObject({ then: 'allowed', sessions: { cut: 0 } });
  });

  it('takes a policy away that is known by what it asks for, and says what is not known of others', async () => {
    const view = await simulated({ policies: [{ name: 'pol1', remove: true }] }, [opened(1)], { services: [guarded] });
    expect(rowOf(view)).toMatchObject({ then: 'refused', code: 'permission.dial', sessions: { cut: 1 } });
    const unknown = await simulated({ policies: [{ name: 'elsewhere', remove: true }] }, [opened(1)]);
    expect(unknown.cut).toBe(0);
    expect(unknown.unknown).toEqual([{ why: expect.stringContaining('--management') as string, count: 1 }]);
  });
});

describe('local rules that change', () => {
  it('are refused where there is no directory of them', async () => {
    const directory = temporaryDirectory('rules');
    mkdirSync(directory, { recursive: true });
    const file = join(directory, 'one.cedar');
    writeFileSync(file, '');
    for (const rules of [join(directory, 'rulez'), file]) {
      await expect(simulated(undefined, [opened(1)], { rules })).rejects.toMatchObject({
        code: 'base.invalid',
        message: expect.stringContaining(rules) as string,
        details: { next: expect.stringContaining('--rules') as string },
      });
    }
  });

  it('cut the sessions that they forbid', async () => {
    const directory = temporaryDirectory('rules');
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, 'one.cedar'),
      '@id("no-tmp") forbid(principal, action == Action::"dial", resource) when { principal.path like "/tmp/*" };',
    );
    const view = await simulated(undefined, [opened(1), opened(2, '/tmp/other'), read(3, 's2')], { rules: directory });
    expect(rowOf(view)).toMatchObject({ now: 'allowed', then: 'allowed', sessions: { cut: 1 }, calls: { cut: 1 } });
    expect(rowOf(view)?.rules).toEqual([{ rule: 'local:no-tmp', count: 1 }]);
  });
});

describe('with the word of the controller', () => {
  it('tells of every identity, by policies, role attributes and contracts as they stand there', async () => {
    const overlay = await openOverlay({});
    try {
      const { admin } = overlay;
      await admin.createIdentity('root', { enrollment: 'none', isAdmin: true });
      await admin.setPassword('root', 'root', 'a password');
      await admin.createIdentity('ada', { roleAttributes: ['ops'] });
      await admin.createIdentity('bob', { roleAttributes: ['office'] });
      await admin.createService({
        ...{ name: 'plc', roleAttributes: ['floor'] },
        configs: { 'culvert.contract.v1': contract },
      });
      await admin.createPolicy({ name: 'ops', type: 'Dial', identities: ['#ops'], services: ['#floor'] });
      const ca = overlay.caPem;
      const management = { controller: overlay.controller, username: 'root', password: 'a password', ca };
      const here = { ...identity, id: '', controller: overlay.controller };
      const ask = (change: unknown): Promise<SimulateView> =>
        simulateChange({
          told: { identities: [here], services: [plc], policy: rows },
          records: [opened(1), write(2)],
          nowMs: Date.parse(at(59)),
          rulesNow: '/nonexistent',
          change: { file: 'change.json', text: JSON.stringify(change) },
          management: { file: 'admin.json', text: JSON.stringify(management) },
        });
      const roles = await ask({
        identities: [
          { name: 'ada', roleAttributes: [] },
          { name: 'bob', roleAttributes: ['ops'] },
        ],
      });
      expect(roles).toMatchObject({ identities: 'all', cut: 2 });
      expect(rowOf(roles)).toMatchObject({ now: 'allowed', then: 'refused', code: 'permission.dial' });
      expect(rowOf(roles, 'plc', 'bob')).toMatchObject({ now: 'refused', then: 'allowed', sessions: { seen: 0 } });
      const terms = await ask({ contracts: [{ service: 'plc', contract: { modbus: { allow: 'read' } } }] });
      expect(rowOf(terms)).toMatchObject({ calls: { seen: 1, cut: 1 } });
      const gone = await ask({ policies: [{ name: 'ops', remove: true }] });
      expect(rowOf(gone)).toMatchObject({ now: 'allowed', then: 'refused', sessions: { cut: 1 } });
      const wrong = { ...management, password: 'another' };
      await expect(
        simulated({ policies: [{ name: 'ops', remove: true }] }, [], { management: wrong }),
      ).rejects.toMatchObject({
        code: 'ziti.controller.unauthenticated',
      });
    } finally {
      await overlay.close();
    }
  }, 60_000);
});

/** What a host refuses by terms that only it can judge: what the dialler is told, what `why` says of it, and what the host records. */
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { explainDialFailure } from '../../main/engine/admission/dial-failure.ts';
import { HostRefusals } from '../../main/engine/admission/host-refusals.ts';
import { explainWhy, type WhyDeps } from '../../main/engine/admission/why.ts';
import { admitHostedDials, type HostedDialsDeps } from '../../main/engine/hosting/hosted-dials.ts';
import type { HostedRequest } from '../../main/hosting/hosting.ts';
import type { Match } from '../../main/intercept/match.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SessionWorld } from '../support/session-world.ts';

const approved = parseEngagement({ approval: { by: ['floor', 'shift'], forSeconds: 600 } }, 'test');
const boxed = parseEngagement({ grantSeconds: 60 }, 'test');
const service = { id: 'svc', name: 'plc', configs: {}, permissions: ['Dial'], postureChecks: [], roleAttributes: [] };
const match = { identity: 'laptop', service, dialTimeoutMs: 5_000, appData: {} } as unknown as Match;

const refusedFor = (said: string): TunnelerError =>
  new TunnelerError('ziti.dial.refused', 'the host refused the connection', {
    details: { reason: `failed to establish connection with terminator address t1. error: (${said})` },
  });

describe('a dial that the host refused', () => {
  const explain = (said: string, contract?: typeof approved) =>
    explainDialFailure(refusedFor(said), match, contract).reason;

  it('may lack an approval, or its time may be used, where the contract has such terms', () => {
    const { code, sentence, next } = explain('rejected by application', approved);
    expect(code).toBe('ziti.dial.refused_approval');
    expect(sentence).toContain('floor, shift has not approved it yet');
    expect(next).toContain('ask floor, shift');
    const used = explain('rejected by application', boxed);
    expect(used).toMatchObject({ code: 'ziti.dial.refused_grant', details: { seconds: 60 } });
    expect(used.next).toContain('culvert approvals grant');
    expect(explain('rejected by application')).toMatchObject({ code: 'ziti.dial.refused' });
  });

  it('is told as what the host said, where it said so in words of ours', () => {
    const needed = 'the contract of plc asks for the approval of floor, shift, who is asked now';
    expect(explain(needed, approved)).toMatchObject({ code: 'policy.contract.approval', sentence: needed });
    const spent = 'the 60 s that the contract of plc grants are over';
    expect(explain(spent, boxed)).toMatchObject({ code: 'policy.contract.grantSeconds' });
    expect(explain(needed)).toMatchObject({ code: 'ziti.dial.refused' });
  });
});

describe('why', () => {
  it('says that the host refused it, until it lets one in, the contract is another, or an hour has gone by', async () => {
    const clock = new ManualClock();
    const hostRefusals = new HostRefusals(clock);
    let contract = approved;
    const reason = { code: 'policy.allowed', sentence: 'allowed' } as const;
    const found = { kind: 'matched', matches: [match] };
    const deps = {
      intercept: { match: () => found, matchService: () => found },
      policy: {
        decide: () => ({ kind: 'dial', match, contract, contractOrigin: 'controller', reason }),
        contractOf: () => ({ kind: 'set', contract, origin: 'controller', schedule: undefined }),
      },
      facts: () => ({}),
      identities: {
        find: () => ({ routers: () => [{ name: 'edge', state: 'connected' }] }),
        follow: () => ({ account: () => 'id-1' }),
      },
      terminators: { count: () => Promise.resolve(1) },
      hostRefusals,
      appNamed: () => ({}),
    } as unknown as WhyDeps;
    const why = () => explainWhy('plc.dark:80', undefined, deps);
    expect(await why()).toMatchObject({ reachable: true });
    hostRefusals.note('id-1', 'svc', explainDialFailure(refusedFor('no'), match, approved).reason);
    const said = await why();
    expect(said.reachable).toBe(false);
    const step = said.steps.find((one) => one.step === 'contract');
    expect(step).toMatchObject({ outcome: 'fail', code: 'ziti.dial.refused_approval' });
    expect(step?.next).toContain('ask floor, shift');
    contract = parseEngagement({}, 'test');
    expect(await why()).toMatchObject({ reachable: true });
    contract = approved;
    clock.advance(3_600_000);
    expect(await why()).toMatchObject({ reachable: true });
    hostRefusals.note('id-1', 'svc', reason);
    expect(await why()).toMatchObject({ reachable: false });
    hostRefusals.note('id-1', 'svc', undefined);
    expect(await why()).toMatchObject({ reachable: true });
  });
});

describe('a dial refused where the service is hosted', () => {
  it('is recorded once, however often the controller tries its circuit, and each other circuit and reason anew', async () => {
    const { clock, audit, sessions } = new SessionWorld();
    let sentence = 'not now';
    const admit = admitHostedDials({
      clock,
      log: silentLog,
      policy: {
        ask: () => ({ kind: 'deny', reason: { code: 'policy.local.forbidden', sentence } }),
        contractOf: () => ({ kind: 'none' }),
      },
      quarantine: { causeOf: () => undefined },
      audit,
      sessions,
      nameOf: (identity: string) => identity,
      workgroupsOf: () => [],
    } as unknown as HostedDialsDeps);
    const dial = (circuitId: string | undefined) =>
      admit({
        identity: 'box',
        serviceId: 'svc',
        serviceName: 'plc',
        protocol: 'tcp',
        target: { host: '127.0.0.1', port: 502 },
        caller: { name: 'laptop', id: 'id-1', asserted: true },
        circuitId,
        routerName: 'edge',
        encrypted: true,
        appData: {},
        configs: {},
      } satisfies HostedRequest);
    const circuits = (): unknown[] => audit.records.map(({ circuit }) => circuit);

    expect(await dial('c1')).toMatchObject({ kind: 'refuse', reason: { sentence } });
    expect(await dial('c1')).toMatchObject({ kind: 'refuse', reason: { sentence } });
    expect(circuits()).toEqual(['c1']);
    await dial('c2');
    sentence = 'never';
    await dial('c2');
    expect(circuits()).toEqual(['c1', 'c2', 'c2']);
    await dial(undefined);
    await dial(undefined);
    expect(circuits()).toHaveLength(5);
  });
});

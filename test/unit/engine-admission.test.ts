/** Admission's order between a dial and its session: what is decided again, and what stands while the controller is asked. */
import { describe, expect, it } from 'vitest';
import type { IdentityView } from '../../main/api/views.ts';
import { unknownApp, type App } from '../../main/apps/app.ts';
import type { EngagementContract } from '../../main/base/engagement.ts';
import type { Admission, FlowRequest } from '../../main/base/flow.ts';
import { notServed } from '../../main/policy/served-user.ts';
import { silentLog } from '../../main/base/log.ts';
import { createAdmission, type AdmissionDeps } from '../../main/engine/admission/admission.ts';
import { lentIdentities, unknownReach } from '../../main/engine/admission/unknown-reach.ts';
import type { Match } from '../../main/intercept/match.ts';
import { openPolicy } from '../../main/policy/policy.ts';
import type { DecideFlow, IdentityFacts, Verdict } from '../../main/policy/verdict.ts';
import type { DialledStream } from '../../main/engine/admission/dialing.ts';
import type { Reason } from '../../main/base/reason.ts';
import type { UserId } from '../../main/base/user-id.ts';
import type { ZitiStream } from '../../main/ziti/model.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { SessionWorld } from '../support/session-world.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const flow: FlowRequest = {
  entry: 'forward',
  protocol: 'tcp',
  source: { address: '127.0.0.1', port: 40_000 },
  destination: { hostname: 'web.dark', port: 80 },
};

const someMatch = { identity: 'laptop', service: { id: 'svc-1', name: 'web' }, dialTimeoutMs: 5_000, appData: {} };
const match = someMatch as unknown as Match;
const newTerms: Match = { ...match, appData: { terms: 'new' } };

const allowed = (of: Match): Verdict => ({
  kind: 'dial',
  match: of,
  contract: undefined,
  contractOrigin: undefined,
  reason: { code: 'policy.allowed', sentence: 'allowed' },
});

const under = (contract: EngagementContract): Verdict => ({ ...allowed(match), contract }) as Verdict;

/** Answers one after another; the last goes on. */
const inTurn = (...verdicts: readonly Verdict[]): DecideFlow => {
  let asked = 0;
  return () => verdicts[Math.min(asked++, verdicts.length - 1)] ?? tooMany;
};

const tooMany: Verdict = {
  kind: 'refuse',
  reason: { code: 'session.limit', sentence: 'one session is open' },
  answer: 'prohibited',
};

/** A corridor over real sessions; the far end of what it dialled is in the test's hands. */
function openAdmission(parts: Partial<AdmissionDeps> = {}) {
  const world = new SessionWorld();
  const [remote, service] = memoryStreamPair();
  const dialled = Object.assign(remote, { encrypted: true, routerName: 'edge', circuitId: undefined });
  const serviceSaw = new RecordingSink();
  service.start(serviceSaw);
  const open = (): number => world.sessions.openCount('svc-1');
  const admit = createAdmission({
    notServed: () => undefined,
    engagements: { idFor: () => 'ses_0', met: () => undefined },
    clock: world.clock,
    log: silentLog,
    intercept: {
      match: () => ({ kind: 'matched', matches: [match] }),
      matchService: () => ({ kind: 'matched', matches: [match] }),
    },
    audit: world.audit,
    sessions: world.sessions,
    findApp: () => Promise.resolve(unknownApp),
    findLoop: () => undefined,
    hashed: (app) => Promise.resolve(app),
    decide: (_flow, _app, matches) => allowed(matches[0] ?? match),
    facts: () => ({
      nowMs: 0,
      identity: () => undefined,
      openSessions: (id) => world.sessions.openCount(id),
      isQuarantined: () => undefined,
    }),
    dial: () => Promise.resolve(ungreeted(dialled)),
    confirm: () => Promise.resolve(),
    nameOf: () => 'laptop',
    accountOf: () => 'laptop-id',
    times: { begin: () => [], renew: () => undefined },
    hostRefusals: { note: () => undefined },
    current: (of) => of,
    unknownReach: () => undefined,
    unmatched: 'refuse',
    mayLeave: () => false,
    onDialed: () => undefined,
    ...parts,
  });
  const ask = (): Promise<Admission> => admit(flow, { signal: new AbortController().signal });
  const verdicts = (): unknown[] =>
    world.audit.records.filter(({ kind }) => kind === 'verdict').map(({ decision }) => decision);
  return { open, ask, dialled, serviceSaw, verdicts };
}

/** A dialled stream whose host is no Culvert. */
function ungreeted(stream: ZitiStream): DialledStream {
  const { routerName, encrypted } = stream;
  return {
    stream,
    routerName,
    encrypted,
    onGreeting: (listener) => listener(undefined),
    greeting: () => Promise.resolve(undefined),
  };
}

describe('a place among the sessions of a service', () => {
  it('is held from the decision on until the session takes it, and does not count against itself when decided again', async () => {
    const counts: (readonly [string, number])[] = [];
    const corridor = openAdmission({
      hashed: (app) => {
        counts.push(['hashed', corridor.open()]);
        return Promise.resolve(app);
      },
      decide: () => {
        counts.push(['decided', corridor.open()]);
        return allowed(match);
      },
      dial: () => {
        counts.push(['dialled', corridor.open()]);
        return Promise.resolve(ungreeted(corridor.dialled));
      },
    });
    const admission = await corridor.ask();
    counts.push(['admitted', corridor.open()]);
    if (admission.kind !== 'dialled') throw new Error(admission.kind);
    admission.join(memoryStreamPair()[1]);
    counts.push(['joined', corridor.open()]);
    expect(counts).toEqual([
      ['hashed', 0],
      ['decided', 0],
      ['dialled', 1],
      ['hashed', 1],
      ['decided', 0],
      ['admitted', 1],
      ['decided', 0],
      ['joined', 1],
    ]);
  });

  it('is free again where access was lost during the dial, where the dial fails, and where nobody joins', async () => {
    const lost = openAdmission({ decide: inTurn(allowed(match), tooMany) });
    expect(await lost.ask()).toMatchObject({ kind: 'refused', reason: { code: 'session.limit' } });
    expect(lost.open()).toBe(0);
    await expect.poll(() => lost.serviceSaw.over).toBe(true);

    const failing = openAdmission({ dial: () => Promise.reject(new Error('no router')) });
    expect((await failing.ask()).kind).toBe('refused');
    expect(failing.open()).toBe(0);

    const left = openAdmission();
    const admission = await left.ask();
    if (admission.kind !== 'dialled') throw new Error(admission.kind);
    admission.abandon();
    expect(left.open()).toBe(0);
  });
});

describe('what was decided before a dial', () => {
  it('is decided again by the same function, over the service as the controller told it last', async () => {
    const asked: (Match | undefined)[] = [];
    const corridor = openAdmission({
      current: () => newTerms,
      decide: (_flow, _app, [one]) => {
        asked.push(one);
        return allowed(one ?? match);
      },
    });
    expect((await corridor.ask()).kind).toBe('dialled');
    expect(asked).toEqual([match, newTerms]);
  });

  it('is decided again when both ends are joined: access that was lost by then resets them, and is recorded', async () => {
    const corridor = openAdmission({ decide: inTurn(allowed(match), allowed(match), tooMany) });
    const admission = await corridor.ask();
    if (admission.kind !== 'dialled') throw new Error(admission.kind);
    const [application, local] = memoryStreamPair();
    const applicationSaw = new RecordingSink();
    application.start(applicationSaw);
    admission.join(local);
    await expect.poll(() => [applicationSaw.over, corridor.serviceSaw.over]).toEqual([true, true]);
    expect(corridor.open()).toBe(0);
    expect(corridor.verdicts()).toEqual(['allow', 'deny']);
  });

  it('is refused at the joining where only the host may let it in by now, for its word was not asked for', async () => {
    const reason = { code: 'policy.contract.approval', sentence: 'somebody has to approve it' } as const;
    const asks = { ...under({ maxSessions: 2 }), unlessHostGrants: reason } as unknown as Verdict;
    const corridor = openAdmission({ decide: inTurn(under({ maxSessions: 2 }), under({ maxSessions: 2 }), asks) });
    const admission = await corridor.ask();
    if (admission.kind !== 'dialled') throw new Error(admission.kind);
    const [application, local] = memoryStreamPair();
    const applicationSaw = RecordingSink.on(application);
    admission.join(local);
    await expect.poll(() => [applicationSaw.over, corridor.serviceSaw.over]).toEqual([true, true]);
    expect(corridor.open()).toBe(0);
    expect(corridor.verdicts()).toEqual(['allow', 'deny']);
  });

  it('leaves nothing open where deciding again breaks', async () => {
    let asked = 0;
    const broken = openAdmission({
      decide: () => {
        asked += 1;
        if (asked > 1) throw new Error('a defect');
        return allowed(match);
      },
    });
    expect((await broken.ask()).kind).toBe('refused');
    expect(broken.open()).toBe(0);
    await expect.poll(() => broken.serviceSaw.over).toBe(true);
  });

  it('is recorded again only where the contract is another', async () => {
    const same = openAdmission({ decide: () => under({ maxSessions: 2 }) });
    await same.ask();
    expect(same.verdicts()).toEqual(['allow']);

    const other = openAdmission({ decide: inTurn(under({ maxSessions: 2 }), under({ maxSessions: 1 })) });
    await other.ask();
    expect(other.verdicts()).toEqual(['allow', 'allow']);
  });

  it('does not count the dial under way as an earlier one', async () => {
    const counted: (number | undefined)[] = [];
    let dials = 0;
    const corridor = openAdmission({
      facts: () => ({
        nowMs: 0,
        identity: () => undefined,
        openSessions: () => 0,
        isQuarantined: () => undefined,
        recentDials: dials,
      }),
      dial: () => {
        dials += 1;
        return Promise.resolve(ungreeted(corridor.dialled));
      },
      decide: (_flow, _app, _matches, facts) => {
        counted.push(facts.recentDials);
        return allowed(match);
      },
    });
    await corridor.ask();
    expect(counted).toEqual([0, 0]);
  });
});

describe('an engine of one user', () => {
  const served = { uid: 1000, onUnknownApp: 'closed' } as const;

  it('refuses whoever is not that user, root included, and whose user is not known', () => {
    expect(notServed({ ...unknownApp, uid: 1000 }, served)).toBeUndefined();
    expect(notServed({ ...unknownApp, uid: 1001 }, served)?.code).toBe('policy.identity.not_yours');
    expect(notServed({ ...unknownApp, uid: 0 }, served)?.code).toBe('policy.identity.not_yours');
    expect(notServed(unknownApp, served)?.code).toBe('policy.app.unknown');
    expect(notServed(unknownApp, { ...served, onUnknownApp: 'open' })).toBeUndefined();
    expect(notServed({ ...unknownApp, uid: 5 }, { uid: undefined, onUnknownApp: 'closed' })).toBeUndefined();
  });

  it('records the refusal and dials nothing, whatever the destination', async () => {
    const corridor = openAdmission({
      notServed: (app) => notServed(app, served),
      unmatched: 'direct',
      dial: () => Promise.reject(new Error('must not be dialled')),
    });
    expect(await corridor.ask()).toMatchObject({ kind: 'refused', reason: { code: 'policy.app.unknown' } });
  });
});

describe('what no service claims', () => {
  const nothing = { code: 'intercept.no_match', sentence: 'no service of your identities claims db.dark:80' } as const;
  const none = { kind: 'none', reason: nothing } as const;
  const intercept = { match: () => none, matchService: () => none };

  it('is told with what is not known, and as nothing wrong with the name, where an identity has not learnt what it may reach', async () => {
    const unknown: Reason = { code: 'intercept.reach_unknown', sentence: 'what laptop may reach is not known' };
    const refused = await openAdmission({ intercept, unknownReach: () => unknown }).ask();
    expect(refused).toMatchObject({ kind: 'refused', reason: unknown, answer: 'host-unreachable' });
    expect(await openAdmission({ intercept }).ask()).toMatchObject({ reason: nothing, answer: 'reset' });
  });

  it('is told by the trouble of those identities alone that its program may dial as', async () => {
    const policy = await openPolicy({ dir: temporaryDirectory('policy'), device: 'host-1', log: silentLog });
    const agents = [{ name: 'robot', identity: 'robots' }];
    policy.replaceIdentityRules({ agents, onUnknownApp: 'closed' });
    const facts = (scope: 'machine' | 'user', ownerUid?: UserId): IdentityFacts => ({
      ...{ scope, authentication: undefined, trouble: undefined, mfaVerifiedAtMs: undefined },
      ...(ownerUid === undefined ? {} : { ownerUid }),
    });
    const whose: Readonly<Record<string, IdentityFacts | undefined>> = {
      ...{ device: facts('machine'), robots: facts('machine'), damaged: undefined },
      ...{ anna: facts('user', 1_000), ben: facts('user', 1_001) },
    };
    const identities = Object.keys(whose).map((name) => ({
      ...{ name, facts: () => whose[name], services: () => [], view: () => ({}) as IdentityView },
      trouble: (): Reason => ({ code: 'identity.locked', sentence: `${name} is locked` }),
    }));
    const toldTo = (app: App, servesOne = false): unknown => {
      const lent = { policy, facts: () => ({ identity: (name: string) => whose[name] }), servesOne };
      return unknownReach(nothing, lentIdentities(app, identities, lent))?.details?.['identity'];
    };
    const program: App = { attribution: 'exact', parents: [], path: '/usr/bin/curl' };
    expect(toldTo({ ...program, uid: 1_000 })).toBe('device, anna');
    expect(toldTo({ ...program, uid: 1_001 })).toBe('device, ben');
    expect(toldTo({ ...program, uid: 1_001 }, true)).toBe('device, damaged, ben');
    expect(toldTo({ ...program, uid: 1_000, agent: 'robot' })).toBe('robots');
    expect(toldTo({ ...program, uid: 1_000, agent: 'stranger' })).toBeUndefined();
    expect(toldTo(unknownApp)).toBeUndefined();

    const asked: App[] = [];
    const refused = openAdmission({
      intercept,
      findApp: () => Promise.resolve(program),
      unknownReach: (_found, app) => void asked.push(app),
    });
    expect(await refused.ask()).toMatchObject({ reason: nothing, answer: 'reset' });
    expect(asked).toEqual([program]);
  });
});

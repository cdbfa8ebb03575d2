/** The corridor's order between a dial and its session: what stands while the controller's terms are being confirmed. */
import { describe, expect, it } from 'vitest';
import { unknownApp } from '../../main/apps/app.ts';
import type { Admission, FlowRequest } from '../../main/base/flow.ts';
import { notServed } from '../../main/policy/served-user.ts';
import { silentLog } from '../../main/base/log.ts';
import { createAdmission, type AdmissionDeps } from '../../main/engine/admission/admission.ts';
import type { Match } from '../../main/intercept/match.ts';
import type { Verdict } from '../../main/policy/verdict.ts';
import type { DialledStream } from '../../main/engine/admission/dialing.ts';
import type { ZitiStream } from '../../main/ziti/model.ts';
import { memoryStreamPair, Recorder } from '../support/memory-stream.ts';
import { SessionWorld } from '../support/session-world.ts';

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
  const serviceSaw = new Recorder();
  service.start(serviceSaw);
  const open = (): number => world.sessions.openCount('svc-1');
  const admit = createAdmission({
    notServed: () => undefined,
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
    withCurrentContract: () => undefined,
    accessLostSince: () => undefined,
    unmatched: 'refuse',
    mayLeave: () => false,
    onDialed: () => undefined,
    ...parts,
  });
  const ask = (): Promise<Admission> => admit(flow, { signal: new AbortController().signal });
  return { open, ask, dialled, serviceSaw };
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
  it('is held from the decision on until the session takes it', async () => {
    const counts: number[] = [];
    const corridor = openAdmission({
      dial: () => {
        counts.push(corridor.open());
        return Promise.resolve(ungreeted(corridor.dialled));
      },
      accessLostSince: () => void counts.push(corridor.open()),
    });
    const admission = await corridor.ask();
    counts.push(corridor.open());
    if (admission.kind !== 'dialled') throw new Error(admission.kind);
    admission.join(memoryStreamPair()[1]);
    counts.push(corridor.open());
    // While dialling, once dialled, admitted, asked again at the joining (its place is the session's then), joined.
    expect(counts).toEqual([1, 1, 1, 0, 1]);
  });

  it('does not count against itself under new terms, and nobody can take it meanwhile', async () => {
    const counts: Record<string, number> = {};
    let decided = 0;
    const corridor = openAdmission({
      withCurrentContract: () => newTerms,
      hashed: (app, [asked]) => {
        if (asked === newTerms) counts['while the app is hashed anew'] = corridor.open();
        return Promise.resolve(app);
      },
      decide: (_flow, _app, [asked]) => {
        counts[decided++ === 0 ? 'when first decided' : 'when decided anew'] = corridor.open();
        return allowed(asked ?? match);
      },
    });
    const admission = await corridor.ask();
    counts['admitted'] = corridor.open();
    expect(admission.kind).toBe('dialled');
    expect(counts).toEqual({
      'when first decided': 0,
      'while the app is hashed anew': 1,
      'when decided anew': 0,
      admitted: 1,
    });
  });

  it('is free again where the new terms refuse, and the service is let go', async () => {
    const corridor = openAdmission({
      withCurrentContract: () => newTerms,
      decide: (_flow, _app, [asked]) => (asked === newTerms ? tooMany : allowed(match)),
    });
    expect(await corridor.ask()).toMatchObject({ kind: 'refused', reason: { code: 'session.limit' } });
    expect(corridor.open()).toBe(0);
    await expect.poll(() => corridor.serviceSaw.over).toBe(true);
  });

  it('is free again where access was lost during the dial, where the dial fails, and where nobody joins', async () => {
    const lost = openAdmission({ accessLostSince: () => ({ code: 'policy.revoked', sentence: 'revoked' }) });
    expect((await lost.ask()).kind).toBe('refused');
    expect(lost.open()).toBe(0);

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

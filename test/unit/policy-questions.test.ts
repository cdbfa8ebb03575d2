import { describe, expect, it } from 'vitest';
import { callQuestion, hostQuestion, sessionQuestion, type SessionAsked } from '../../main/policy/local/questions.ts';
import { blockingChecks } from '../../main/policy/posture.ts';
import { quarantinedReason, quarantineRefusal } from '../../main/policy/quarantine.ts';
import { aCheck, aService, curl, facts, machine } from '../support/policy-world.ts';

const dialled: SessionAsked = {
  direction: 'dial',
  app: curl,
  identity: 'laptop',
  service: 'db',
  serviceId: 'id-db',
  protocol: 'tcp',
  source: '127.0.0.1:5000',
  destination: '[fd00::7]:5432',
  entry: 'tun',
};
// As rows show a caller whom a signature proves; rules are asked about its name.
const hosted: SessionAsked = {
  ...dialled,
  direction: 'host',
  source: 'anna (id-7)',
  caller: { name: 'anna' },
  entry: 'hosted',
};

describe('questions to local rules', () => {
  it('name where a session goes, and its program where this end knows it', () => {
    const call = callQuestion({ action: 'callTool', target: 'search' }, dialled, {
      facts: facts({ laptop: { ...machine, mfaVerifiedAtMs: 7 } }),
      workgroups: ['ops'],
      callsLastMinute: 3,
    });
    expect(call).toMatchObject({
      action: 'callTool',
      app: curl,
      service: { name: 'db', workgroups: ['ops'] },
      tool: { name: 'search', kind: 'tool' },
      circumstances: { hostname: 'fd00::7', port: 5432, mfaVerifiedAtMs: 7, callsLastMinute: 3, caller: '' },
    });
  });

  it('name no program at the host: a caller only tells it', () => {
    const known = { facts: facts({ laptop: machine }), workgroups: [], callsLastMinute: 0 };
    expect(callQuestion({ action: 'readResource', target: 'x' }, hosted, known).app.path).toBeUndefined();
    const again = sessionQuestion(hosted, {
      nowMs: 1,
      service: aService('db', { roleAttributes: [] }),
      identity: machine,
      openSessions: 0,
    });
    expect(again.app.path).toBeUndefined();
    expect(again).toMatchObject({ action: 'host', circumstances: { caller: 'anna', posture: 'unknown' } });
    const first = hostQuestion({
      identity: 'laptop',
      service: { name: 'db', workgroups: [] },
      caller: 'anna',
      protocol: 'tcp',
      target: { host: 'fd00::7', port: 5432 },
      nowMs: 1,
      openSessions: 0,
    });
    // What was asked when it came in is what is asked again.
    expect({ ...again, circumstances: { ...again.circumstances, mfaVerifiedAtMs: undefined } }).toEqual(first);
  });

  it('take an old word of a failing check for a failing one', () => {
    const service = aService('db', { postureChecks: [aCheck({ policyId: 'p1', isPassing: false })] });
    const question = sessionQuestion(dialled, {
      nowMs: 1,
      service,
      identity: { authentication: 'oidc', mfaVerifiedAtMs: undefined },
      openSessions: 0,
    });
    expect(question.circumstances.posture).toBe('failing');
    expect(
      sessionQuestion(dialled, { nowMs: 1, service: undefined, identity: undefined, openSessions: 0 }),
    ).toMatchObject({
      circumstances: { posture: 'unknown' },
    });
  });

  it('are asked of a destination that has no port too', () => {
    const known = { facts: facts({ laptop: machine }), workgroups: [], callsLastMinute: 0 };
    const odd = callQuestion({ action: 'callTool', target: 'x' }, { ...dialled, destination: 'odd' }, known);
    expect(odd.circumstances).toMatchObject({ hostname: 'odd', port: 0 });
  });
});

describe('posture checks that stand in the way', () => {
  const [failing, passing] = [{ isPassing: false }, { isPassing: true }];

  it.each(['Dial', 'Bind'] as const)('of a %s are none while one policy has all its checks pass', (policyType) => {
    const other = policyType === 'Dial' ? 'Bind' : 'Dial';
    const closed = aCheck({ policyId: 'p1', ...failing, policyType });
    const half = [
      aCheck({ policyId: 'p2', ...passing, policyType }),
      aCheck({ policyId: 'p2', ...failing, policyType }),
    ];
    const open = aCheck({ policyId: 'p3', ...passing, policyType });
    expect(blockingChecks([closed, ...half, open], policyType)).toEqual([]);
    expect(blockingChecks([closed, ...half], policyType)).toEqual([closed, half[1]]);
    expect(blockingChecks([closed, ...half], other)).toEqual([]);
    expect(blockingChecks([closed], policyType, () => false)).toEqual([]);
  });
});

describe('the reason of a quarantine', () => {
  it('names the subject that is held, so that releasing it frees whoever reads it', () => {
    const held = quarantineRefusal(['service:db', 'identity:laptop'], (subject) =>
      subject === 'identity:laptop' ? 'odd' : undefined,
    );
    expect(held).toMatchObject({ code: 'policy.quarantined', sentence: 'identity:laptop is in quarantine: odd' });
    expect(held?.next).toContain('culvert quarantine release identity:laptop');
    expect(quarantineRefusal(['service:db'], () => undefined)).toBeUndefined();
  });

  it('keeps a cause that other languages can say', () => {
    const cause = { code: 'breaker.calls', sentence: 'many calls' } as const;
    expect(quarantinedReason('app:x', cause)).toMatchObject({
      sentence: 'app:x is in quarantine: many calls',
      details: { subject: 'app:x', cause },
    });
  });
});

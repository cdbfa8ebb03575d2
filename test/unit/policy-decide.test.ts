import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contractConfigType } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import type { Reason } from '../../main/base/reason.ts';
import { unknownApp, type App } from '../../main/apps/app.ts';
import { checkPolicies } from '../../main/policy/local/policy-files.ts';
import { openPolicy, type Policy } from '../../main/policy/policy.ts';
import type { Verdict } from '../../main/policy/verdict.ts';
import { aCheck, aFlow, aMatch, aService, curl, facts, machine } from '../support/policy-world.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'culvert-policy-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const open = (): Promise<Policy> => openPolicy({ dir, device: 'host-1', timezone: 'UTC', log: silentLog });
const file = (name: string, text: string): Promise<void> => writeFile(join(dir, name), text);
const codeOf = (verdict: Verdict): string => verdict.reason.code;
const known = { laptop: machine };
const dial = (policy: Policy, service = aService('db'), app: App = curl, more = facts(known)): Verdict =>
  policy.decide(aFlow, app, [aMatch('laptop', service)], more);

describe('a verdict', () => {
  it('dials what the controller grants, and says by which rule', async () => {
    const verdict = dial(await open());
    expect(verdict).toMatchObject({ kind: 'dial', contract: undefined, reason: { rule: 'controller' } });
  });

  it('refuses in a fixed order, each with code, sentence, next step and rule', async () => {
    const policy = await open();
    const trouble: Reason = {
      code: 'identity.disabled',
      sentence: 'laptop is disabled',
      next: 'enable it',
      rule: 'identity',
    };
    expect(codeOf(dial(policy, aService('db'), curl, facts({ laptop: { ...machine, trouble } })))).toBe(
      'identity.disabled',
    );
    const quarantined = { 'app:curl': 'too many errors' };
    const held = dial(policy, aService('db'), curl, facts(known, { quarantined }));
    expect(held).toMatchObject({ kind: 'refuse', answer: 'prohibited', reason: { code: 'policy.quarantined' } });
    expect(held.reason.next).toContain('release');
    expect(codeOf(dial(policy, aService('db'), curl, facts(known, { quarantined: { 'service:db': 'x' } })))).toBe(
      'policy.quarantined',
    );
    expect(codeOf(dial(policy, aService('db', { permissions: ['Bind'] })))).toBe('permission.dial');
    expect(codeOf(dial(policy, aService('db', { postureChecks: [aCheck()] })))).toBe('posture.failed');
    expect(codeOf(dial(policy, aService('db', { configs: { [contractConfigType]: { maxByte: 1 } } })))).toBe(
      'contract.invalid',
    );
    expect(codeOf(dial(policy, aService('db', { configs: { [contractConfigType]: 'yes' } })))).toBe('contract.invalid');
  });

  it('needs one policy whose posture passes, and only advises where routers judge', async () => {
    const policy = await open();
    const either = aService('db', { postureChecks: [aCheck(), aCheck({ id: 'q2', policyId: 'p2', isPassing: true })] });
    expect(dial(policy, either).kind).toBe('dial');
    const failing = aService('db', { postureChecks: [aCheck()] });
    const oidc = facts({ laptop: { ...machine, authentication: 'oidc' } });
    const verdict = dial(policy, failing, curl, oidc);
    expect(verdict.kind).toBe('dial');
    expect(verdict.reason.sentence).toContain('router decides');
  });

  it.each([
    [{ apps: { deny: ['/usr/bin/*'] } }, 'contract:apps.deny'],
    [{ apps: { allow: ['/opt/*'] } }, 'contract:apps.allow'],
    [{ apps: { allow: ['agent:claude'] } }, 'contract:apps.allow'],
    [{ apps: { allow: ['*'], deny: [`sha256:${'AB'.repeat(32)}`] } }, 'contract:apps.deny'],
    [{ schedule: { timezone: 'UTC', windows: [{ from: '13:00', to: '14:00' }] } }, 'contract:schedule'],
    [{ schedule: { timezone: 'Mars/Olympus', windows: [{ from: '00:00', to: '24:00' }] } }, 'contract:schedule'],
    [{ schedule: { notAfter: '2026-01-01T11:59:59Z' } }, 'contract:schedule'],
    [{ maxSessions: 1 }, 'contract:maxSessions'],
    [{ requireMfaWithinSeconds: 60 }, 'contract:requireMfaWithinSeconds'],
  ])('is refused by the contract %j', async (terms, rule) => {
    const policy = await open();
    const service = aService('db', { configs: { [contractConfigType]: terms } });
    const verdict = dial(policy, service, curl, facts(known, { openSessions: () => 1 }));
    expect(verdict).toMatchObject({ kind: 'refuse', answer: 'prohibited', reason: { rule } });
  });

  it('passes a contract that is met, frozen', async () => {
    const policy = await open();
    const terms = {
      apps: { allow: ['/usr/bin/curl'], deny: ['agent:*'] },
      schedule: { timezone: 'Europe/Berlin', windows: [{ days: ['thu'], from: '12:30', to: '13:30' }] },
      maxSessions: 2,
      requireMfaWithinSeconds: 60,
    };
    const now = facts(
      { laptop: { ...machine, mfaVerifiedAtMs: Date.UTC(2026, 0, 1, 11, 59, 30) } },
      { openSessions: () => 1 },
    );
    const verdict = dial(policy, aService('db', { configs: { [contractConfigType]: terms } }), curl, now);
    expect(verdict).toMatchObject({ kind: 'dial', contractOrigin: 'controller' });
    expect(verdict.kind === 'dial' && Object.isFrozen(verdict.contract)).toBe(true);
  });

  it('refuses an unknown program where the contract names programs', async () => {
    const policy = await open();
    const service = aService('db', { configs: { [contractConfigType]: { apps: { deny: ['/opt/*'] } } } });
    expect(dial(policy, service, { attribution: 'unknown', parents: [] }).kind).toBe('refuse');
  });
});

describe('whose identity', () => {
  const claude: App = { ...curl, agent: 'claude' };
  const matches = [
    aMatch('laptop', aService('db')),
    aMatch('alice-id', aService('db')),
    aMatch('claude-id', aService('db')),
  ];
  const identities = facts({
    laptop: machine,
    'alice-id': { ...machine, scope: 'user', ownerUid: 1000 },
    'claude-id': machine,
  });
  const rules = { agents: [{ name: 'claude', identity: 'claude-id' }], unbound: 'device' } as const;
  const identityOf = (verdict: Verdict): string | undefined =>
    verdict.kind === 'dial' ? verdict.match.identity : undefined;

  it('an agent dials as itself and as nothing else', async () => {
    const policy = await open();
    policy.replaceIdentityRules(rules);
    expect(identityOf(policy.decide(aFlow, claude, matches, identities))).toBe('claude-id');
    expect(codeOf(policy.decide(aFlow, claude, matches.slice(0, 2), identities))).toBe('policy.agent.no_reach');
    expect(codeOf(policy.decide(aFlow, { ...claude, attribution: 'inferred' }, matches, identities))).toBe(
      'policy.agent.uncertain',
    );
  });

  it('nobody else borrows it', async () => {
    const policy = await open();
    policy.replaceIdentityRules(rules);
    expect(codeOf(policy.decide(aFlow, curl, matches.slice(2), identities))).toBe('policy.identity.not_yours');
  });

  it("a user's identity serves that user's programs only", async () => {
    const policy = await open();
    expect(identityOf(policy.decide(aFlow, curl, matches.slice(0, 2), identities))).toBe('alice-id');
    const bob = { ...curl, uid: 1001, user: 'bob' };
    expect(identityOf(policy.decide(aFlow, bob, matches.slice(0, 2), identities))).toBe('laptop');
    expect(codeOf(policy.decide(aFlow, bob, matches.slice(1, 2), identities))).toBe('policy.identity.not_yours');
    const sid = 'S-1-5-21-1-2-3-1001';
    const ofWindows = facts({ 'alice-id': { ...machine, scope: 'user', ownerUid: sid } });
    const aliceMatch = matches.slice(1, 2);
    expect(identityOf(policy.decide(aFlow, { ...curl, uid: sid }, aliceMatch, ofWindows))).toBe('alice-id');
    expect(codeOf(policy.decide(aFlow, { ...curl, uid: `${sid}0` }, aliceMatch, ofWindows))).toBe(
      'policy.identity.not_yours',
    );
    const guessed = { ...curl, attribution: 'inferred' } as const;
    expect(codeOf(policy.decide(aFlow, guessed, matches.slice(1, 2), identities))).toBe('policy.identity.not_yours');
  });

  it('a user’s identity is lent to a flow without a known owner only where that is set', async () => {
    const policy = await open();
    const own = matches.filter((match) => match.identity === 'alice-id');
    policy.replaceIdentityRules(rules);
    expect(codeOf(policy.decide(aFlow, unknownApp, own, identities))).toBe('policy.app.unknown');
    expect(codeOf(policy.decide(aFlow, unknownApp, matches, identities))).toBe('policy.app.unknown');
    policy.replaceIdentityRules({ ...rules, onUnknownApp: 'open' });
    expect(policy.decide(aFlow, unknownApp, own, identities).kind).toBe('dial');
    // Whoever is known to be another user is refused all the same.
    expect(codeOf(policy.decide(aFlow, { ...curl, uid: 1001 }, own, identities))).toBe('policy.identity.not_yours');
  });

  it('an agent that is recognised and bound to nothing is refused, a plain program is the device, unless set otherwise', async () => {
    const policy = await open();
    policy.replaceIdentityRules({ ...rules, unbound: undefined, agents: [...rules.agents, { name: 'listed' }] });
    const device = matches.slice(0, 1);
    expect(identityOf(policy.decide(aFlow, curl, device, identities))).toBe('laptop');
    expect(codeOf(policy.decide(aFlow, { ...curl, agent: 'codex' }, device, identities))).toBe('policy.agent.unbound');
    expect(policy.decide(aFlow, { ...curl, agent: 'listed' }, device, identities).kind).toBe('dial');
    policy.replaceIdentityRules(rules);
    expect(policy.decide(aFlow, { ...curl, agent: 'codex' }, device, identities).kind).toBe('dial');
  });

  it('an unbound program is refused where that is set', async () => {
    const policy = await open();
    policy.replaceIdentityRules({ ...rules, unbound: 'refuse' });
    expect(codeOf(policy.decide(aFlow, curl, matches.slice(0, 1), identities))).toBe('policy.agent.unbound');
  });

  it('another identity steps in where one cannot work', async () => {
    const policy = await open();
    const trouble: Reason = { code: 'identity.locked', sentence: 'locked' };
    const two = [aMatch('a', aService('db')), aMatch('b', aService('db'))];
    expect(identityOf(policy.decide(aFlow, curl, two, facts({ a: { ...machine, trouble }, b: machine })))).toBe('b');
  });
});

describe('local rules', () => {
  it('take away what the controller grants, and are named', async () => {
    await file(
      'night.cedar',
      `@id("quiet-nights")\n@reason("Nights are quiet")\n@next("Come back at six")\nforbid(principal == User::"alice", action == Action::"dial", resource == Service::"db") when { context.hour >= 12 };`,
    );
    const policy = await open();
    expect(dial(policy)).toMatchObject({
      kind: 'refuse',
      reason: { code: 'policy.local.forbidden', rule: 'local:quiet-nights', next: 'Come back at six' },
    });
    expect(dial(policy).reason.sentence).toContain('Nights are quiet');
    expect(dial(policy, aService('web')).kind).toBe('dial');
    const earlier = facts(known, { nowMs: Date.UTC(2026, 0, 1, 11, 59) });
    expect(dial(policy, aService('db'), curl, earlier).kind).toBe('dial');
  });

  it('permit only what they name once a permit speaks of the action', async () => {
    await file(
      'only.cedar',
      `@id("curl-only") permit(principal == Program::"/usr/bin/curl", action == Action::"dial", resource);`,
    );
    const policy = await open();
    expect(dial(policy).reason.rule).toBe('controller + local:curl-only');
    const verdict = dial(policy, aService('db'), { ...curl, path: '/usr/bin/wget' });
    expect(codeOf(verdict)).toBe('policy.local.not_permitted');
    // Another action stays as the controller grants it.
    const answer = policy.ask({
      action: 'callTool',
      app: curl,
      identity: 'laptop',
      service: { name: 'db', workgroups: [] },
      tool: { name: 'search', kind: 'tool' },
      circumstances: {
        nowMs: 0,
        posture: 'passing',
        mfaVerifiedAtMs: undefined,
        openSessions: 0,
        dialsLastMinute: 0,
        callsLastMinute: 0,
        protocol: 'tcp',
        hostname: '',
        port: 0,
        entry: 'tun',
        caller: '',
      },
    });
    expect(answer.kind).toBe('allow');
  });

  it('never widen', async () => {
    await file('all.cedar', 'permit(principal, action, resource);');
    const policy = await open();
    expect(codeOf(dial(policy, aService('db', { permissions: ['Bind'] })))).toBe('permission.dial');
  });

  it.each([
    ['principal is Agent', true, false],
    ['principal == Agent::"claude"', true, false],
    ['principal == Program::"/usr/bin/curl"', true, true],
    ['principal in Device::"host-1"', true, true],
    ['principal in Identity::"laptop"', true, true],
    ['principal is User', true, true],
    ['principal == User::"bob"', false, false],
  ])('know the one who asks by every name: %s', async (scope, forAgent, forCurl) => {
    await file('x.cedar', `forbid(${scope}, action == Action::"dial", resource in Workgroup::"finance");`);
    const policy = await open();
    expect(dial(policy, aService('db'), { ...curl, agent: 'claude' }).kind === 'refuse').toBe(forAgent);
    expect(dial(policy).kind === 'refuse').toBe(forCurl);
  });

  it('mean the same in a condition', async () => {
    await file(
      'x.cedar',
      `forbid(principal, action == Action::"dial", resource) unless { principal is Agent && principal == User::"alice" };`,
    );
    const policy = await open();
    expect(dial(policy, aService('db'), { ...curl, agent: 'claude' }).kind).toBe('dial');
    expect(dial(policy).kind).toBe('refuse');
  });

  it('refuse where one fails while it is asked', async () => {
    await file(
      'x.cedar',
      `forbid(principal, action == Action::"dial", resource) when { context.nowSeconds * 9007199254740991 * context.nowSeconds > 0 };`,
    );
    expect(codeOf(dial(await open()))).toBe('policy.local.failed');
  });

  it('that cannot be read refuse everything, and a bad reload keeps the last good ones', async () => {
    await file('x.cedar', 'forbid(principal action, resource);');
    const policy = await open();
    expect(codeOf(dial(policy))).toBe('policy.local.unreadable');
    await file('x.cedar', '@id("ok") forbid(principal, action == Action::"dial", resource == Service::"db");');
    expect((await policy.reload()).ok).toBe(true);
    expect(dial(policy).reason.rule).toBe('local:ok');
    await file('x.cedar', 'forbid(principal, action, resource) when { context.port > 9223372036854775807 };');
    expect((await policy.reload()).problems[0]?.message).toContain('numbers');
    await file('x.cedar', 'nonsense');
    expect((await policy.reload()).ok).toBe(false);
    expect(policy.problems()).toHaveLength(1);
    expect(dial(policy).reason.rule).toBe('local:ok');
  });

  it('are checked with file, line and column', async () => {
    await file('a.cedar', '// fine\nforbid(principal,\n  action == Action::"dail", resource);\n');
    await file('b.cedar', 'forbid(principal, action, resource)\n  when { principal.shoe == "x" };');
    await file(
      'c.yaml',
      'contracts:\n  - service: plc-*\n    contract:\n      maxBytes: 10\n      modbus: { allow: sometimes }\n',
    );
    await file('d.json', '{"contracts": [}');
    await file('e.yaml', 'contracts: []\ncontract: 1\n');
    await file('README.md', 'not a rule');
    const check = await checkPolicies(dir);
    expect(check.ok).toBe(false);
    expect(check.files).toBe(5);
    const at = (name: string): string[] =>
      check.errors.filter((e) => e.file.startsWith(name)).map((e) => `${e.file} ${e.message}`);
    expect(at('a.cedar')[0]).toMatch(/^a\.cedar:3:\d+ .*dail/);
    expect(at('b.cedar')[0]).toMatch(/^b\.cedar:2:\d+ .*shoe/);
    expect(at('c.yaml')[0]).toMatch(/^c\.yaml:5:\d+ .*modbus/);
    expect(at('d.json')[0]).toMatch(/^d\.json:1:\d+/);
    expect(at('e.yaml')[0]).toMatch(/^e\.yaml:2:\d+ .*contract/);
    await expect(checkPolicies(join(dir, 'none'))).resolves.toEqual({ ok: true, files: 0, rules: 0, errors: [] });
  });
});

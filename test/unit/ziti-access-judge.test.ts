import { expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { AccessJudge, type AccessJudgeDeps } from '../../main/ziti/context/access-judge.ts';
import type { PostureCheck, ZitiService } from '../../main/ziti/model.ts';
import { ManualClock } from '../support/manual-clock.ts';

const check: PostureCheck = {
  id: 'os',
  policyId: 'p',
  policyType: 'Dial',
  queryType: 'OS',
  isPassing: false,
  timeoutSeconds: -1,
  promptOnWake: false,
  promptOnUnlock: false,
};
const web: ZitiService = {
  id: 'web',
  name: 'web',
  encryptionRequired: true,
  permissions: ['Dial'],
  configs: {},
  roleAttributes: [],
  terminatorStrategy: 'smartrouting',
  postureChecks: [],
};
const refused = new TunnelerError('ziti.controller.unauthenticated', 'no');

function judge(change: Partial<AccessJudgeDeps> = {}): { judge: AccessJudge; clock: ManualClock } {
  const clock = new ManualClock();
  const deps: AccessJudgeDeps = {
    clock,
    service: () => web,
    judge: () => 'router',
    state: () => ({ kind: 'ready' }),
    settled: () => true,
    confirm: () => Promise.resolve(),
    revalidateSession: () => undefined,
    closing: () => false,
    ...change,
  };
  return { judge: new AccessJudge(deps), clock };
}

it('says that access is kept, gone by policy, or gone by posture with the check', async () => {
  expect(await judge().judge.lost('web')).toBeUndefined();
  expect(await judge({ service: () => undefined }).judge.lost('web')).toMatchObject({
    code: 'ziti.dial.access_denied',
    details: { revoked: true },
  });
  const guarded = { ...web, postureChecks: [{ ...check, judged: 'router' as const }] };
  expect(await judge({ service: () => guarded }).judge.lost('web')).toMatchObject({
    code: 'ziti.dial.posture_failed',
    details: { failingChecks: [{ id: 'os', queryType: 'OS' }] },
  });
});

it('takes a controller’s word of posture only where it knows what this host has told', () => {
  const guarded = { ...web, postureChecks: [check] };
  expect(judge({ service: () => guarded }).judge.ended('web', 'Dial')).toBeUndefined();
  const told = judge({ service: () => guarded, judge: () => 'controller' }).judge;
  expect(told.ended('web', 'Dial')?.code).toBe('ziti.dial.posture_failed');
});

it('tells a disabled identity from a policy taken away', async () => {
  let settled = false;
  const { judge: one, clock } = judge({
    settled: () => settled,
    state: () => (settled ? { kind: 'unauthenticated', error: refused } : { kind: 'ready' }),
  });
  const asked = one.identityLost();
  await clock.advanceSlowly(100, 10);
  settled = true;
  await clock.advanceSlowly(20, 10);
  expect(await asked).toMatchObject({ code: 'identity.disabled' });
  expect(await judge().judge.identityLost()).toBeUndefined();
});

it('waits for an answer no longer than a far controller takes to give one', async () => {
  const { judge: one, clock } = judge({ confirm: () => new Promise(() => undefined), service: () => undefined });
  const asked = one.lost('web');
  await clock.advanceSlowly(1550, 50);
  expect(await asked).toMatchObject({ code: 'ziti.dial.access_denied' });
});

/** What a service's row says of whether it may be dialled or hosted at this moment. */
import type { PostureCheck, ZitiService } from '../model.ts';

/** Whose `isPassing` counts besides what routers push. */
export type PostureJudge = 'controller' | 'router';

/** Checks that stand in the way of `type` now; empty where nothing known does. One policy whose checks all pass is enough. */
export function failingChecks(
  service: ZitiService,
  type: 'Dial' | 'Bind',
  judge: PostureJudge,
): readonly PostureCheck[] {
  const checks = service.postureChecks.filter(({ policyType }) => policyType === type);
  const failing = checks.filter((check) => !check.isPassing && (check.judged === 'router' || judge === 'controller'));
  const bad = new Set(failing.map(({ policyId }) => policyId));
  return checks.every(({ policyId }) => bad.has(policyId)) ? failing : [];
}

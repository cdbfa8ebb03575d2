/** What the posture queries of a service say of a dial. */
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import type { PostureCheck } from '../ziti/model.ts';

export type PostureState =
  | { readonly kind: 'passing' }
  /** Failing, and whoever says so counts: a controller that judges, or the router that pushes its verdicts. */
  | { readonly kind: 'failing'; readonly reason: Reason }
  /** Failing by old news; the routers judge, so the dial is tried. */
  | { readonly kind: 'advisory'; readonly reason: Reason };

/** A dial needs one of the policies that grant it to have all its queries pass. */
export function postureOf(
  match: Pick<Match, 'service' | 'identity'>,
  authentication: 'oidc' | 'legacy' | undefined,
): PostureState {
  const checks = match.service.postureChecks.filter((check) => check.policyType === 'Dial');
  if (checks.length === 0) return { kind: 'passing' };
  const failing = checks.filter((check) => !check.isPassing);
  if (!closesEveryPolicy(checks, failing)) return { kind: 'passing' };
  const known = failing.filter((check) => authentication !== 'oidc' || check.judged === 'router');
  const decisive = closesEveryPolicy(checks, known);
  return { kind: decisive ? 'failing' : 'advisory', reason: reasonOf(match, decisive ? known : failing) };
}

/** A check as people can tell it from others: its name where it is known, what it asks, and its id at the controller. */
export function checkLabel({ id, name, queryType }: Pick<PostureCheck, 'id' | 'name' | 'queryType'>): string {
  return name === undefined ? `${queryType} (${id})` : `${name} (${queryType}, ${id})`;
}

function closesEveryPolicy(checks: readonly PostureCheck[], failing: readonly PostureCheck[]): boolean {
  const closed = new Set(failing.map(({ policyId }) => policyId));
  return checks.every(({ policyId }) => closed.has(policyId));
}

function reasonOf(
  { service, identity }: Pick<Match, 'service' | 'identity'>,
  failing: readonly PostureCheck[],
): Reason {
  const labels = [...new Set(failing.map(checkLabel))];
  const types = [...new Set(failing.map((check) => check.queryType))];
  return {
    code: 'posture.failed',
    sentence: `${service.name} asks for a posture this device does not meet: ${labels.join(', ')}`,
    next: types.includes('MFA')
      ? `Verify your TOTP code: culvert identity mfa verify ${identity}`
      : 'See the service for what each check asks, then meet it',
    details: { service: service.name, checks: labels, checkIds: [...new Set(failing.map(({ id }) => id))] },
    rule: failing.some(({ judged }) => judged === 'router') ? 'router:posture' : 'controller:posture',
  };
}

/** What the posture queries of a service say of a dial. */
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';

export type PostureState =
  | { readonly kind: 'passing' }
  /** Failing, and the controller's word counts. */
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
  const policies = new Map<string, boolean>();
  for (const check of checks) {
    policies.set(check.policyId, (policies.get(check.policyId) ?? true) && check.isPassing);
  }
  if ([...policies.values()].some((passing) => passing)) return { kind: 'passing' };
  const failing = [...new Set(checks.filter((check) => !check.isPassing).map((check) => check.queryType))];
  const reason: Reason = {
    code: 'posture.failed',
    sentence: `${match.service.name} asks for a posture this device does not meet: ${failing.join(', ')}`,
    next: failing.includes('MFA')
      ? `Verify your TOTP code: culvert identity mfa verify ${match.identity}`
      : 'See the service for what each check asks, then meet it',
    details: { checks: failing },
    rule: 'controller:posture',
  };
  return { kind: authentication === 'oidc' ? 'advisory' : 'failing', reason };
}

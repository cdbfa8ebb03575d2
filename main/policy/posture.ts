/** What the posture queries of a service say of a dial. */
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import type { PostureCheck } from '../ziti/model.ts';

/** What is known of a dial's posture, and whether that is reason enough to refuse it here. */
export type PostureState =
  | { readonly kind: 'passing' }
  /** Failing, and whoever says so counts: a controller that judges, or the router that pushes its verdicts. */
  | { readonly kind: 'failing'; readonly reason: Reason }
  /** Failing by old news; the routers judge, so the dial is tried. */
  | { readonly kind: 'advisory'; readonly reason: Reason };

/** What the posture of this device says of dialling a match. */
export function postureOf(
  match: Pick<Match, 'service' | 'identity'>,
  authentication: 'oidc' | 'legacy' | undefined,
): PostureState {
  const { postureChecks } = match.service;
  const failing = blockingChecks(postureChecks, 'Dial');
  if (failing.length === 0) return { kind: 'passing' };
  const known = blockingChecks(
    postureChecks,
    'Dial',
    (check) => authentication !== 'oidc' || check.judged === 'router',
  );
  return known.length > 0
    ? { kind: 'failing', reason: reasonOf(match, known) }
    : { kind: 'advisory', reason: reasonOf(match, failing) };
}

/** A check as people can tell it from others: its name where it is known, what it asks, and its id at the controller. */
export function checkLabel({ id, name, queryType }: Pick<PostureCheck, 'id' | 'name' | 'queryType'>): string {
  return name === undefined ? `${queryType} (${id})` : `${name} (${queryType}, ${id})`;
}

/**
 * The checks that stand in the way of dialling or hosting a service: one policy whose checks all pass suffices, so none do while there is
 * such a policy. `counts`: whether the word that a check fails is to be believed.
 */
export function blockingChecks(
  checks: readonly PostureCheck[],
  policyType: PostureCheck['policyType'],
  counts: (check: PostureCheck) => boolean = () => true,
): readonly PostureCheck[] {
  const asked = checks.filter((check) => check.policyType === policyType);
  const failing = asked.filter((check) => !check.isPassing && counts(check));
  const closed = new Set(failing.map(({ policyId }) => policyId));
  return asked.every(({ policyId }) => closed.has(policyId)) ? failing : [];
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
      ? `verify your TOTP code: culvert identity mfa verify ${identity}`
      : 'see the service for what each check asks, then meet it',
    details: { service: service.name, checks: labels, checkIds: [...new Set(failing.map(({ id }) => id))] },
    rule: failing.some(({ judged }) => judged === 'router') ? 'router:posture' : 'controller:posture',
  };
}

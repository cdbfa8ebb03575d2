/**
 * After local rules changed: what is open and would no longer be let in ends now, as it does when the controller takes a permission
 * away. Only who reaches what is asked again; how many and how often was judged when each was let in.
 */
import type { Clock } from '../../base/clock.ts';
import { sessionQuestion, type AuthorizationRequest } from '../../policy/local/questions.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Sessions, SessionSnapshot } from '../../session/sessions.ts';
import type { Identities } from '../identities/identities.ts';

/** The rules to ask and the sessions to ask them of. */
export interface ReconsiderDeps {
  readonly clock: Clock;
  readonly policy: Pick<Policy, 'ask'>;
  readonly identities: Pick<Identities, 'find'>;
  readonly sessions: Pick<Sessions, 'closeWhere' | 'openCount'>;
}

/** Close what the rules in force deny, as `policy_revoked`; the ids of what was closed. */
export function reconsiderSessions(deps: ReconsiderDeps): readonly string[] {
  return deps.sessions.closeWhere(
    (session) => deps.policy.ask(questionOf(session, deps)).kind === 'deny',
    'policy_revoked',
    { code: 'session.local_rules', sentence: 'local rules no longer allow it' },
  );
}

function questionOf(session: SessionSnapshot, deps: ReconsiderDeps): AuthorizationRequest {
  const runner = deps.identities.find(session.identity);
  return sessionQuestion(session, {
    nowMs: deps.clock.now(),
    service: runner?.services().find(({ id }) => id === session.serviceId),
    identity: runner?.facts(),
    openSessions: deps.sessions.openCount(session.serviceId) - 1,
  });
}

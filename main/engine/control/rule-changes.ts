/**
 * After local rules changed: what is open and would no longer be let in ends now, as it does when the controller takes a permission
 * away. Only who reaches what is asked again; how many and how often was judged when each was let in.
 */
import type { Clock } from '../../base/clock.ts';
import { parseHostPort } from '../../base/ip.ts';
import type { AuthorizationRequest } from '../../policy/local/questions.ts';
import type { Policy } from '../../policy/policy.ts';
import { postureOf } from '../../policy/posture.ts';
import type { Sessions, SessionSnapshot } from '../../session/sessions.ts';
import type { Identities } from '../identities/identities.ts';

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
  const { host, port } = parseHostPort(session.destination, 'destination');
  const runner = deps.identities.find(session.identity);
  const facts = runner?.facts();
  const service = runner?.services().find(({ id }) => id === session.serviceId);
  const posture =
    service === undefined || session.direction === 'host'
      ? 'unknown'
      : postureOf({ service, identity: session.identity }, facts?.authentication).kind;
  return {
    action: session.direction,
    app: session.app,
    identity: session.identity,
    service: { name: session.service, workgroups: service?.roleAttributes ?? [] },
    circumstances: {
      nowMs: deps.clock.now(),
      posture: posture === 'advisory' ? 'failing' : posture,
      mfaVerifiedAtMs: facts?.mfaVerifiedAtMs,
      openSessions: deps.sessions.openCount(session.serviceId) - 1,
      dialsLastMinute: 0,
      callsLastMinute: 0,
      protocol: session.protocol,
      hostname: host,
      port,
      entry: session.entry,
      caller: session.direction === 'host' ? session.source : '',
    },
  };
}

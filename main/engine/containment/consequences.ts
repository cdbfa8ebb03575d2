/** What follows from what happens in a session: violations, calls that a contract forbids, subjects cut off. */
import type { Clock } from '../../base/clock.ts';
import type { Reason } from '../../base/reason.ts';
import type { AlertView } from '../../api/views.ts';
import type { GuardCall } from '../../guard/guard.ts';
import { flowSubjects, quarantineSubject } from '../../policy/program.ts';
import type { Quarantine, QuarantineEntry, QuarantineEvent } from '../../policy/quarantine.ts';
import type { SessionEvent, Sessions, SessionSnapshot } from '../../session/sessions.ts';

/** A refusal of the guard is read by the application before its sockets go: the words of its protocol say more than a reset. */
const answerFirstMs = 50;

export interface ConsequencesDeps {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly quarantine: Quarantine;
  readonly onSession: (session: SessionSnapshot) => void;
  readonly onCall: (session: SessionSnapshot) => void;
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
  readonly refresh: () => void;
}

export interface Consequences {
  session(event: SessionEvent): void;
  quarantined(event: QuarantineEvent): void;
}

export function createConsequences(deps: ConsequencesDeps): Consequences {
  const { sessions } = deps;

  /** The guard has refused the call in its protocol's own words; where the contract asks for more than that, it follows here. */
  const forbiddenCall = (session: SessionSnapshot, call: GuardCall): void => {
    const action = session.contract?.onViolation;
    if ((action !== 'alert' && action !== 'quarantine') || !isForbidden(call)) return;
    const why: Reason = {
      code: 'guard.call_forbidden',
      sentence: `${call.method} ${call.target} is forbidden by ${call.rule ?? 'its contract'}`,
      details: { call: `${call.method} ${call.target}`, rule: call.rule ?? 'contract' },
    };
    deps.raise({
      severity: action === 'alert' ? 'warning' : 'critical',
      kind: 'contract-violation',
      ...violation(session.service, why),
      session: session.id,
    });
    if (action === 'alert') return;
    const subject = quarantineSubject(session.app) ?? `identity:${session.identity}`;
    deps.clock.after(answerFirstMs, () => deps.quarantine.add(subject, why, 'contract'));
  };

  return {
    session(event) {
      deps.onSession(event.session);
      if (event.kind === 'called') {
        deps.onCall(event.session);
        forbiddenCall(event.session, event.call);
      }
      if (event.kind === 'violated') {
        const { session, reason } = event;
        deps.raise({
          severity: 'critical',
          kind: 'contract-violation',
          ...violation(session.service, reason),
          session: session.id,
        });
        if (session.contract?.onViolation === 'quarantine') {
          const subject = quarantineSubject(session.app) ?? `identity:${session.identity}`;
          deps.quarantine.add(subject, reason, 'contract');
        }
      }
      if (event.kind === 'opened' || event.kind === 'closed') deps.refresh();
    },
    quarantined(event) {
      const { subject, cause, by } = event.entry;
      const details = { subject, cause: causeOf(event.entry) };
      if (event.kind === 'added') {
        sessions.closeWhere((session) => isSubject(session, subject), 'quarantined', {
          code: 'policy.quarantined',
          sentence: cause,
          details,
        });
        if (by !== 'operator') {
          deps.raise({
            severity: 'critical',
            kind: 'quarantine',
            text: `${subject} was cut off: ${cause}`,
            code: 'policy.quarantined',
            details,
            subject,
          });
        }
      }
      deps.refresh();
    },
  };
}

function violation(service: string, cause: Reason): Pick<AlertView, 'text' | 'code' | 'details'> {
  return { text: `${service}: ${cause.sentence}`, code: 'alert.violation', details: { service, cause } };
}

/** A cause that other languages can say as well, where Culvert said it. */
function causeOf({ cause, said }: QuarantineEntry): string | Reason {
  return said === undefined ? cause : { ...said, sentence: cause };
}

/** What the contract never lets pass, not what it has no more budget for, what somebody did not approve, what its service changed, or what a client tries first. */
function isForbidden(call: GuardCall): boolean {
  const { decision, rule = '' } = call;
  if (decision !== 'deny' || !rule.startsWith('contract:')) return false;
  return !/^contract:(mcp\.(rateLimit|maxCalls|ask|pin)|http\.(tokenBudget|websocket))/.test(rule);
}

/** True where a session belongs to a quarantine subject. */
export function isSubject(session: SessionSnapshot, subject: string): boolean {
  return (
    subject === `session:${session.id}` ||
    flowSubjects(session.app, session.service, session.identity).includes(subject)
  );
}

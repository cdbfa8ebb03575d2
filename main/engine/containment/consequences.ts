/** What follows from what happens in a session: violations, and subjects cut off. */
import { defined } from '../../base/defined.ts';
import type { Reason } from '../../base/reason.ts';
import type { AlertView } from '../../api/views.ts';
import { flowSubjects, quarantineSubject } from '../../policy/program.ts';
import {
  quarantinedReason,
  type Quarantine,
  type QuarantineEntry,
  type QuarantineEvent,
} from '../../policy/quarantine.ts';
import type { SessionEvent, Sessions, SessionSnapshot } from '../../session/sessions.ts';

/** What is cut, and who is told. */
export interface ConsequencesDeps {
  readonly sessions: Sessions;
  readonly quarantine: Quarantine;
  readonly onSession: (session: SessionSnapshot) => void;
  readonly onCall: (session: SessionSnapshot) => void;
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
  readonly refresh: () => void;
}

/** To be told of every event of sessions and of the quarantine. */
export interface Consequences {
  session(event: SessionEvent): void;
  quarantined(event: QuarantineEvent): void;
}

/** Acts on each event at once. */
export function createConsequences(deps: ConsequencesDeps): Consequences {
  const { sessions } = deps;

  return {
    session(event) {
      // What the guard refused, it refused in the protocol's own words: recorded, and no violation. Clients see calls with the next gathering:
      // a view of the whole session for each of thousands a second would cost more than judging them.
      if (event.kind === 'called') {
        deps.onCall(event.session);
        return;
      }
      deps.onSession(event.session);
      if (event.kind === 'violated') {
        const { session, reason } = event;
        deps.raise({
          severity: 'critical',
          kind: 'contract-violation',
          ...told('alert.violation', session.service, reason),
          session: session.id,
        });
        if (session.contract?.onViolation === 'quarantine') {
          const subject = culpritOf(session);
          if (subject !== undefined) deps.quarantine.add(subject, reason, 'contract');
        }
      }
      if (event.kind === 'warned') {
        const { session, reason } = event;
        const text = told('alert.budget', session.service, reason);
        deps.raise({ severity: 'warning', kind: 'budget', ...text, session: session.id });
      }
      if (event.kind === 'opened' || event.kind === 'closed') deps.refresh();
    },
    quarantined(event) {
      const { subject, by } = event.entry;
      if (event.kind === 'added') {
        const reason = quarantinedReason(subject, causeOf(event.entry));
        sessions.closeWhere((session) => isSubject(session, subject), 'quarantined', reason);
        if (by !== 'operator') {
          const { code, sentence: text, details } = reason;
          deps.raise({ severity: 'critical', kind: 'quarantine', text, code, ...defined({ details }), subject });
        }
      }
      deps.refresh();
    },
  };
}

function told(
  code: 'alert.violation' | 'alert.budget',
  service: string,
  cause: Reason,
): Pick<AlertView, 'text' | 'code' | 'details'> {
  return { text: `${service}: ${cause.sentence}`, code, details: { service, cause } };
}

/** A cause that other languages can say as well, where Culvert said it. */
function causeOf({ cause, said }: QuarantineEntry): string | Reason {
  return said === undefined ? cause : { ...said, sentence: cause };
}

/** True where a session belongs to a quarantine subject. */
export function isSubject(session: SessionSnapshot, subject: string): boolean {
  return (
    subject === `session:${session.id}` ||
    flowSubjects(session.app, session.service, session.identity).includes(subject) ||
    callerSubjects(session).includes(subject)
  );
}

/**
 * Whom a broken contract cuts off: the program here, or who dialled what is hosted here, never the identity that hosts it. Undefined for a
 * caller that nobody vouches for: its session has ended, and whoever else is nameless is somebody else.
 */
function culpritOf(session: SessionSnapshot): string | undefined {
  if (session.direction === 'host') return callerSubjects(session)[0];
  return quarantineSubject(session.app) ?? `identity:${session.identity}`;
}

/** Under which subjects the caller of a hosted session is held, as its next dial is asked about. */
function callerSubjects({ caller, source }: SessionSnapshot): readonly string[] {
  if (caller === undefined || caller.asserted === 'nobody') return [];
  return [`identity:${source}`, `identity:${caller.account}`];
}

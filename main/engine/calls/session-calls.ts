/** The calls of groups `session` and `quarantine`: what is open, closed by hand, and cut off. */
import type { EngineHandlers } from '../../api/schema.ts';
import type { Reason } from '../../base/reason.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import { isSubject } from '../containment/consequences.ts';
import { quarantineView, releaseFrom } from '../containment/quarantine.ts';
import { sessionView } from '../views/views.ts';
import { attend, type AttendingDeps } from './attending.ts';
import { unknownSession } from './unknown-session.ts';

const byHand: Reason = { code: 'session.by_hand', sentence: 'closed by hand' };

/** The handlers of group `session`. */
export function sessionCalls(
  deps: Omit<AttendingDeps, 'sessions'> & { readonly sessions: Sessions },
): EngineHandlers['session'] {
  const { sessions } = deps;
  return {
    list: () => sessions.list().map(sessionView),
    close({ ids }) {
      const closed = ids.filter((id) => sessions.close(id, 'consumer_close', byHand));
      if (closed.length === 0) throw unknownSession(ids);
      return { closed };
    },
    attend: (request, context) => attend(request, deps, context),
    closeApp: ({ app }) => ({
      closed: sessions.closeWhere((session) => isSubject(session, `app:${app}`), 'consumer_close', byHand),
    }),
  };
}

/** The handlers of group `quarantine`. */
export function quarantineCalls(quarantine: Quarantine): EngineHandlers['quarantine'] {
  return {
    list: () => quarantine.list().map(quarantineView),
    add: ({ subject, cause }) => quarantineView(quarantine.add(subject, cause ?? 'by hand', 'operator')),
    release: ({ subject }) => releaseFrom(quarantine, subject),
  };
}

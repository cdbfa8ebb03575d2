/** The calls of groups `session` and `quarantine`: what is open, closed by hand, and cut off. */
import type { EngineHandlers } from '../../api/schema.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import { isSubject } from '../containment/consequences.ts';
import { quarantineView, releaseFrom } from '../containment/quarantine.ts';
import { sessionView } from '../views/views.ts';

const byHand: Reason = { code: 'session.by_hand', sentence: 'closed by hand' };

/** The handlers of group `session`. */
export function sessionCalls(sessions: Sessions): EngineHandlers['session'] {
  return {
    list: () => sessions.list().map(sessionView),
    close({ ids }) {
      const closed = ids.filter((id) => sessions.close(id, 'consumer_close', byHand));
      if (closed.length === 0) throw unknownSession(ids);
      return { closed };
    },
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

/** What is said where none of these sessions is open. */
export function unknownSession(ids: readonly string[]): TunnelerError {
  return new TunnelerError('session.unknown', `no open session: ${ids.join(', ')}`, {
    details: { missing: ids, next: 'culvert sessions lists those there are' },
  });
}

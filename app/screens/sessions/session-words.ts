/** How a session is put in words. */
import type { SessionView } from '../../../main/api/views.ts';
import type { Tone } from '../../parts/Pieces.tsx';
import { programOf } from '../../store/selectors.ts';
import type { Details } from '../../text/reasons.ts';
import type { Text } from '../../text/text.ts';

/** How a session stands, or ended. */
export function sessionTone(session: SessionView): Tone {
  if (session.state === 'open') return 'live';
  return session.closeReason === 'consumer_close' ||
    session.closeReason === 'provider_close' ||
    session.closeReason === 'idle_timeout'
    ? 'off'
    : 'bad';
}

/** A session's state; of a closed one why it closed. */
export function sessionStateText(session: SessionView, t: Text): string {
  if (session.state !== 'closed') return t(`session.state.${session.state}`);
  return session.closeReason === undefined ? t('session.state.closed') : t(`close.${session.closeReason}`);
}

/** Why it closed: what the engine knows of it, else the reason alone. */
export function closeText(session: SessionView, t: Text): string {
  const { closeCode: code, closeDetail: sentence, closeDetails: details } = session;
  if (sentence === undefined) return sessionStateText(session, t);
  return t.reason({ code, sentence, details }, aboutSession(session)).sentence;
}

/** What a reason beside this session is about. */
export function aboutSession({ service, identity, destination, app }: SessionView): Details {
  return { service, identity, destination, subject: app.agent ?? app.path ?? service };
}

/** The program's name as a person knows it; a hosted session shows who called. */
export function programText(session: SessionView, t: Text): string {
  if (session.direction === 'host') return session.source;
  return programOf(session) ?? t('session.unknownProgram');
}

/** What stands under the name: agent or program, whose, which process. */
export function programSub(session: SessionView, t: Text): string {
  const { app } = session;
  if (session.direction === 'host') return t('session.hosted');
  return [
    app.agent === undefined ? undefined : t('session.agent'),
    app.user,
    app.pid === undefined || app.agent !== undefined ? undefined : t('session.pid', { pid: app.pid }),
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}

/** Everything a search looks at, lower case. */
export function searchableText(session: SessionView): string {
  const { app } = session;
  return [
    session.service,
    session.identity,
    session.destination,
    app.agent,
    app.path,
    app.script,
    app.user,
    session.router,
    session.closeReason,
  ]
    .filter((part) => part !== undefined)
    .join('\n')
    .toLowerCase();
}

/** How long it has lived, or lived. */
export function ageMs(session: SessionView, nowMs: number): number {
  return (session.endedAt === undefined ? nowMs : Date.parse(session.endedAt)) - Date.parse(session.startedAt);
}

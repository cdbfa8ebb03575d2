/** Attending: whoever answers for a session sees what is done in it, as it happens. That somebody looked on is recorded. */
import type { Caller, HandlerContext } from '../../api/call.ts';
import type { AttendedItem } from '../../api/attended.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { iso } from '../../base/iso.ts';
import type { GuardCall } from '../../guard/guard.ts';
import type { Approval, Approvals } from '../../policy/approvals.ts';
import type { SessionEvent, Sessions, SessionSnapshot } from '../../session/sessions.ts';
import { isUnder } from '../containment/approvals.ts';
import { sessionView } from '../views/views.ts';
import { unknownSession } from './unknown-session.ts';

/** What is looked at. */
export interface AttendingDeps {
  readonly sessions: Pick<Sessions, 'get' | 'list' | 'subscribe'>;
  readonly approvals: Pick<Approvals, 'get' | 'events'>;
  readonly audit: AuditWriter;
}

/** Items a slow onlooker may be behind; then the oldest go, and he is told how many. */
const maxQueued = 1_024;

/** One session until it ends; or with an approval's id all sessions under it, those to come included, until that is over. */
export async function* attend(
  { id }: { readonly id: string },
  deps: AttendingDeps,
  { caller, signal }: HandlerContext,
): AsyncGenerator<AttendedItem> {
  const watched = watchedBy(id, deps);
  deps.audit.record({ kind: 'session.attended', ...watched.facts, by: nameOf(caller) });
  const queue: AttendedItem[] = watched.open.map((session) => ({ kind: 'opened', session: sessionView(session) }));
  let missed = 0;
  let isOver = false;
  let wake: () => void = () => undefined;
  const push = (item: AttendedItem): void => {
    queue.push(item);
    if (queue.length > maxQueued) {
      queue.shift();
      missed += 1;
    }
    wake();
  };
  const end = (): void => {
    isOver = true;
    wake();
  };
  using _sessions = deps.sessions.subscribe((event) => {
    if (!watched.isIt(event.session)) return;
    const item = itemOf(event);
    if (item !== undefined) push(item);
    if (event.kind === 'closed' && watched.approval === undefined) end();
  });
  using _approvals = deps.approvals.events.subscribe((row) => {
    if (row.id === watched.approval && (row.state === 'denied' || row.state === 'expired')) end();
  });
  signal.addEventListener('abort', end, { once: true });
  while (!signal.aborted) {
    if (missed > 0) {
      yield { kind: 'missed', count: missed };
      missed = 0;
    }
    const next = queue.shift();
    if (next !== undefined) yield next;
    else if (isOver) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

interface Watched {
  readonly approval: string | undefined;
  readonly open: readonly SessionSnapshot[];
  /** For the record. */
  readonly facts: Readonly<Record<string, unknown>>;
  isIt(session: SessionSnapshot): boolean;
}

function watchedBy(id: string, { sessions, approvals }: AttendingDeps): Watched {
  const row = approvals.get(id);
  if (row !== undefined) return underApproval(row, sessions);
  const session = sessions.get(id);
  if (session?.state !== 'open') throw unknownSession([id]);
  return {
    approval: undefined,
    open: [session],
    facts: { session: id, service: session.service, identity: session.identity },
    isIt: (other) => other.id === id,
  };
}

function underApproval(row: Approval, sessions: AttendingDeps['sessions']): Watched {
  if (row.state === 'denied' || row.state === 'expired') {
    throw new TunnelerError('approvals.answered', `${row.id} is ${row.state} already`, {
      details: { state: row.state },
    });
  }
  const isIt = (session: SessionSnapshot): boolean => isUnder(row, session);
  return {
    approval: row.id,
    open: sessions.list().filter((session) => session.state === 'open' && isIt(session)),
    facts: { approval: row.id, service: row.holder.service, identity: row.holder.identity },
    isIt,
  };
}

function itemOf(event: SessionEvent): AttendedItem | undefined {
  const { session } = event;
  switch (event.kind) {
    case 'opened':
      return { kind: 'opened', session: sessionView(session) };
    case 'called':
      return callItem(session.id, event.call);
    case 'violated':
    case 'warned':
      return { kind: 'warned', session: session.id, sentence: event.reason.sentence };
    case 'closed': {
      const { closeReason, closeWhy } = session;
      return {
        kind: 'closed',
        session: session.id,
        ...defined({ reason: closeReason, detail: closeWhy?.sentence }),
      };
    }
    default:
      return undefined;
  }
}

function callItem(session: string, call: GuardCall): AttendedItem {
  const { method, target, decision, rule, reason, observed, failed, durationMs } = call;
  return {
    kind: 'call',
    session,
    at: iso(call.startedAtMs),
    method,
    target,
    decision,
    ...defined({ rule, reason, observed, failed, durationMs, arguments: call.arguments }),
  };
}

function nameOf({ user, uid, via }: Caller): string {
  return user ?? (uid === undefined ? via : `uid ${uid}`);
}

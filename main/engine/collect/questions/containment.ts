/** What happened when access was taken: for each device that learnt of it, which sessions it was taken from, and how soon the last of them was gone. */
import type { FleetContainmentView } from '../../../api/record-views.ts';
import { defined } from '../../../base/defined.ts';
import { groupBy } from '../../../base/group-by.ts';
import type { FleetHit } from '../fleet-store.ts';
import { fieldOf, LeftOut, momentsOf, recordsOf, type FleetRecords, type Moment } from './records.ts';

const events = ['service.lost', 'quarantine.added', 'identity.changed'];
const lives = ['session.opened', 'session.closed', 'engine.started'];
/** Sessions are reset before the event is written: those that ended for its reason so shortly before it belong to it. */
const justBeforeMs = 10_000;
/** Whoever is longer in than this was not contained. */
const lateMs = 10_000;

/** Since when, and of which device. */
export interface ContainmentQuery {
  readonly device?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Newest first. */
export async function containmentOf(store: FleetRecords, query: ContainmentQuery): Promise<FleetContainmentView[]> {
  const momentOf = await momentsOf(store);
  const { device, since, until } = query;
  const left = new LeftOut();
  const asked = new Set((await recordsOf(store, left, events, { device, since, until })).map(keyOf));
  // Sessions have a life before and after the time that is asked for.
  const records = await recordsOf(store, left, [...events, ...lives], { device });
  const rows: FleetContainmentView[] = [];
  for (const journal of groupBy(records, ({ origin }) => origin).values()) {
    for (const taking of takingsIn(journal, momentOf)) {
      if (asked.has(keyOf(taking.event))) {
        rows.push({ ...toView(taking), ...left.of(taking.event.device) });
      }
    }
  }
  return rows.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

function keyOf({ origin, branch, record }: FleetHit): string {
  return `${origin} ${branch} ${record.seq}`;
}

interface Session {
  readonly opened: FleetHit;
  /** It goes by the name its identity has now. */
  identity: string;
  endedMs?: number;
  reason?: string;
}

interface Taking {
  readonly event: FleetHit;
  readonly atMs: number;
  readonly cut: Cut;
  /** Whom it was taken from. */
  readonly sessions: readonly Session[];
}

/** One journal from its beginning. What becomes of the sessions later is known when all of it was read. */
function takingsIn(journal: readonly FleetHit[], momentOf: Moment): Taking[] {
  const open = new Map<string, Session>();
  const ended: Session[] = [];
  const takings: Taking[] = [];
  const end = (id: string, session: Session, endedMs: number, reason: string): void => {
    open.delete(id);
    Object.assign(session, { endedMs, reason });
    if (reasons.has(reason)) ended.push(session);
  };
  for (const hit of journal) {
    const [id, identity, atMs] = [fieldOf(hit, 'session'), fieldOf(hit, 'identity'), momentOf(hit)];
    switch (hit.record.kind) {
      case 'session.opened':
        open.set(id, { opened: hit, identity });
        continue;
      case 'session.closed':
        // Where its opening is no longer kept, its end tells as much.
        end(id, open.get(id) ?? { opened: hit, identity }, atMs, fieldOf(hit, 'reason'));
        continue;
      case 'engine.started':
        // None outlives the engine; how long before it ended nobody wrote down.
        for (const [of, session] of open) end(of, session, atMs, '');
        continue;
      case 'identity.changed':
        for (const session of open.values()) {
          if (session.identity === fieldOf(hit, 'before')) session.identity = identity;
        }
    }
    const cut = cutBy(hit);
    if (cut === undefined) continue;
    while (ended[0]?.endedMs !== undefined && atMs - ended[0].endedMs > justBeforeMs) ended.shift();
    const justEnded = ended.filter(
      ({ endedMs = atMs, reason = '' }) => cut.reasons.includes(reason) && Math.abs(atMs - endedMs) <= justBeforeMs,
    );
    takings.push({ event: hit, atMs, cut, sessions: [...justEnded, ...open.values()].filter(cut.takes) });
  }
  return takings;
}

function toView({ event, atMs, cut, sessions }: Taking): FleetContainmentView {
  const ends = sessions.flatMap(({ endedMs }) => endedMs ?? []);
  const stillOpen = sessions.length - ends.length;
  const lastAfterMs = ends.length === 0 ? undefined : Math.max(atMs, ...ends) - Math.min(atMs, ...ends);
  return {
    device: event.device,
    at: new Date(atMs).toISOString(),
    what: cut.what,
    subject: cut.subject,
    sessions: sessions.length,
    stillOpen,
    ...defined({ lastAfterMs }),
    contained: stillOpen === 0 && (lastAfterMs ?? 0) <= lateMs,
  };
}

const reasons = new Set(['policy_revoked', 'quarantined', 'identity_disabled']);

interface Cut {
  readonly what: FleetContainmentView['what'];
  readonly subject: string;
  /** Why sessions end by it. */
  readonly reasons: readonly string[];
  readonly takes: (session: Session) => boolean;
}

function cutBy(event: FleetHit): Cut | undefined {
  const identity = fieldOf(event, 'identity');
  switch (event.record.kind) {
    case 'service.lost': {
      // Nobody took anything: the engine stopped, or the identity was locked or disabled here.
      if (fieldOf(event, 'cause') === 'stopped') return undefined;
      const service = fieldOf(event, 'service');
      const hosts = fieldOf(event, 'permission') === 'Bind';
      const takes = (session: Session): boolean => {
        const direction = fieldOf(session.opened, 'direction');
        const isItsEnd = direction === '' || (direction === 'host') === hosts;
        return session.identity === identity && fieldOf(session.opened, 'service') === service && isItsEnd;
      };
      return { what: 'revoked', subject: `${identity} → ${service}`, reasons: [...reasons], takes };
    }
    case 'quarantine.added': {
      const subject = fieldOf(event, 'subject');
      const [kind = '', ...name] = subject.split(':');
      const wanted = name.join(':');
      const fields = kind === 'app' ? ['app', 'agent'] : [kind];
      const takes = (session: Session): boolean =>
        kind === 'identity'
          ? session.identity === wanted
          : fields.some((field) => fieldOf(session.opened, field) === wanted);
      return { what: 'quarantined', subject, reasons: ['quarantined'], takes };
    }
    case 'identity.changed': {
      if (event.record['enabled'] !== false) return undefined;
      const takes = (session: Session): boolean => session.identity === identity;
      return { what: 'disabled', subject: identity, reasons: ['identity_disabled'], takes };
    }
    default:
      return undefined;
  }
}

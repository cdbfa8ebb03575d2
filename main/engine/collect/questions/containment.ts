/** What happened when access was taken: for each device that learnt of it, how many sessions ended and how soon the last of them did. */
import type { FleetContainmentView } from '../../../api/record-views.ts';
import { groupBy } from '../../../base/group-by.ts';
import type { FleetHit } from '../fleet-store.ts';
import { fieldOf, momentsOf, recordsOf, type FleetRecords } from './records.ts';

const events = ['service.lost', 'quarantine.added', 'identity.changed'];
/** Sessions that ended within this of the event belong to it; they are reset before the event is written. */
const windowMs = 10_000;

/** Since when, and of which device. */
export interface ContainmentQuery {
  readonly device?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Newest first. */
export async function containmentOf(store: FleetRecords, query: ContainmentQuery): Promise<FleetContainmentView[]> {
  const momentOf = await momentsOf(store);
  const closed = (await recordsOf(store, ['session.closed'], query)).filter((hit) =>
    reasons.has(fieldOf(hit, 'reason')),
  );
  const byDevice = groupBy(closed, ({ origin }) => origin);
  const rows: FleetContainmentView[] = [];
  for (const event of await recordsOf(store, events, query)) {
    const cut = cutBy(event);
    if (cut === undefined) continue;
    const at = momentOf(event);
    const ends = (byDevice.get(event.origin) ?? [])
      .filter((hit) => hit.branch === event.branch && cut.ends(hit) && Math.abs(momentOf(hit) - at) <= windowMs)
      .map(momentOf);
    const began = Math.min(at, ...ends);
    rows.push({
      device: event.device,
      at: new Date(at).toISOString(),
      what: cut.what,
      subject: cut.subject,
      sessions: ends.length,
      ...(ends.length === 0 ? {} : { lastAfterMs: Math.max(at, ...ends) - began }),
    });
  }
  return rows.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

const reasons = new Set(['policy_revoked', 'quarantined', 'identity_disabled']);

interface Cut {
  readonly what: FleetContainmentView['what'];
  readonly subject: string;
  readonly ends: (closed: FleetHit) => boolean;
}

function cutBy(event: FleetHit): Cut | undefined {
  const identity = fieldOf(event, 'identity');
  switch (event.record.kind) {
    case 'service.lost': {
      // Nobody took anything: the engine stopped, or the identity was locked or disabled here.
      if (fieldOf(event, 'cause') === 'stopped') return undefined;
      const service = fieldOf(event, 'service');
      const ends = (closed: FleetHit): boolean =>
        fieldOf(closed, 'service') === service && fieldOf(closed, 'identity') === identity;
      return { what: 'revoked', subject: `${identity} → ${service}`, ends };
    }
    case 'quarantine.added': {
      const subject = fieldOf(event, 'subject');
      const [kind = '', ...name] = subject.split(':');
      const wanted = name.join(':');
      const fields = kind === 'app' ? ['app', 'agent'] : [kind];
      const ends = (closed: FleetHit): boolean =>
        fieldOf(closed, 'reason') === 'quarantined' && fields.some((field) => fieldOf(closed, field) === wanted);
      return { what: 'quarantined', subject, ends };
    }
    default: {
      if (event.record['enabled'] !== false) return undefined;
      const ends = (closed: FleetHit): boolean =>
        fieldOf(closed, 'identity') === identity && fieldOf(closed, 'reason') === 'identity_disabled';
      return { what: 'disabled', subject: identity, ends };
    }
  }
}

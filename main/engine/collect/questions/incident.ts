/** An incident put together again: what a search finds, and all else that happened in the sessions it touches, on one time line over devices. */
import type { FleetIncidentView, FleetSessionView } from '../../../api/record-views.ts';
import type { FleetHit, FleetQuery } from '../fleet-store.ts';
import { fieldOf, momentsOf, type FleetRecords } from './records.ts';

/** Sessions that are followed to their beginning and end, and records over all of them: a device writes as many as it likes. */
const maxSessions = 200;
const maxRecords = 20_000;

/** The newest records that match, their sessions, and the other ends of those. */
export async function incidentOf(store: FleetRecords, query: FleetQuery): Promise<FleetIncidentView> {
  const momentOf = await momentsOf(store);
  const found = await store.search(query);
  const sessions = new Set(found.map((hit) => fieldOf(hit, 'session')).filter((id) => id !== ''));
  const records = new Map(found.map((hit) => [keyOf(hit), hit]));
  let followed = 0;
  for (const session of sessions) {
    const room = maxRecords - records.size;
    if (followed === maxSessions || room <= 0) break;
    for (const hit of await store.search({ session, limit: room })) records.set(keyOf(hit), hit);
    followed += 1;
  }
  const timeline = [...records.values()]
    .map((hit) => ({ hit, atMs: momentOf(hit) }))
    .sort((a, b) => a.atMs - b.atMs || a.hit.record.seq - b.hit.record.seq);
  const named = (field: string): string[] =>
    [...new Set(timeline.map(({ hit }) => fieldOf(hit, field)).filter((value) => value !== ''))].sort();
  return {
    devices: [...new Set(timeline.map(({ hit }) => hit.device))].sort(),
    agents: named('agent'),
    identities: named('identity'),
    services: named('service'),
    tools: named('tool'),
    sessions: sessionsOf(timeline),
    ...(sessions.size > followed ? { sessionsLeftOut: sessions.size - followed } : {}),
    timeline: timeline.map(({ hit: { record, device, origin, branch, receivedAt }, atMs }) => ({
      ...record,
      device,
      origin,
      branch,
      receivedAt,
      at: new Date(atMs).toISOString(),
    })),
  };
}

function keyOf({ origin, branch, record }: FleetHit): string {
  return `${origin} ${branch} ${record.seq}`;
}

function sessionsOf(timeline: readonly { readonly hit: FleetHit; readonly atMs: number }[]): FleetSessionView[] {
  const rows = new Map<string, FleetSessionView>();
  for (const { hit, atMs } of timeline) {
    const session = fieldOf(hit, 'session');
    if (session === '') continue;
    const key = `${hit.origin} ${session}`;
    const at = new Date(atMs).toISOString();
    const before = rows.get(key) ?? { session, device: hit.device, calls: 0, denied: 0 };
    const isCall = hit.record.kind === 'call';
    rows.set(key, {
      ...before,
      ...textFields(hit, ['service', 'identity', 'agent', 'app']),
      ...(hit.record.kind === 'session.opened' ? { openedAt: at } : {}),
      ...(hit.record.kind === 'session.closed' ? { closedAt: at, closeReason: fieldOf(hit, 'reason') } : {}),
      calls: before.calls + (isCall ? 1 : 0),
      denied: before.denied + (isCall && hit.record['decision'] === 'deny' ? 1 : 0),
    });
  }
  return [...rows.values()];
}

function textFields(hit: FleetHit, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, fieldOf(hit, name)]).filter(([, value]) => value !== ''));
}

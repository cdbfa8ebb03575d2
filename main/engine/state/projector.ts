/** Keeps the clients' state in step with the rooms: what changed goes out at once, counters with the next gathering. */
import type { Clock } from '../../base/clock.ts';
import { disposable } from '../../base/lifecycle.ts';
import { serviceKey, type StateChange } from '../../api/state.ts';
import type { ApprovalView } from '../../api/approval-view.ts';
import type {
  AgentView,
  DnsView,
  IdentityView,
  PolicyView,
  QuarantineView,
  RouterView,
  ServiceView,
  SessionView,
  StatusView,
} from '../../api/views.ts';
import type { SessionSnapshot } from '../../session/sessions.ts';
import type { StateHub } from './state-hub.ts';
import { sessionView } from '../views/views.ts';

/** Where the views come from: asked when something changed, and only then. */
export interface ViewSources {
  status(): StatusView;
  identities(): readonly IdentityView[];
  services(): readonly ServiceView[];
  routers(): readonly RouterView[];
  agents(): readonly AgentView[];
  quarantine(): readonly QuarantineView[];
  approvals(): readonly ApprovalView[];
  sessions(): readonly SessionSnapshot[];
  dns(): DnsView;
  policy(): PolicyView;
}

/** To be told when something changed. */
export interface Projector extends Disposable {
  /** Something about identities, their services or routers changed: compare and tell what differs, at once unless it was just done. */
  refresh(): void;
  session(snapshot: SessionSnapshot): void;
}

/** Views are made anew this often at most, and for a tenth of the time: each session that opens or closes asks for it. */
const refreshMs = 50;
const refreshRest = 9;
/** Counters are looked at this often while somebody listens; less often where there are very many sessions. */
const countersMs = 100;
const countersMsPerSession = 0.25;
const forgetEveryTurns = 50;

/** Compares views with what was told last, and tells the hub what differs. */
export function createProjector(deps: { clock: Clock; hub: StateHub; sources: ViewSources }): Projector {
  const { clock, hub, sources } = deps;
  const told = new Map<string, string>();
  /** What was last counted of each session that clients know. */
  const counted = new Map<string, number>();
  let turns = 0;
  let scheduled = false;
  let refreshAtMs = 0;
  let refreshing: Disposable | undefined;
  let closed = false;
  let timer: Disposable | undefined;

  /** Changes between what was told of a keyed kind and what stands now. */
  const differences = <V>(
    kind: 'identity' | 'service' | 'router' | 'agent' | 'quarantine' | 'approval',
    rows: readonly V[],
    keyOf: (row: V) => string,
  ): StateChange[] => {
    const changes: StateChange[] = [];
    const seen = new Set<string>();
    for (const row of rows) {
      const key = keyOf(row);
      const id = `${kind}/${key}`;
      const text = JSON.stringify(row);
      seen.add(id);
      if (told.get(id) === text) continue;
      told.set(id, text);
      changes.push({ kind: `${kind}-changed`, key, value: row } as unknown as StateChange);
    }
    for (const id of [...told.keys()]) {
      if (!id.startsWith(`${kind}/`) || seen.has(id)) continue;
      told.delete(id);
      changes.push({ kind: `${kind}-removed`, key: id.slice(kind.length + 1) });
    }
    return changes;
  };

  const single = <K extends 'status' | 'dns' | 'policy'>(kind: K, value: unknown): StateChange[] => {
    const text = JSON.stringify(value);
    if (told.get(kind) === text) return [];
    told.set(kind, text);
    return [{ kind: `${kind}-changed`, value } as unknown as StateChange];
  };

  const refreshNow = (): void => {
    scheduled = false;
    if (closed) return;
    const startedMs = clock.monotonic();
    hub.change(
      ...differences('identity', sources.identities(), (row) => row.name),
      ...differences('service', sources.services(), (row) => serviceKey(row.identity, row.id)),
      ...differences('router', sources.routers(), (row) => `${row.identity}/${row.name}`),
      ...differences('agent', sources.agents(), (row) => row.name),
      ...differences('quarantine', sources.quarantine(), (row) => row.subject),
      ...differences('approval', sources.approvals(), (row) => row.id),
      ...single('dns', sources.dns()),
      ...single('policy', sources.policy()),
      ...single('status', sources.status()),
    );
    const endedMs = clock.monotonic();
    refreshAtMs = endedMs + Math.max(refreshMs, (endedMs - startedMs) * refreshRest);
  };

  const count = (): void => {
    if (closed) return;
    turns += 1;
    const forget = turns % forgetEveryTurns === 0;
    const observed = hub.observed();
    const sessions = forget || observed ? sources.sessions() : [];
    if (forget) forgetClosed(sessions);
    for (const session of observed ? sessions : []) {
      if (session.state === 'closed') continue;
      const sum = session.bytesSent + session.bytesReceived + session.calls + session.timeline.length;
      if (counted.get(session.id) === sum) continue;
      counted.set(session.id, sum);
      hub.gather({ kind: 'session-changed', key: session.id, value: sessionView(session) });
    }
    if (observed) hub.gather(...single('status', sources.status()));
    timer = clock.after(Math.max(countersMs, sessions.length * countersMsPerSession), count);
  };
  /** Closed rows stay for a while; then clients are told to drop them. */
  const forgetClosed = (sessions: readonly SessionSnapshot[]): void => {
    const kept = new Set(sessions.map((session) => session.id));
    for (const id of [...counted.keys()]) {
      if (kept.has(id)) continue;
      counted.delete(id);
      hub.change({ kind: 'session-removed', key: id });
    }
  };
  timer = clock.after(countersMs, count);

  const ended = disposable(() => {
    closed = true;
    timer?.[Symbol.dispose]();
    refreshing?.[Symbol.dispose]();
  });

  return {
    refresh() {
      if (scheduled) return;
      scheduled = true;
      const waitMs = refreshAtMs - clock.monotonic();
      if (waitMs > 0) refreshing = clock.after(waitMs, refreshNow);
      else setImmediate(refreshNow);
    },
    session(snapshot) {
      counted.set(snapshot.id, -1);
      const value: SessionView = sessionView(snapshot);
      hub.change({ kind: 'session-changed', key: snapshot.id, value });
    },
    [Symbol.dispose]: () => ended[Symbol.dispose](),
  };
}

/**
 * What of the engine is a caller's own, where the caller is not the engine's own person: identities it may use, sessions it opened, and what
 * follows from both. Pure.
 */
import { reduce, type EngineState, type StateChange, type StateDelta, type StateSnapshot } from '../../api/state.ts';
import type { QuarantineView, ServiceView, SessionView, StatusView } from '../../api/views.ts';

/** Predicates over what views name; `agent` is absent for a user. */
export interface OwnShare {
  readonly agent?: string;
  /** As views name the user; absent for an agent. */
  readonly user?: string;
  hasIdentity(name: string): boolean;
}

/** A session of one of its identities, or opened by its own programs. */
export function isOwnSession(share: OwnShare, { identity, app }: Pick<SessionView, 'identity' | 'app'>): boolean {
  if (share.agent !== undefined) return app.agent === share.agent;
  return share.hasIdentity(identity) || (app.user !== undefined && app.user === share.user);
}

/** True where the service belongs to an identity of the caller's. */
export function isOwnService(share: OwnShare, { identity }: Pick<ServiceView, 'identity'>): boolean {
  return share.hasIdentity(identity);
}

/** What is said of it alone: `app:` of the agent, `identity:` and `session:` of its own. */
export function isOwnSubject(share: OwnShare, subject: string, isSession: (id: string) => boolean): boolean {
  const at = subject.indexOf(':');
  const [kind, name] = [subject.slice(0, at), subject.slice(at + 1)];
  if (kind === 'identity') return share.hasIdentity(name);
  if (kind === 'session') return isSession(name);
  return kind === 'app' && share.agent !== undefined && name === share.agent;
}

/** The engine's standing, and of the rest the caller's own. */
export function ownStatus(share: OwnShare, status: StatusView, sessions: readonly SessionView[]): StatusView {
  const own = sessions.filter((session) => isOwnSession(share, session));
  return {
    ...status,
    identities: status.identities.filter(({ name }) => share.hasIdentity(name)),
    routers: status.routers.filter(({ identity }) => share.hasIdentity(identity)),
    sessions: { open: own.filter(({ state }) => state !== 'closed').length, total: own.length },
  };
}

/** The caller's part of the state, as a window shows it. */
export function ownSnapshot(share: OwnShare, { seq, state }: StateSnapshot): StateSnapshot {
  const sessions = pick(state.sessions, (session) => isOwnSession(share, session));
  const own: EngineState = {
    status: ownStatus(share, state.status, Object.values(sessions)),
    identities: pick(state.identities, ({ name }) => share.hasIdentity(name)),
    services: pick(state.services, (service) => isOwnService(share, service)),
    sessions,
    routers: pick(state.routers, ({ identity }) => share.hasIdentity(identity)),
    agents: pick(state.agents, ({ name }) => name === share.agent),
    quarantine: pick(state.quarantine, (held) => isOwnHeld(share, held, sessions)),
    approvals: {},
    alerts: [],
    dns: state.dns,
    policy: { ...state.policy, contracts: [], posture: [], localRules: [] },
  };
  return { seq, state: own };
}

/** The same of what changes; the number stays, so that no gap is seen. `state` is the caller's own so far. */
export function ownDelta(share: OwnShare, { seq, changes }: StateDelta, state: EngineState): StateDelta {
  return { seq, changes: changes.flatMap((change) => ownChange(share, change, state)) };
}

/** Fold what was shown, so that later changes are judged by it. */
export function follow(state: EngineState, delta: StateDelta): EngineState {
  return reduce(state, delta.changes);
}

function ownChange(share: OwnShare, change: StateChange, state: EngineState): readonly StateChange[] {
  switch (change.kind) {
    case 'status-changed':
      return [{ ...change, value: ownStatus(share, change.value, Object.values(state.sessions)) }];
    case 'identity-changed':
      return share.hasIdentity(change.value.name) ? [change] : [];
    case 'service-changed':
    case 'router-changed':
      return share.hasIdentity(change.value.identity) ? [change] : [];
    case 'session-changed':
      return isOwnSession(share, change.value) ? [change] : [];
    case 'agent-changed':
      return change.value.name === share.agent ? [change] : [];
    case 'quarantine-changed':
      return isOwnHeld(share, change.value, state.sessions) ? [change] : [];
    case 'identity-removed':
      return change.key in state.identities ? [change] : [];
    case 'service-removed':
      return change.key in state.services ? [change] : [];
    case 'session-removed':
      return change.key in state.sessions ? [change] : [];
    case 'router-removed':
      return change.key in state.routers ? [change] : [];
    case 'agent-removed':
      return change.key in state.agents ? [change] : [];
    case 'quarantine-removed':
      return change.key in state.quarantine ? [change] : [];
    case 'dns-changed':
      return [change];
    // A question is a person's to answer, never that of whom it is about.
    case 'approval-changed':
    case 'approval-removed':
    case 'alert-raised':
    case 'policy-changed':
      return [];
  }
}

function isOwnHeld(share: OwnShare, { subject }: QuarantineView, sessions: EngineState['sessions']): boolean {
  return isOwnSubject(share, subject, (id) => id in sessions);
}

function pick<T>(of: Readonly<Record<string, T>>, isOwn: (value: T) => boolean): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => isOwn(value)));
}

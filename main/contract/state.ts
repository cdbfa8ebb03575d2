/**
 * Engine state as a client sees it: a snapshot at N, then numbered changes folded by this one pure reducer, in the engine and
 * in every window alike. A gap in the numbers means: ask for a new snapshot.
 */
import type {
  AgentView,
  AlertView,
  DnsView,
  IdentityView,
  PolicyView,
  QuarantineView,
  RouterView,
  ServiceView,
  SessionView,
  StatusView,
} from './views.ts';

export interface EngineState {
  readonly status: StatusView;
  readonly identities: Readonly<Record<string, IdentityView>>;
  /** Keyed `identity/serviceId`. */
  readonly services: Readonly<Record<string, ServiceView>>;
  readonly sessions: Readonly<Record<string, SessionView>>;
  /** Keyed `identity/router`. */
  readonly routers: Readonly<Record<string, RouterView>>;
  readonly agents: Readonly<Record<string, AgentView>>;
  readonly quarantine: Readonly<Record<string, QuarantineView>>;
  /** Newest last, at most {@link maxAlerts}. */
  readonly alerts: readonly AlertView[];
  readonly dns: DnsView;
  readonly policy: PolicyView;
}

export const maxAlerts = 200;

type Keyed<Name extends string, View> =
  | { readonly kind: `${Name}-changed`; readonly key: string; readonly value: View }
  | { readonly kind: `${Name}-removed`; readonly key: string };

export type StateChange =
  | { readonly kind: 'status-changed'; readonly value: StatusView }
  | Keyed<'identity', IdentityView>
  | Keyed<'service', ServiceView>
  | Keyed<'session', SessionView>
  | Keyed<'router', RouterView>
  | Keyed<'agent', AgentView>
  | Keyed<'quarantine', QuarantineView>
  | { readonly kind: 'alert-raised'; readonly value: AlertView }
  | { readonly kind: 'dns-changed'; readonly value: DnsView }
  | { readonly kind: 'policy-changed'; readonly value: PolicyView };

/** One batch of changes: applied whole, numbered without gaps. */
export interface StateDelta {
  readonly seq: number;
  readonly changes: readonly StateChange[];
}

export interface StateSnapshot {
  readonly seq: number;
  readonly state: EngineState;
}

/** Fold changes into a state; untouched parts keep their identity, so selectors may compare by reference. */
export function reduce(state: EngineState, changes: readonly StateChange[]): EngineState {
  return changes.reduce(reduceOne, state);
}

/** Fold a delta; undefined where its number does not follow, and a new snapshot is needed. */
export function applyDelta(snapshot: StateSnapshot, delta: StateDelta): StateSnapshot | undefined {
  if (delta.seq !== snapshot.seq + 1) return undefined;
  return { seq: delta.seq, state: reduce(snapshot.state, delta.changes) };
}

function reduceOne(state: EngineState, change: StateChange): EngineState {
  switch (change.kind) {
    case 'status-changed':
      return { ...state, status: change.value };
    case 'identity-changed':
      return { ...state, identities: put(state.identities, change.key, change.value) };
    case 'identity-removed':
      return { ...state, identities: drop(state.identities, change.key) };
    case 'service-changed':
      return { ...state, services: put(state.services, change.key, change.value) };
    case 'service-removed':
      return { ...state, services: drop(state.services, change.key) };
    case 'session-changed':
      return { ...state, sessions: put(state.sessions, change.key, change.value) };
    case 'session-removed':
      return { ...state, sessions: drop(state.sessions, change.key) };
    case 'router-changed':
      return { ...state, routers: put(state.routers, change.key, change.value) };
    case 'router-removed':
      return { ...state, routers: drop(state.routers, change.key) };
    case 'agent-changed':
      return { ...state, agents: put(state.agents, change.key, change.value) };
    case 'agent-removed':
      return { ...state, agents: drop(state.agents, change.key) };
    case 'quarantine-changed':
      return { ...state, quarantine: put(state.quarantine, change.key, change.value) };
    case 'quarantine-removed':
      return { ...state, quarantine: drop(state.quarantine, change.key) };
    case 'alert-raised':
      return { ...state, alerts: [...state.alerts, change.value].slice(-maxAlerts) };
    case 'dns-changed':
      return { ...state, dns: change.value };
    case 'policy-changed':
      return { ...state, policy: change.value };
  }
}

function put<V>(record: Readonly<Record<string, V>>, key: string, value: V): Readonly<Record<string, V>> {
  return { ...record, [key]: value };
}

function drop<V>(record: Readonly<Record<string, V>>, key: string): Readonly<Record<string, V>> {
  if (!(key in record)) return record;
  const next = { ...record };
  delete next[key];
  return next;
}

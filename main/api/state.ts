/**
 * Engine state as a client sees it: a snapshot at N, then numbered changes folded by this one pure reducer, in the engine and
 * in every window alike. A gap in the numbers means: ask for a new snapshot.
 */
import type { ApprovalView } from './approval-view.ts';
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

/** All that a window shows, by key. */
export interface EngineState {
  readonly status: StatusView;
  readonly identities: Readonly<Record<string, IdentityView>>;
  /** By {@link serviceKey}. */
  readonly services: Readonly<Record<string, ServiceView>>;
  readonly sessions: Readonly<Record<string, SessionView>>;
  /** Keyed `identity/router`. */
  readonly routers: Readonly<Record<string, RouterView>>;
  readonly agents: Readonly<Record<string, AgentView>>;
  readonly quarantine: Readonly<Record<string, QuarantineView>>;
  /** What waits for a person's word, and what was answered lately; by id. */
  readonly approvals: Readonly<Record<string, ApprovalView>>;
  /** Newest last, at most {@link maxAlerts}. */
  readonly alerts: readonly AlertView[];
  readonly dns: DnsView;
  readonly policy: PolicyView;
}

/** The key a service has in the state, and wherever services of all identities stand side by side. */
export function serviceKey(identity: string, serviceId: string): string {
  return `${identity}/${serviceId}`;
}

/** How many alerts are kept; older ones are in the record. */
export const maxAlerts = 200;

type Keyed<Name extends string, View> =
  | { readonly kind: `${Name}-changed`; readonly key: string; readonly value: View }
  | { readonly kind: `${Name}-removed`; readonly key: string };

/** One change that the reducer folds in. */
export type StateChange =
  | { readonly kind: 'status-changed'; readonly value: StatusView }
  | Keyed<'identity', IdentityView>
  | Keyed<'service', ServiceView>
  | Keyed<'session', SessionView>
  | Keyed<'router', RouterView>
  | Keyed<'agent', AgentView>
  | Keyed<'quarantine', QuarantineView>
  | Keyed<'approval', ApprovalView>
  | { readonly kind: 'alert-raised'; readonly value: AlertView }
  | { readonly kind: 'dns-changed'; readonly value: DnsView }
  | { readonly kind: 'policy-changed'; readonly value: PolicyView };

/** One batch of changes: applied whole, numbered without gaps. */
export interface StateDelta {
  readonly seq: number;
  readonly changes: readonly StateChange[];
}

/** The whole state as it was after change `seq`. */
export interface StateSnapshot {
  readonly seq: number;
  readonly state: EngineState;
}

/**
 * Fold changes into a state; untouched parts keep their identity, so selectors may compare by reference. A part is copied once for all the
 * changes given together, so a batch of thousands costs what one costs.
 */
export function reduce(state: EngineState, changes: readonly StateChange[]): EngineState {
  const draft: Draft = { state: { ...state }, own: new Set() };
  let changed = false;
  for (const change of changes) changed = apply(draft, change) || changed;
  return changed ? draft.state : state;
}

/** Fold a delta; undefined where its number does not follow, and a new snapshot is needed. */
export function applyDelta(snapshot: StateSnapshot, delta: StateDelta): StateSnapshot | undefined {
  if (delta.seq !== snapshot.seq + 1) return undefined;
  return { seq: delta.seq, state: reduce(snapshot.state, delta.changes) };
}

type Records = 'identities' | 'services' | 'sessions' | 'routers' | 'agents' | 'quarantine' | 'approvals';

/** A state under construction: parts named in `own` were copied in this fold and may be written to. */
interface Draft {
  readonly state: { -readonly [Part in keyof EngineState]: EngineState[Part] };
  readonly own: Set<Records>;
}

/** Fold one change in; false where it changed nothing. */
function apply(draft: Draft, change: StateChange): boolean {
  switch (change.kind) {
    case 'status-changed':
      draft.state.status = change.value;
      return true;
    case 'identity-changed':
      return put(draft, 'identities', change.key, change.value);
    case 'identity-removed':
      return drop(draft, 'identities', change.key);
    case 'service-changed':
      return put(draft, 'services', change.key, change.value);
    case 'service-removed':
      return drop(draft, 'services', change.key);
    case 'session-changed':
      return put(draft, 'sessions', change.key, change.value);
    case 'session-removed':
      return drop(draft, 'sessions', change.key);
    case 'router-changed':
      return put(draft, 'routers', change.key, change.value);
    case 'router-removed':
      return drop(draft, 'routers', change.key);
    case 'agent-changed':
      return put(draft, 'agents', change.key, change.value);
    case 'agent-removed':
      return drop(draft, 'agents', change.key);
    case 'quarantine-changed':
      return put(draft, 'quarantine', change.key, change.value);
    case 'quarantine-removed':
      return drop(draft, 'quarantine', change.key);
    case 'approval-changed':
      return put(draft, 'approvals', change.key, change.value);
    case 'approval-removed':
      return drop(draft, 'approvals', change.key);
    case 'alert-raised':
      draft.state.alerts = [...draft.state.alerts, change.value].slice(-maxAlerts);
      return true;
    case 'dns-changed':
      draft.state.dns = change.value;
      return true;
    case 'policy-changed':
      draft.state.policy = change.value;
      return true;
  }
}

function put<Part extends Records>(draft: Draft, part: Part, key: string, value: EngineState[Part][string]): boolean {
  // defined, not assigned: an identity may be called `__proto__`
  Object.defineProperty(own(draft, part), key, { value, enumerable: true, writable: true, configurable: true });
  return true;
}

function drop(draft: Draft, part: Records, key: string): boolean {
  if (!Object.hasOwn(draft.state[part], key)) return false;
  delete own(draft, part)[key];
  return true;
}

/** The part, copied if this fold has not yet; a caller's state is never written to. */
function own<Part extends Records>(draft: Draft, part: Part): Record<string, EngineState[Part][string]> {
  if (!draft.own.has(part)) {
    draft.own.add(part);
    draft.state[part] = { ...draft.state[part] };
  }
  return draft.state[part] as Record<string, EngineState[Part][string]>;
}

/** Selections of the engine's state that keep their reference while their source keeps its own. */
import type { EngineState } from '../../main/api/state.ts';
import type { IdentityView, ServiceView, SessionView } from '../../main/api/views.ts';

const lists = new WeakMap<object, readonly unknown[]>();

/** A record's values; the same array for the same record. */
export function valuesOf<V>(record: Readonly<Record<string, V>>): readonly V[] {
  const known = lists.get(record);
  if (known !== undefined) return known as readonly V[];
  const made = Object.values(record);
  lists.set(record, made);
  return made;
}

/** Sessions in the order the engine told them. */
export const selectSessions = (state: EngineState): readonly SessionView[] => valuesOf(state.sessions);
/** Services of all identities. */
export const selectServices = (state: EngineState): readonly ServiceView[] => valuesOf(state.services);
/** Identities on this host. */
export const selectIdentities = (state: EngineState): readonly IdentityView[] => valuesOf(state.identities);
/** Agents that are bound or were recognised. */
export const selectAgents = (state: EngineState) => valuesOf(state.agents);
/** Edge routers of all identities. */
export const selectRouters = (state: EngineState) => valuesOf(state.routers);
/** What is cut off. */
export const selectQuarantine = (state: EngineState) => valuesOf(state.quarantine);
/** What waits for a person's word, and what was answered lately. */
export const selectApprovals = (state: EngineState) => valuesOf(state.approvals);
/** Alerts, oldest first. */
export const selectAlerts = (state: EngineState) => state.alerts;
/** The engine as a whole. */
export const selectStatus = (state: EngineState) => state.status;
/** Name resolution. */
export const selectDns = (state: EngineState) => state.dns;
/** The rules in force. */
export const selectPolicy = (state: EngineState) => state.policy;

/** Name under which a person knows who is at the other end of a session: the agent, else the program's file name. */
export function programOf(session: SessionView): string | undefined {
  return session.app.agent ?? (session.app.script ?? session.app.path)?.split(/[\\/]/).at(-1);
}

/** What `session.closeApp` and `quarantine` know the program by: a script rather than its interpreter, which runs others too. */
export function programKey(session: SessionView): string | undefined {
  return session.app.agent ?? session.app.script ?? session.app.path;
}

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

export const selectSessions = (state: EngineState): readonly SessionView[] => valuesOf(state.sessions);
export const selectServices = (state: EngineState): readonly ServiceView[] => valuesOf(state.services);
export const selectIdentities = (state: EngineState): readonly IdentityView[] => valuesOf(state.identities);
export const selectAgents = (state: EngineState) => valuesOf(state.agents);
export const selectRouters = (state: EngineState) => valuesOf(state.routers);
export const selectQuarantine = (state: EngineState) => valuesOf(state.quarantine);
export const selectAlerts = (state: EngineState) => state.alerts;
export const selectStatus = (state: EngineState) => state.status;
export const selectDns = (state: EngineState) => state.dns;
export const selectPolicy = (state: EngineState) => state.policy;

/** Name under which a person knows who is at the other end of a session: the agent, else the program's file name. */
export function programOf(session: SessionView): string | undefined {
  return session.app.agent ?? (session.app.script ?? session.app.path)?.split(/[\\/]/).at(-1);
}

/** What `session.closeApp` and `quarantine` know the program by: a script rather than its interpreter, which runs others too. */
export function programKey(session: SessionView): string | undefined {
  return session.app.agent ?? session.app.script ?? session.app.path;
}

/**
 * Rows as scripts get them with `--json`: every documented field is there in every row, `null` where nothing is known (yet), so that a
 * script need not tell "absent" from "misspelt". Counts that could not begin stand at zero.
 */
import type { AppView, IdentityView, ServiceView, SessionView, StatusView } from '../api/views.ts';

const nothing = null;

function appRow(app: AppView): object {
  return { path: nothing, pid: nothing, user: nothing, agent: nothing, ...app };
}

/** A session; `mcp` counts what a guard read, which is nothing where none reads. */
export function sessionRow(session: SessionView): object {
  return {
    closeReason: nothing,
    router: nothing,
    callerAsserted: nothing,
    mcp: { calls: 0, denied: 0 },
    ...session,
    app: appRow(session.app),
  };
}

/** A service; `hosted` counts this engine's own terminators. */
export function serviceRow(service: ServiceView): object {
  return { reason: nothing, hosted: { terminators: 0 }, ...service };
}

/** An identity with every field that scripts rely on, `null` where nothing is known. */
export function identityRow(identity: IdentityView): object {
  return { certExpiresAt: nothing, fingerprint: nothing, ...identity };
}

/** The status with every field that scripts rely on. */
export function statusDocument(status: StatusView): object {
  return {
    ...status,
    identities: status.identities.map((identity) => ({ certExpiresAt: nothing, ...identity })),
    routers: status.routers.map((router) => ({ latencyMs: nothing, ...router })),
  };
}

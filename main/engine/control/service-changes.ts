/** Services gained and lost, identities removed and renamed: carried across the corridor into intercept, hosting and the sessions. */
import type { AuditWriter } from '../../audit/record.ts';
import type { Log } from '../../base/log.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import type { Intercept, InterceptProblem } from '../../intercept/match.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { ZitiService } from '../../ziti/model.ts';
import type { AnsweredServices } from '../hosting/answered-services.ts';
import { hostedServicesOf } from '../hosting/hosted-services.ts';
import type { IdentityRunner, RunnerListener } from '../identities/identity-runner.ts';

/** The rooms that follow an identity's services. */
export interface ServiceChangesDeps {
  readonly log: Log;
  readonly audit: AuditWriter;
  readonly intercept: Intercept;
  readonly hosting: Hosting;
  readonly answered: Pick<AnsweredServices, 'of'>;
  readonly sessions: Sessions;
  readonly quarantine: Quarantine;
  /** What intercept could not use, by identity. */
  readonly problems: Map<string, readonly InterceptProblem[]>;
  /** Names, addresses or routes that are intercepted changed. */
  readonly onIntercepted: () => void;
  /** Controllers or routers changed, or where they are. */
  readonly onRoutes: () => void;
  readonly refresh: () => void;
}

/** To be told of what happens to identities and their services. */
export interface ServiceChanges {
  readonly runner: RunnerListener;
  removed(identity: string): void;
  /** It goes by another name: every room takes it over in place, nothing live is cut. */
  renamed(identity: string, to: string): void;
  /** Somebody else answers what it hosts: bound anew where that is so. */
  answered(runner: IdentityRunner): void;
}

/** Carries each change into every room. */
export function createServiceChanges(deps: ServiceChangesDeps): ServiceChanges {
  const { intercept, hosting, sessions, problems, log } = deps;

  const host = (runner: IdentityRunner): void => {
    hosting
      .replace(runner.name, hostedServicesOf(runner, deps.answered))
      .catch((error: unknown) => log.error('hosting.replace_failed', { identity: runner.name, error }));
  };

  const takeServices = (
    runner: IdentityRunner,
    before: readonly ZitiService[],
    after: readonly ZitiService[],
  ): void => {
    const { name } = runner;
    const cause = causeOf(runner);
    // First the sockets: what may no longer be reached ends now, whatever else there is to do.
    const reason = cause === 'identity_disabled' ? 'identity_disabled' : 'policy_revoked';
    for (const [permission, direction] of [
      ['Dial', 'dial'],
      ['Bind', 'host'],
    ] as const) {
      const lost = new Map(without(before, after, permission).map((service) => [service.id, service]));
      if (lost.size === 0) continue;
      sessions.closeWhere(
        (session) => session.identity === name && session.direction === direction && lost.has(session.serviceId),
        reason,
        {
          code: `session.lost_${direction}`,
          sentence: `${name} may no longer ${direction} it`,
          details: { identity: name },
        },
      );
    }
    if (after.length === 0) intercept.remove(name);
    const identity = runner.context()?.identity();
    const found = after.length === 0 ? [] : intercept.replace(name, identity?.name ?? name, after, identity?.appData);
    problems.set(name, found);
    for (const problem of found) {
      log.warn('intercept.problem', { identity: name, service: problem.service, reason: problem.reason.sentence });
    }
    deps.onIntercepted();
    host(runner);
    for (const permission of ['Dial', 'Bind'] as const) {
      for (const service of without(after, before, permission)) {
        deps.audit.recordOrLog({ kind: 'service.gained', identity: name, service: service.name, permission });
      }
      for (const service of without(before, after, permission)) {
        deps.audit.recordOrLog({ kind: 'service.lost', identity: name, service: service.name, permission, cause });
      }
    }
    deps.refresh();
  };

  return {
    runner: {
      changed: deps.refresh,
      services: takeServices,
      routers() {
        deps.onRoutes();
        deps.refresh();
      },
    },
    removed(identity) {
      intercept.remove(identity);
      problems.delete(identity);
      deps.onIntercepted();
      hosting.remove(identity).catch((error: unknown) => log.error('hosting.remove_failed', { identity, error }));
      deps.refresh();
    },
    renamed(identity, to) {
      // Whom it holds first: a new name must free nobody.
      deps.quarantine.rename(`identity:${identity}`, `identity:${to}`);
      intercept.rename(identity, to);
      const found = problems.get(identity) ?? [];
      problems.delete(identity);
      problems.set(
        to,
        found.map((problem) => ({ ...problem, identity: to })),
      );
      sessions.renameIdentity(identity, to);
      hosting.rename(identity, to).then(deps.refresh, (error: unknown) => {
        log.error('hosting.rename_failed', { identity: to, error });
      });
      deps.onIntercepted();
      deps.refresh();
    },
    answered: host,
  };
}

/** Why services are lost: the controller took them, or knows the identity no more, or it works here no more while nobody took anything. */
function causeOf(runner: IdentityRunner): 'revoked' | 'identity_disabled' | 'stopped' {
  if (runner.state() === 'unauthenticated') return 'identity_disabled';
  return runner.context() === undefined ? 'stopped' : 'revoked';
}

/** Services of `these` with a permission that `others` do not have. */
function without(
  these: readonly ZitiService[],
  others: readonly ZitiService[],
  permission: 'Dial' | 'Bind',
): readonly ZitiService[] {
  const known = new Set(others.filter((service) => service.permissions.includes(permission)).map(({ id }) => id));
  return these.filter((service) => service.permissions.includes(permission) && !known.has(service.id));
}

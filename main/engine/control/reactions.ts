/** What the engine does when a fact comes in: services gained and lost, sessions opened and closed, subjects cut off. */
import type { AuditEvent, AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { AlertView } from '../../api/views.ts';
import type { GuardCall } from '../../guard/guard.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import type { Intercept, InterceptProblem } from '../../intercept/match.ts';
import { flowSubjects, quarantineSubject } from '../../policy/program.ts';
import type { Quarantine, QuarantineEntry, QuarantineEvent } from '../../policy/quarantine.ts';
import type { SessionEvent, Sessions, SessionSnapshot } from '../../session/sessions.ts';
import type { ZitiService } from '../../ziti/model.ts';
import type { AnsweredServices } from '../hosting/answered-services.ts';
import { hostedServicesOf } from '../hosting/hosted-services.ts';
import type { IdentityRunner, RunnerListener } from '../identities/identity-runner.ts';

/** A refusal of the guard is read by the application before its sockets go: the words of its protocol say more than a reset. */
const answerFirstMs = 50;

export interface ReactionsDeps {
  readonly clock: Clock;
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
  readonly onSession: (session: SessionSnapshot) => void;
  readonly refresh: () => void;
  readonly onCall: (session: SessionSnapshot) => void;
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
}

export interface Reactions {
  readonly runner: RunnerListener;
  removed(identity: string): void;
  /** It goes by another name: every room takes it over in place, nothing live is cut. */
  renamed(identity: string, to: string): void;
  /** Somebody else answers what it hosts: bound anew where that is so. */
  answered(runner: IdentityRunner): void;
  session(event: SessionEvent): void;
  quarantined(event: QuarantineEvent): void;
}

export function createReactions(deps: ReactionsDeps): Reactions {
  const { intercept, hosting, sessions, problems, log } = deps;

  const record = (event: AuditEvent): void => {
    try {
      deps.audit.record(event);
    } catch (error) {
      log.error('engine.not_recorded', { kind: event.kind, error });
    }
  };

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
    // First the sockets: what may no longer be reached ends now, whatever else there is to do.
    const reason = runner.state() === 'unauthenticated' ? 'identity_disabled' : 'policy_revoked';
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
        record({ kind: 'service.gained', identity: name, service: service.name, permission });
      }
      for (const service of without(before, after, permission)) {
        record({ kind: 'service.lost', identity: name, service: service.name, permission });
      }
    }
    deps.refresh();
  };

  /** The guard has refused the call in its protocol's own words; where the contract asks for more than that, it follows here. */
  const forbiddenCall = (session: SessionSnapshot, call: GuardCall): void => {
    const action = session.contract?.onViolation;
    if ((action !== 'alert' && action !== 'quarantine') || !isForbidden(call)) return;
    const why: Reason = {
      code: 'guard.call_forbidden',
      sentence: `${call.method} ${call.target} is forbidden by ${call.rule ?? 'its contract'}`,
      details: { call: `${call.method} ${call.target}`, rule: call.rule ?? 'contract' },
    };
    deps.raise({
      severity: action === 'alert' ? 'warning' : 'critical',
      kind: 'contract-violation',
      ...violation(session.service, why),
      session: session.id,
    });
    if (action === 'alert') return;
    const subject = quarantineSubject(session.app) ?? `identity:${session.identity}`;
    deps.clock.after(answerFirstMs, () => deps.quarantine.add(subject, why, 'contract'));
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
    session(event) {
      deps.onSession(event.session);
      if (event.kind === 'called') {
        deps.onCall(event.session);
        forbiddenCall(event.session, event.call);
      }
      if (event.kind === 'violated') {
        const { session, reason } = event;
        deps.raise({
          severity: 'critical',
          kind: 'contract-violation',
          ...violation(session.service, reason),
          session: session.id,
        });
        if (session.contract?.onViolation === 'quarantine') {
          const subject = quarantineSubject(session.app) ?? `identity:${session.identity}`;
          deps.quarantine.add(subject, reason, 'contract');
        }
      }
      if (event.kind === 'opened' || event.kind === 'closed') deps.refresh();
    },
    quarantined(event) {
      const { subject, cause, by } = event.entry;
      const details = { subject, cause: causeOf(event.entry) };
      if (event.kind === 'added') {
        sessions.closeWhere((session) => isSubject(session, subject), 'quarantined', {
          code: 'policy.quarantined',
          sentence: cause,
          details,
        });
        if (by !== 'operator') {
          deps.raise({
            severity: 'critical',
            kind: 'quarantine',
            text: `${subject} was cut off: ${cause}`,
            code: 'policy.quarantined',
            details,
            subject,
          });
        }
      }
      deps.refresh();
    },
  };
}

function violation(service: string, cause: Reason): Pick<AlertView, 'text' | 'code' | 'details'> {
  return { text: `${service}: ${cause.sentence}`, code: 'alert.violation', details: { service, cause } };
}

/** A cause that other languages can say as well, where Culvert said it. */
function causeOf({ cause, said }: QuarantineEntry): string | Reason {
  return said === undefined ? cause : { ...said, sentence: cause };
}

/** What the contract never lets pass, not what it has no more budget for. */
function isForbidden(call: GuardCall): boolean {
  const { decision, rule = '' } = call;
  if (decision !== 'deny' || !rule.startsWith('contract:')) return false;
  return !/^contract:(mcp\.(rateLimit|maxCalls)|http\.tokenBudget)/.test(rule);
}

/** True where a session belongs to a quarantine subject. */
export function isSubject(session: SessionSnapshot, subject: string): boolean {
  return (
    subject === `session:${session.id}` ||
    flowSubjects(session.app, session.service, session.identity).includes(subject)
  );
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

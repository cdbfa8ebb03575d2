/** The corridor's other direction: a dial that reached a service hosted here → local rules → audit → session. */
import { unknownApp } from '../../apps/app.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { AdmitHosted, HostedRequest } from '../../hosting/hosting.ts';
import type { Policy } from '../../policy/policy.ts';
import type { ProviderKeys } from './provider-keys.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Clock } from '../../base/clock.ts';

export interface HostedDialsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: Pick<Policy, 'ask'>;
  readonly quarantine: Pick<Quarantine, 'causeOf'>;
  readonly audit: AuditWriter;
  readonly sessions: Pick<Sessions, 'open' | 'openCount'>;
  /** Keys that requests to a service hosted here carry. */
  readonly keys: Pick<ProviderKeys, 'for'>;
  /** What an identity is called now; a request knows it by the name of when it came in. */
  readonly nameOf: (identity: string) => string;
  readonly workgroupsOf: (identity: string, serviceId: string) => readonly string[];
}

/** Asked for every hosted dial. */
export function admitHostedDials(deps: HostedDialsDeps): AdmitHosted {
  return async (asked) => {
    const request = { ...asked, identity: deps.nameOf(asked.identity) };
    const denied = refusalOf(request, deps);
    const keyed = denied === undefined ? await deps.keys.for(request) : undefined;
    const refusal = denied ?? (keyed?.kind === 'refused' ? keyed.reason : undefined);
    const guarded = keyed?.kind === 'guarded' ? keyed : undefined;
    const reason = refusal ?? {
      code: 'hosting.accepted',
      sentence: `${callerName(request)} may reach ${request.serviceName}, hosted here as ${request.identity}`,
      rule: 'controller',
    };
    try {
      deps.audit.record({
        kind: 'verdict',
        ...fields(request),
        decision: refusal === undefined ? 'allow' : 'deny',
        code: reason.code,
        reason: reason.sentence,
        rule: reason.rule ?? null,
      });
    } catch (error) {
      deps.log.error('hosting.not_recorded', { error });
      return { kind: 'refuse', reason: { code: 'audit.write_failed', sentence: 'the journal cannot be written' } };
    }
    if (refusal !== undefined) return { kind: 'refuse', reason: refusal };
    return {
      kind: 'accept',
      ...(guarded?.tls === undefined ? {} : { tls: guarded.tls }),
      join(local, remote) {
        try {
          deps.sessions.open(
            {
              service: request.serviceName,
              serviceId: request.serviceId,
              identity: deps.nameOf(request.identity),
              direction: 'host',
              entry: 'hosted',
              app: unknownApp,
              protocol: request.protocol,
              source: callerName(request),
              destination: targetOf(request),
              encrypted: request.encrypted,
              router: request.routerName,
              decision: reason,
              // A contract's limits and guards stand on the dialling side; the provider's own side is trusted with its service.
              contract: undefined,
            },
            remote,
            local,
            guarded?.guard,
          );
        } catch (error) {
          deps.log.warn('hosting.session_refused', { service: request.serviceName, error: toTunnelerError(error) });
        }
      },
      failed(why) {
        try {
          deps.audit.record({ kind: 'dial.failed', ...fields(request), code: why.code, reason: why.sentence });
        } catch (error) {
          deps.log.error('hosting.not_recorded', { error });
        }
      },
    };
  };
}

function refusalOf(request: HostedRequest, deps: HostedDialsDeps): Reason | undefined {
  for (const subject of [`identity:${request.identity}`, `service:${request.serviceName}`]) {
    const cause = deps.quarantine.causeOf(subject);
    if (cause !== undefined) {
      return {
        code: 'policy.quarantined',
        sentence: `${subject} is in quarantine: ${cause}`,
        next: `culvert quarantine release ${subject}`,
        rule: `quarantine:${subject}`,
      };
    }
  }
  const answer = deps.policy.ask({
    action: 'host',
    app: unknownApp,
    identity: request.identity,
    service: { name: request.serviceName, workgroups: deps.workgroupsOf(request.identity, request.serviceId) },
    circumstances: {
      nowMs: deps.clock.now(),
      posture: 'unknown',
      mfaVerifiedAtMs: undefined,
      openSessions: deps.sessions.openCount(request.serviceId),
      dialsLastMinute: 0,
      callsLastMinute: 0,
      protocol: request.protocol,
      hostname: request.target.host,
      port: request.target.port,
      entry: 'hosted',
      caller: callerName(request),
    },
  });
  return answer.kind === 'deny' ? answer.reason : undefined;
}

function fields(request: HostedRequest): Readonly<Record<string, unknown>> {
  return {
    service: request.serviceName,
    identity: request.identity,
    direction: 'host',
    protocol: request.protocol,
    source: callerName(request),
    callerAsserted: request.caller.asserted,
    destination: targetOf(request),
    circuit: request.circuitId ?? null,
    router: request.routerName,
  };
}

function callerName(request: HostedRequest): string {
  return request.caller.name ?? request.caller.id ?? 'unknown';
}

function targetOf({ target }: HostedRequest): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

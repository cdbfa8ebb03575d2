/** What this device may dial and hosts, with one status in words and the next action each. Pure over the facts of the moment. */
import { defined } from '../../base/defined.ts';
import type { Reason } from '../../base/reason.ts';
import type { RouterView, ServiceStatus, ServiceView } from '../../api/views.ts';
import type { HostedState } from '../../hosting/hosting.ts';
import type { InterceptProblem } from '../../intercept/match.ts';
import { parseInterceptConfigs } from '../../intercept/intercept-config.ts';
import type { ContractInForce } from '../../policy/contract-book.ts';
import { noEdgeRouter, nobodyHosts } from '../../policy/reasons.ts';
import type { ZitiService } from '../../ziti/model.ts';
import { blockingChecks, checkLabel } from '../../policy/posture.ts';
import { contractView, postureView } from './views.ts';

/** Facts about one service of one identity that its status depends on. */
export interface ServiceFacts {
  readonly identity: string;
  readonly service: ZitiService;
  readonly trouble: Reason | undefined;
  readonly authentication: 'oidc' | 'legacy' | undefined;
  readonly routers: readonly RouterView[];
  readonly contract: ContractInForce;
  readonly problem: InterceptProblem | undefined;
  readonly hosted: HostedState | undefined;
  /** Why, where service or identity is in quarantine. */
  readonly quarantined: Reason | undefined;
  /** The last dial, or the controller when it was last asked, found nobody hosting it. */
  readonly hasNoTerminators: boolean;
  readonly forwards: readonly number[];
  readonly openSessions: number;
}

/** The view of one service of one identity. */
export function serviceView(facts: ServiceFacts): ServiceView {
  const { service, hosted, contract } = facts;
  const intercepted = parseInterceptConfigs(service.configs)?.config;
  const { status, reason } = statusOf(facts);
  return {
    name: service.name,
    id: service.id,
    identity: facts.identity,
    permissions: service.permissions,
    status,
    ...defined({ reason }),
    encrypted: service.encryptionRequired,
    addresses: (intercepted?.addresses ?? []).map((claim) =>
      claim.kind === 'name' ? claim.name : claim.kind === 'wildcard' ? `*.${claim.domain}` : claim.prefix.text,
    ),
    ports: (intercepted?.portRanges ?? []).map(({ low, high }) => (low === high ? `${low}` : `${low}-${high}`)),
    protocols: intercepted?.protocols ?? [],
    forwards: facts.forwards,
    workgroups: service.roleAttributes,
    posture: service.postureChecks.map(postureView),
    ...(contract.kind === 'set' ? { contract: contractView(contract.contract, contract.origin) } : {}),
    ...(hosted === undefined
      ? {}
      : { hosted: { terminators: hosted.terminators, target: hosted.target, health: hosted.health } }),
    openSessions: facts.openSessions,
  };
}

type IdentityStatus = { readonly status: ServiceStatus; readonly reason?: Reason };

/** The first thing that stands in the way, in the order a person would have to clear it. */
function statusOf(facts: ServiceFacts): IdentityStatus {
  const { service, trouble, contract, problem, hosted } = facts;
  const mayDial = service.permissions.includes('Dial');
  if (trouble !== undefined) return { status: 'identity-unavailable', reason: trouble };
  if (facts.quarantined !== undefined) {
    return {
      status: 'quarantined',
      reason: facts.quarantined,
    };
  }
  // At its host as well: no dial is taken under it.
  if (contract.kind === 'invalid') return { status: 'contract-invalid', reason: contract.reason };
  if (mayDial && problem?.refused === true) return { status: 'config-invalid', reason: problem.reason };
  const posture = dialPosture(facts) ?? bindPosture(facts);
  if (posture !== undefined) return posture;
  if (!facts.routers.some((router) => router.state === 'connected')) {
    return {
      status: 'no-router',
      reason: noEdgeRouter(facts.identity),
    };
  }
  if (!mayDial) return hostingStanding(hosted);
  // A session that flows knows better than an answer of a minute ago.
  if (facts.hasNoTerminators && facts.openSessions === 0) {
    return {
      status: 'no-terminator',
      reason: nobodyHosts(service.name),
    };
  }
  if (hosted?.problem !== undefined) return hostingStanding(hosted);
  return { status: hosted === undefined ? 'available' : hostingStanding(hosted).status };
}

function hostingStanding(hosted: HostedState | undefined): IdentityStatus {
  if (hosted === undefined) {
    return {
      status: 'config-invalid',
      reason: {
        code: 'hosting.config_invalid',
        sentence: 'it may be hosted here, but has no host config that says where it is',
        next: 'ask whoever keeps the service for a host.v1 config',
      },
    };
  }
  if (hosted.problem !== undefined && hosted.terminators === 0) {
    return { status: 'hosting-failed', reason: hosted.problem };
  }
  return { status: 'hosting', ...defined({ reason: hosted.problem }) };
}

function dialPosture(facts: ServiceFacts): IdentityStatus | undefined {
  return postureStanding(facts, 'Dial');
}

/** Of a service that this device hosts: a terminator that stands says more than the controller's word of the check. */
function bindPosture(facts: ServiceFacts): IdentityStatus | undefined {
  const { service, hosted, authentication } = facts;
  const told = authentication !== 'oidc' && !service.permissions.includes('Dial');
  if (!told && (hosted === undefined || hosted.terminators > 0)) return undefined;
  return postureStanding(facts, 'Bind');
}

function postureStanding(
  { service, identity, authentication }: ServiceFacts,
  type: 'Dial' | 'Bind',
): IdentityStatus | undefined {
  // Where routers judge, the controller's word of a dial is old: a router's verdict or refusal counts.
  const failing = blockingChecks(
    service.postureChecks,
    type,
    (check) => check.judged !== undefined || authentication !== 'oidc' || type === 'Bind',
  );
  if (failing.length === 0) return undefined;
  if (failing.every((check) => check.queryType === 'MFA')) {
    return { status: 'mfa-required', reason: codeWanted(service.name, identity, type) };
  }
  const sentence = failing
    .map((check) => `${postureView(check).explanation ?? check.queryType} [${checkLabel(check)}]`)
    .join('; ');
  const checkIds = [...new Set(failing.map(({ id }) => id))];
  const details = { service: service.name, checks: [...new Set(failing.map(checkLabel))], checkIds };
  return {
    status: 'posture-failed',
    reason: { code: 'posture.failed', sentence, next: 'meet it, then try again', details },
  };
}

function codeWanted(service: string, identity: string, type: 'Dial' | 'Bind'): Reason {
  const next = `culvert identity mfa verify ${identity}`;
  const details = { service, identity };
  const sentence = 'a code of the second factor is needed to';
  return type === 'Dial'
    ? { code: 'posture.mfa_to_dial', sentence: `${sentence} reach ${service}`, next, details }
    : { code: 'posture.mfa_to_host', sentence: `${sentence} host ${service}`, next, details };
}

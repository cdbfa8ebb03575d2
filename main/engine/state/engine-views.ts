/** The views that need several rooms at once: status, services, policy, agents. */
import type { Audit } from '../../audit/audit.ts';
import { defined } from '../../base/defined.ts';
import { contractConfigType } from '../../base/engagement.ts';
import { serviceKey } from '../../api/state.ts';
import type { Reason } from '../../base/reason.ts';
import type {
  AgentView,
  DnsView,
  EngineMode,
  PolicyCheckView,
  PolicyView,
  RouterView,
  ServiceView,
  StatusView,
} from '../../api/views.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import type { InterceptProblem } from '../../intercept/match.ts';
import type { Policy, PolicyReload } from '../../policy/policy.ts';
import { quarantineRefusal, type Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import type { Identities } from '../identities/identities.ts';
import type { Terminators } from '../identities/terminators.ts';
import { serviceView } from '../views/service-views.ts';
import { contractView, postureView } from '../views/views.ts';

/** The rooms whose facts are shown. */
export interface EngineViewsDeps {
  readonly version: string;
  readonly startedAt: string;
  readonly identities: Identities;
  readonly sessions: Pick<Sessions, 'openCount' | 'openAgents' | 'total'>;
  readonly hosting: Pick<Hosting, 'states'>;
  readonly policy: Policy;
  readonly quarantine: Pick<Quarantine, 'causeOf'>;
  readonly audit: Pick<Audit, 'head'>;
  readonly problems: ReadonlyMap<string, readonly InterceptProblem[]>;
  readonly terminators: Pick<Terminators, 'isDeserted'>;
  readonly agents: Pick<AgentBindings, 'all'>;
  readonly mode: () => { readonly mode: EngineMode; readonly why: Reason };
  readonly entries: () => Pick<StatusView, 'proxy' | 'tun' | 'routes' | 'warnings'>;
  readonly forwards: () => readonly { readonly service: string; readonly port: number }[];
  readonly dns: () => DnsView;
}

/** Each made anew when asked for. */
export interface EngineViews {
  status(): StatusView;
  services(): readonly ServiceView[];
  routers(): readonly RouterView[];
  policy(): PolicyView;
  agents(): readonly AgentView[];
}

/** Views over these rooms. */
export function createEngineViews(deps: EngineViewsDeps): EngineViews {
  const { identities, sessions, policy, quarantine } = deps;

  const routers = (): readonly RouterView[] => identities.all().flatMap((runner) => runner.routers());

  const services = (): readonly ServiceView[] => {
    const hosted = new Map(deps.hosting.states().map((state) => [serviceKey(state.identity, state.serviceId), state]));
    const forwards = deps.forwards();
    return identities.all().flatMap((runner) => {
      const own = runner.routers();
      const problems = new Map(deps.problems.get(runner.name)?.map((problem) => [problem.service, problem]));
      return runner.services().map((service) =>
        serviceView({
          identity: runner.name,
          service,
          trouble: runner.trouble(),
          authentication: runner.context()?.controller().authentication,
          routers: own,
          contract: policy.contractOf(service),
          problem: problems.get(service.name),
          hosted: hosted.get(serviceKey(runner.name, service.id)),
          quarantined: quarantineRefusal([`service:${service.name}`, `identity:${runner.name}`], (subject) =>
            quarantine.causeOf(subject),
          ),
          hasNoTerminators: deps.terminators.isDeserted(runner.name, service.id),
          forwards: forwards.filter((forward) => forward.service === service.name).map(({ port }) => port),
          openSessions: sessions.openCount(service.id),
        }),
      );
    });
  };

  return {
    routers,
    services,
    status() {
      const { mode, why } = deps.mode();
      const views = identities.all().map((runner) => runner.view());
      const dns = deps.dns();
      const { hash, count } = deps.audit.head();
      return {
        mode,
        modeReason: why.sentence,
        modeCode: why.code,
        version: deps.version,
        pid: process.pid,
        startedAt: deps.startedAt,
        identities: views.map(({ name, state, controller, certExpiresAt, mfa, reason }) => ({
          name,
          state,
          controller,
          mfa,
          ...defined({ certExpiresAt, reason }),
        })),
        routers: routers(),
        services: {
          dial: views.reduce((sum, view) => sum + view.services.dial, 0),
          bind: views.reduce((sum, view) => sum + view.services.bind, 0),
        },
        sessions: { open: sessions.openCount(), total: sessions.total() },
        dns: { backend: dns.backend, state: dns.state },
        audit: { head: hash, count },
        ...deps.entries(),
      };
    },
    policy() {
      const all = identities.all().flatMap((runner) => runner.services().map((service) => ({ runner, service })));
      return {
        contracts: all.flatMap(({ runner, service }) => {
          const contract = policy.contractOf(service);
          if (contract.kind !== 'set') return [];
          const view = contractView(contract.contract, contract.origin);
          const granted = service.configs[contractConfigType];
          return [{ ...view, service: service.name, identity: runner.name, ...defined({ granted }) }];
        }),
        localRules: policy.rules().map(({ id, file, effect, text }) => ({ id, file, effect, text })),
        errors: [
          ...problemViews(policy.problems()),
          ...all.flatMap(({ runner, service }) => {
            const contract = policy.contractOf(service);
            if (contract.kind !== 'invalid') return [];
            const { code, sentence: message } = contract.reason;
            const granted = service.configs[contractConfigType];
            const file = granted === undefined ? 'local contracts' : 'contract of the controller';
            return [{ file, message, code, service: service.name, identity: runner.name, ...defined({ granted }) }];
          }),
        ],
        posture: all.flatMap(({ runner, service }) =>
          service.postureChecks.map((check) => ({
            ...postureView(check),
            service: service.name,
            identity: runner.name,
          })),
        ),
      };
    },
    agents() {
      const open = sessions.openAgents();
      const bindings = deps.agents.all();
      const names = new Set([...Object.keys(bindings), ...open.keys()]);
      const bound = new Set(Object.values(bindings).map((agent) => agent.identity));
      return [...names].map((name) => {
        const config = bindings[name];
        const reach = identities
          .all()
          .filter((runner) =>
            config?.identity === undefined ? !bound.has(runner.name) : runner.name === config.identity,
          )
          .flatMap((runner) => runner.services())
          .filter((service) => service.permissions.includes('Dial'))
          .map((service) => service.name);
        return {
          name,
          ...defined({ identity: config?.identity }),
          programs: [config?.path ?? [], config?.hash ?? []].flat(),
          openSessions: open.get(name) ?? 0,
          reach: [...new Set(reach)],
          quarantined: quarantine.causeOf(`app:${name}`) !== undefined,
        };
      });
    },
  };
}

/** A reload or check of local files as clients see it. */
export function policyCheckView(reload: PolicyReload): PolicyCheckView {
  return { ok: reload.ok, files: reload.files, rules: reload.rules, errors: problemViews(reload.problems) };
}

function problemViews(problems: PolicyReload['problems']): PolicyCheckView['errors'] {
  return problems.map(({ file, line, column, message }) => ({ file: `${file}:${line}:${column}`, message }));
}

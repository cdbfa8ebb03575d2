/** The calls of group `policy`, and `why`: which rules are in force, and what they decide. */
import type { Audit } from '../../audit/audit.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { WhyView } from '../../api/views.ts';
import { unknownApp, type App } from '../../apps/app.ts';
import { knownAgents } from '../../apps/known-agents.ts';
import { agentRules, withAgent } from '../../apps/recognise.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Intercept } from '../../intercept/match.ts';
import { checkPolicies } from '../../policy/local/policy-files.ts';
import type { Policy } from '../../policy/policy.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import type { HostRefusals } from '../admission/host-refusals.ts';
import { explainWhy } from '../admission/why.ts';
import { reconsiderSessions } from '../control/rule-changes.ts';
import type { Identities } from '../identities/identities.ts';
import type { Terminators } from '../identities/terminators.ts';
import { readConfig } from '../runtime/config.ts';
import type { ClientState } from '../state/client-state.ts';
import { policyCheckView } from '../state/engine-views.ts';

/** What the calls read and change. */
export interface PolicyCallsDeps {
  readonly agents: AgentBindings;
  readonly configFile: string;
  readonly policyDirectory: string;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly intercept: Intercept;
  readonly policy: Policy;
  readonly facts: (app: App) => DecisionFacts;
  readonly identities: Identities;
  readonly terminators: Pick<Terminators, 'count'>;
  readonly hostRefusals: Pick<HostRefusals, 'last'>;
  readonly sessions: Sessions;
  readonly state: ClientState;
}

/** Answers `why`, of the services and of the policy alike. */
export function explainer(
  deps: PolicyCallsDeps,
): (request: { destination: string; app?: string | undefined }) => Promise<WhyView> {
  const { intercept, policy, facts, identities, terminators, agents } = deps;
  return ({ destination, app }) =>
    explainWhy(destination, app, {
      intercept,
      policy,
      facts,
      identities,
      terminators,
      hostRefusals: deps.hostRefusals,
      appNamed: (name) => appNamed(name, agents.all()),
    });
}

/** The handlers of group `policy`. */
export function policyCalls(deps: PolicyCallsDeps): EngineHandlers['policy'] {
  const { clock, audit, policy, identities, sessions, state } = deps;
  return {
    show: () => state.views.policy(),
    check: () => checkPolicies(deps.policyDirectory),
    async reload() {
      const view = policyCheckView(await policy.reload());
      const settings = await readConfig(deps.configFile, false);
      deps.agents.replace(settings.agents ?? {});
      // First the sockets, as with what a controller takes away.
      reconsiderSessions({ clock, policy, identities, sessions });
      audit.record({ kind: 'policy.changed', ok: view.ok, files: view.files, rules: view.rules });
      state.projector.refresh();
      return view;
    },
    explain: explainer(deps),
  };
}

/** A program a person names: an agent by its name, else the path of an executable or script. Throws `base.invalid` for what is neither. */
function appNamed(name: string, agents: ReturnType<AgentBindings['all']>): App {
  const known = { ...unknownApp, attribution: 'exact' as const };
  if (agents[name] !== undefined) return { ...known, agent: name };
  if (knownAgents.some((agent) => agent.name === name)) return { ...known, agent: name };
  if (!/[/\\]/.test(name)) {
    // As a path it would match nothing, a quarantine as little as a rule, and every answer would be too good.
    throw new TunnelerError('base.invalid', `there is no agent "${name}"`, {
      details: { next: 'name an agent (culvert apps), or a program by its whole path' },
    });
  }
  // A path may be a bound agent's; a script's path stands where its interpreter's would.
  return withAgent({ ...known, path: name }, agentRules(agents));
}

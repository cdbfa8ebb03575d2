/** `agents:` of the settings at work: which agent dials as which identity, told to the policy. */
import type { Policy } from '../policy/policy.ts';
import type { AgentConfig, EngineConfig } from './config.ts';

export type AgentBindings = Readonly<Record<string, AgentConfig>>;

/** Hand the settings' bindings to the policy; the same are returned for the views. */
export function bindAgents(
  config: Pick<EngineConfig, 'agents' | 'policy'>,
  policy: Pick<Policy, 'replaceIdentityRules'>,
): AgentBindings {
  const agents = config.agents ?? {};
  policy.replaceIdentityRules({
    agents: Object.entries(agents).map(([name, { identity }]) => ({
      name,
      ...(identity === undefined ? {} : { identity }),
    })),
    unbound: config.policy?.unbound ?? 'device',
    onUnknownApp: config.policy?.onUnknownApp ?? 'closed',
  });
  return agents;
}

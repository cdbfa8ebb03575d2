/** `agents:` of the settings at work: which agent dials as which identity, told to the policy. They follow an identity that is renamed. */
import { defined } from '../../base/defined.ts';
import { agentRules, type AgentRules } from '../../apps/recognise.ts';
import type { Policy } from '../../policy/policy.ts';
import type { AgentConfig, EngineConfig } from '../runtime/config.ts';

/** The bindings in force. */
export interface AgentBindings {
  /** As they stand now, by agent. */
  all(): Readonly<Record<string, AgentConfig>>;
  /** Others from now on, as the settings file has them by now. */
  replace(agents: Readonly<Record<string, AgentConfig>>): void;
  /** Agents of this identity dial as `to` from now on; the settings file is not touched. */
  rename(identity: string, to: string): void;
}

/** Hand the settings' bindings to the policy, now and when they follow a new name. */
export function bindAgents(
  config: Pick<EngineConfig, 'agents' | 'policy'>,
  policy: Pick<Policy, 'replaceIdentityRules'>,
): AgentBindings {
  let agents: Readonly<Record<string, AgentConfig>> = config.agents ?? {};
  const tell = (): void =>
    policy.replaceIdentityRules({
      agents: Object.entries(agents).map(([name, { identity }]) => ({
        name,
        ...defined({ identity }),
      })),
      unbound: config.policy?.unbound,
      onUnknownApp: config.policy?.onUnknownApp ?? 'closed',
    });
  tell();
  return {
    all: () => agents,
    replace(now) {
      agents = now;
      tell();
    },
    rename(identity, to) {
      agents = Object.fromEntries(
        Object.entries(agents).map(([name, agent]) => [
          name,
          agent.identity === identity ? { ...agent, identity: to } : agent,
        ]),
      );
      tell();
    },
  };
}

/** The bindings compiled, anew where they are others. */
export function rulesOf(bindings: () => Readonly<Record<string, AgentConfig>>): () => AgentRules {
  let compiled: { readonly of: Readonly<Record<string, AgentConfig>>; readonly rules: AgentRules } | undefined;
  return () => {
    const now = bindings();
    if (compiled?.of !== now) compiled = { of: now, rules: agentRules(now) };
    return compiled.rules;
  };
}

/** The calls of group `agent`: how a program finds its way through Culvert, and starts of agents with proof of what they are. */
import { defined } from '../../base/defined.ts';
import { insidePorts } from '../../base/inside-ports.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Caller } from '../../api/call.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { ServiceView } from '../../api/views.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import type { AgentStarts } from '../agents/agent-starts.ts';
import type { ModelKeyBook } from '../agents/model-keys.ts';
import { agentVariables, isModelService } from '../agents/variables.ts';
import type { ModelDoor } from '../entries/model-door.ts';

const inside = (port: keyof typeof insidePorts): string => `127.0.0.1:${insidePorts[port]}`;

/** What the calls read and change. */
export interface AgentCallsDeps {
  readonly agents: AgentBindings;
  readonly starts: AgentStarts;
  readonly modelKeys: ModelKeyBook;
  readonly services: () => readonly ServiceView[];
  /** `host:port` of the proxy that stands open anyhow. */
  readonly proxy: () => string | undefined;
  /** The same, opened where there is none. */
  readonly ensureProxy: () => Promise<string>;
  readonly modelDoor: ModelDoor;
}

/** The handlers of group `agent`. */
export function agentCalls(deps: AgentCallsDeps): EngineHandlers['agent'] {
  const servicesOf = (agent: string | undefined): readonly ServiceView[] => {
    const bound = Object.values(deps.agents.all()).map(({ identity }) => identity);
    const own = agent === undefined ? undefined : deps.agents.all()[agent]?.identity;
    return deps.services().filter(({ identity }) => (own === undefined ? !bound.includes(identity) : identity === own));
  };
  const modelsFor = async (agent: string | undefined, net?: 'host' | 'only'): Promise<string | undefined> => {
    if (!servicesOf(agent).some(isModelService)) return undefined;
    return net === 'only' ? inside('models') : deps.modelDoor.ensure();
  };
  return {
    async environment({ agent: asked }, { caller }) {
      const agent = itself(caller, asked);
      if (asked !== undefined && deps.agents.all()[asked] === undefined) throw unknownAgent(asked);
      // Another user's agents are none of a member's: what tells how to reach a model tells no key of theirs.
      const isOthers = caller.standing?.kind === 'member' && agent !== undefined;
      const key = (): Promise<string | undefined> =>
        isOthers ? Promise.resolve(undefined) : deps.modelKeys.ifKept(agent, false);
      return { variables: await agentVariables(deps.proxy(), await modelsFor(agent), key) };
    },
    async begin({ agent: asked, net, bandwidth }, { caller }) {
      const agent = itself(caller, asked) ?? asked;
      const { id, gate } = await deps.starts.begin(agent, { net, uid: caller.uid, bandwidth });
      const proxy = net === 'only' ? inside('proxy') : await deps.ensureProxy();
      const models = await modelsFor(agent, net);
      const { limits: { bandwidth: _heldByTheGate, ...limits } = {}, identity } = deps.agents.all()[agent] ?? {};
      return {
        id,
        variables: await agentVariables(proxy, models, () => deps.modelKeys.ifKept(agent, true)),
        ...defined({ identity, gate, limits }),
      };
    },
    async enter({ id, pid }, { caller }) {
      if (caller.pid === undefined) {
        throw new TunnelerError('engine.not_permitted', 'the system does not say which process asks');
      }
      await deps.starts.enter(id, pid, caller.pid);
    },
  };
}

/** An agent asks for itself, and for nobody else. */
function itself({ standing }: Caller, asked: string | undefined): string | undefined {
  if (standing?.kind !== 'agent' || asked === standing.agent) return asked;
  if (asked === undefined) return standing.agent;
  throw new TunnelerError('engine.not_permitted', `${standing.agent} may not act as ${asked}`, {
    details: { agent: standing.agent, next: `leave the name out, or say ${standing.agent}` },
  });
}

/** Nobody's name in the settings. */
export function unknownAgent(agent: string): TunnelerError {
  return new TunnelerError('agent.unknown', `no agent is called ${agent}`, {
    details: { agent, next: 'culvert agent list names those there are' },
  });
}

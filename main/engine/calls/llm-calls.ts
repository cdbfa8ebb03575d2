/** The calls of group `llm`: the endpoint for models, and the keys for programs that insist on one. */
import type { EngineHandlers } from '../../api/schema.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import type { ModelKeyBook } from '../agents/model-keys.ts';
import type { ModelDoor } from '../entries/model-door.ts';
import { unknownAgent } from './agent-calls.ts';

/** What the calls are answered by. */
export interface LlmCallsDeps {
  readonly modelDoor: ModelDoor;
  readonly modelKeys: ModelKeyBook;
  readonly agents: AgentBindings;
}

/** The handlers of group `llm`. */
export function llmCalls({ modelDoor, modelKeys, agents }: LlmCallsDeps): EngineHandlers['llm'] {
  return {
    listen: ({ host, port }, { signal }) => modelDoor.listen({ host, port }, signal),
    keys: () => modelKeys.list(),
    createKey({ agent }) {
      if (agent !== undefined && agents.all()[agent] === undefined) throw unknownAgent(agent);
      return modelKeys.of(agent);
    },
    revokeKey: ({ key }) => modelKeys.revoke(key),
  };
}

/** Places of this engine on loopback for programs that speak MCP or to a model: nothing listens until it is asked for. */
import { createHash } from 'node:crypto';
import type { App } from '../../apps/app.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import { asksModels, type EngagementContract } from '../../base/engagement.ts';
import { parseHostPort } from '../../base/ip.ts';
import type { ToolPins } from '../../guard/mcp/pins.ts';
import { openFrontDoor, type FrontDoor, type FrontDoorDeps } from './front-door.ts';
import type { CallerFlow } from './loopback-caller.ts';
import { mcpEntry, type McpEntryDeps } from './mcp-entry.ts';
import type { EngineConfig, LlmConfig } from '../runtime/config.ts';
import type { AutoSettings } from './auto-model.ts';
import { openModelDoor, type ModelDoor, type ModelDoorDeps } from './model-door.ts';
import type { AliasTarget } from './model-routes.ts';
import { isRefusedByGuard, unofferedRecord } from './tools-refused.ts';

/** What the endpoints need together. */
export interface LocalEndpointsDeps
  extends
    McpEntryDeps,
    Omit<FrontDoorDeps, 'visible' | 'isRefused' | 'unoffered' | 'digest'>,
    Pick<ModelDoorDeps, 'checkModelKey' | 'audit'> {
  /** The kept definitions of a service's tools. */
  readonly pinsOf: (service: string) => ToolPins;
  readonly config: EngineConfig;
  /** The services under a contract that the program may dial at this moment, by name. */
  readonly visible: (
    app: App,
    flow: CallerFlow,
  ) => Promise<readonly { readonly service: string; readonly contract: EngagementContract }[]>;
}

/** The endpoints there are. */
export interface LocalEndpoints {
  /** Where an MCP client finds one service. Throws `ziti.dial.service_unknown`, `net.listen_failed`. */
  readonly mcpEndpoint: (service: string) => Promise<{ url: string }>;
  readonly frontDoor: FrontDoor;
  readonly modelDoor: ModelDoor;
}

/** The stack closes what was opened. Throws `net.address_in_use` where the settings give the endpoint for models a port. */
export async function openLocalEndpoints(deps: LocalEndpointsDeps, stack: DisposalStack): Promise<LocalEndpoints> {
  const { visible, config } = deps;
  const endpoints: LocalEndpoints = {
    mcpEndpoint: mcpEntry(deps, stack),
    frontDoor: openFrontDoor(
      {
        ...deps,
        visible: async (app, flow) =>
          (await visible(app, flow)).filter(({ contract }) => contract.mcp !== undefined).map(({ service }) => service),
        isRefused: async (app, flow, call) => {
          const found = (await visible(app, flow)).find(({ service }) => service === call.service);
          return found !== undefined && isRefusedByGuard(found.contract, deps.pinsOf(call.service), call);
        },
        unoffered: (app, call, absent) => deps.audit.recordOrLog(unofferedRecord(app, call, deps.clock.now(), absent)),
        digest: (text) => createHash('sha256').update(text).digest('hex'),
      },
      stack,
    ),
    modelDoor: openModelDoor(
      {
        ...deps,
        ...choices(config.llm),
        visible: async (app, flow) =>
          (await visible(app, flow)).flatMap(({ service, contract }) =>
            // A prompt is for model services alone, whatever else speaks HTTP.
            contract.http === undefined || !asksModels(contract.http)
              ? []
              : [
                  {
                    service,
                    models: contract.http.models,
                    ...(contract.http.websocket === true ? { websocket: true as const } : {}),
                  },
                ],
          ),
      },
      stack,
    ),
  };
  if (config.llm?.listen !== undefined) await endpoints.modelDoor.ensure();
  return endpoints;
}

/** How the endpoint for models chooses, as the settings have it. */
function choices(
  settings: LlmConfig | undefined,
): Pick<ModelDoorDeps, 'at' | 'aliases' | 'auto' | 'health' | 'random'> {
  const at = parseHostPort(settings?.listen ?? '127.0.0.1:0', 'llm.listen');
  const { failures = 3, restSeconds = 30 } = settings?.failover ?? {};
  const aliases = Object.entries(settings?.aliases ?? {}).map(([name, said]): [string, readonly AliasTarget[]] => [
    name,
    [said].flat().map((one) => {
      const { model, service, weight = 1 } = typeof one === 'string' ? { model: one } : one;
      return { model, service, weight };
    }),
  ]);
  const health = { failures, restMs: restSeconds * 1000 };
  return { at, aliases: new Map(aliases), auto: autoOf(settings?.auto), health, random: Math.random };
}

/** A likeness that says something, whatever the embedding model. */
const usualLikeness = 0.5;

function autoOf(settings: LlmConfig['auto']): AutoSettings | undefined {
  if (settings === undefined) return undefined;
  const { otherwise, routes, embeddings, classifier } = settings;
  return {
    otherwise,
    routes: routes.map(({ model, when, examples = [], purpose }) => ({ model, when, examples, purpose })),
    embeddings: embeddings && { model: embeddings.model, atLeast: embeddings.atLeast ?? usualLikeness },
    classifier,
  };
}

/** Places of this engine on loopback for programs that speak MCP or to a model: nothing listens until it is asked for. */
import { createHash } from 'node:crypto';
import type { App } from '../../apps/app.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { openFrontDoor, type FrontDoor, type FrontDoorDeps } from './front-door.ts';
import type { CallerFlow } from './loopback-caller.ts';
import { mcpEntry, type McpEntryDeps } from './mcp-entry.ts';
import { openModelDoor, type ModelDoor, type ModelDoorDeps } from './model-door.ts';

/** What the endpoints need together. */
export interface LocalEndpointsDeps
  extends McpEntryDeps, Omit<FrontDoorDeps, 'visible' | 'digest'>, Pick<ModelDoorDeps, 'checkModelKey' | 'audit'> {
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

/** The stack closes what was opened. */
export function openLocalEndpoints(deps: LocalEndpointsDeps, stack: DisposalStack): LocalEndpoints {
  const { visible } = deps;
  return {
    mcpEndpoint: mcpEntry(deps, stack),
    frontDoor: openFrontDoor(
      {
        ...deps,
        visible: async (app, flow) =>
          (await visible(app, flow)).filter(({ contract }) => contract.mcp !== undefined).map(({ service }) => service),
        digest: (text) => createHash('sha256').update(text).digest('hex'),
      },
      stack,
    ),
    modelDoor: openModelDoor({
      ...deps,
      visible: async (app, flow) =>
        (await visible(app, flow)).flatMap(({ service, contract }) =>
          contract.http === undefined ? [] : [{ service, models: contract.http.models }],
        ),
    }),
  };
}

/**
 * Where agents are spoken to, as their cards said, kept over a restart: a client that has a card asks for it no more. Forgetting it would only
 * close ways that the next look at a card opens again.
 */
import { join } from 'node:path';
import * as v from 'valibot';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { AgentEndpoints, type KeptEndpoints } from '../../guard/a2a/endpoints.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

const list = v.array(v.string());
const file = v.object({
  version: v.literal(1),
  services: v.record(v.string(), v.record(v.string(), v.object({ rpc: list, rest: list }))),
});
const words = { unknown: 'where agents are spoken to', removing: 'has their cards asked for again' };

/** The endpoints of a service, by its id. */
export interface KeptAgentEndpoints {
  of(serviceId: string): AgentEndpoints;
}

/** What cannot be read is forgotten, what cannot be written is known until the end; both are logged. */
export function openAgentEndpoints(deps: { readonly stateDirectory: string; readonly log: Log }): KeptAgentEndpoints {
  const path = join(deps.stateDirectory, 'agent-endpoints.json');
  const open = new Map<string, AgentEndpoints>();
  const quietly = <T>(what: () => T): T | undefined => {
    try {
      return what();
    } catch (error) {
      deps.log.warn('agent_endpoints.not_kept', { code: toTunnelerError(error).code, error: String(error) });
      return undefined;
    }
  };
  let services: Readonly<Record<string, KeptEndpoints>> = quietly(() => readKept(path, file, words))?.services ?? {};
  return {
    of(serviceId) {
      const known = open.get(serviceId);
      if (known !== undefined) return known;
      const made = new AgentEndpoints(services[serviceId], (kept) => {
        services = { ...services, [serviceId]: kept };
        quietly(() => writeKept(path, { version: 1, services }));
      });
      open.set(serviceId, made);
      return made;
    },
  };
}

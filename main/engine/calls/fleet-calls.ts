/** The calls of group `fleet`: the desk's questions, answered by whoever collects. */
import type { EngineHandlers } from '../../api/schema.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Collector } from '../collect/collector.ts';
import { agentOf } from '../collect/questions/agent.ts';
import { containmentOf } from '../collect/questions/containment.ts';
import { darkOf } from '../collect/questions/dark.ts';
import { incidentOf } from '../collect/questions/incident.ts';
import { reachOf } from '../collect/questions/reach.ts';

/** Without a collector every answer is `fleet.not_collecting`. */
export function fleetCalls(collector: Collector | undefined): EngineHandlers['fleet'] {
  const fleet = (): Collector => {
    if (collector !== undefined) return collector;
    throw new TunnelerError('fleet.not_collecting', "this engine keeps no other device's record", {
      details: { next: 'ask the collector: its --state, or its --socket' },
    });
  };
  return {
    devices: () => fleet().devices(),
    search: async (query) => {
      const hits = await fleet().search(query);
      return hits.map(({ record, ...where }) => ({ ...record, ...where }));
    },
    alerts: ({ limit }) => fleet().alerts(limit ?? 100),
    reach: (query) => reachOf(fleet(), query),
    containment: (query) => containmentOf(fleet(), query),
    incident: (query) => incidentOf(fleet(), query),
    agent: (query) => agentOf(fleet(), query),
    dark: () => darkOf(fleet()),
    order: ({ action, subject, cause }) => fleet().order(action, subject, cause ?? 'by hand'),
    orders: () => fleet().orders(),
  };
}

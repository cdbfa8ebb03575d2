/** What an agent did, and what it could have done: over every device that ran it. */
import type { FleetAgentView } from '../../../api/record-views.ts';
import { fieldOf, recordsOf, type FleetRecords } from './records.ts';
import { reachOf } from './reach.ts';

/** The agent by its name in `agents:`. */
export interface AgentQuery {
  readonly agent: string;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Did: sessions and calls of the time asked for. Could: what its identities hold now. */
export async function agentOf(store: FleetRecords, { agent, since, until }: AgentQuery): Promise<FleetAgentView> {
  const within = { agent, since, until };
  const opened = (await recordsOf(store, ['session.opened'], within)).filter(
    (hit) => fieldOf(hit, 'direction') !== 'host',
  );
  const calls = await recordsOf(store, ['call'], within);
  const refused = (await recordsOf(store, ['verdict'], within)).filter((hit) => hit.record['decision'] === 'deny');
  const tools = new Map<string, { service: string; tool: string; calls: number; denied: number }>();
  // Where both ends report, each call is in both records.
  const dialled = new Set(calls.filter((hit) => fieldOf(hit, 'end') !== 'host').map(({ record }) => record['service']));
  for (const hit of calls) {
    if (fieldOf(hit, 'end') === 'host' && dialled.has(hit.record['service'])) continue;
    const service = fieldOf(hit, 'service');
    const tool = fieldOf(hit, 'tool') || fieldOf(hit, 'method');
    const key = JSON.stringify([service, tool]);
    const row = tools.get(key) ?? { service, tool, calls: 0, denied: 0 };
    row.calls += 1;
    if (hit.record['decision'] === 'deny') row.denied += 1;
    tools.set(key, row);
  }
  const reach = await reachOf(store, { agent });
  return {
    agent,
    devices: [...new Set([...opened, ...calls, ...refused].map(({ device }) => device))].sort(),
    sessions: opened.length,
    did: [...tools.values()].sort((a, b) => b.calls - a.calls || a.tool.localeCompare(b.tool)),
    refused: refused.length,
    could: reach.map(({ device, identity, dial, used }) => {
      const reached = new Set(used.find(({ who }) => who === agent)?.services ?? []);
      return {
        device,
        identity,
        services: dial,
        used: [...reached].sort(),
        unused: dial.filter((name) => !reached.has(name)),
      };
    }),
  };
}

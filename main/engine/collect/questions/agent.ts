/** What an agent did, and what it could have done: over every device that ran it. */
import type { FleetAgentView } from '../../../api/record-views.ts';
import { groupBy } from '../../../base/group-by.ts';
import type { FleetHit } from '../fleet-store.ts';
import { fieldOf, LeftOut, recordsOf, type FleetRecords } from './records.ts';
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
  const left = new LeftOut();
  const opened = (await recordsOf(store, left, ['session.opened'], within)).filter(
    (hit) => fieldOf(hit, 'direction') !== 'host',
  );
  const calls = await recordsOf(store, left, ['call'], within);
  const refused = (await recordsOf(store, left, ['verdict'], within)).filter(
    (hit) => hit.record['decision'] === 'deny',
  );
  const reach = await reachOf(store, { agent }, left);
  return {
    agent,
    devices: [...new Set([...opened, ...calls, ...refused].map(({ device }) => device))].sort(),
    sessions: opened.length,
    did: didOf(calls),
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
    ...(left.all().length === 0 ? {} : { leftOut: left.all() }),
  };
}

type Did = FleetAgentView['did'][number];

/**
 * Calls by service and tool. A call is in the record of both its ends where both report; an end that does not report, or that leaves calls
 * out, hides none of them: for each caller the end that counted more is believed.
 */
function didOf(calls: readonly FleetHit[]): Did[] {
  const tools = new Map<string, Did>();
  for (const [key, ofOne] of groupBy(calls, (hit) => JSON.stringify([...toolOf(hit), callerOf(hit)]))) {
    const [service, tool] = JSON.parse(key) as [string, string, string];
    const hosted = ofOne.filter(isHosted);
    const dialled = ofOne.filter((hit) => !isHosted(hit));
    const row = JSON.stringify([service, tool]);
    const before = tools.get(row) ?? { service, tool, calls: 0, denied: 0 };
    tools.set(row, {
      ...before,
      calls: before.calls + Math.max(hosted.length, dialled.length),
      denied: before.denied + Math.max(deniedOf(hosted), deniedOf(dialled)),
    });
  }
  return [...tools.values()].sort((a, b) => b.calls - a.calls || a.tool.localeCompare(b.tool));
}

function toolOf(hit: FleetHit): readonly [string, string] {
  return [fieldOf(hit, 'service'), fieldOf(hit, 'tool') || fieldOf(hit, 'method')];
}

/** The identity that called. A host that was shown a caller's signature writes the caller's id behind the name. */
function callerOf(hit: FleetHit): string {
  return isHosted(hit) ? fieldOf(hit, 'caller').replace(/ \([^()]+\)$/, '') : fieldOf(hit, 'identity');
}

function isHosted(hit: FleetHit): boolean {
  return fieldOf(hit, 'end') === 'host';
}

function deniedOf(hits: readonly FleetHit[]): number {
  return hits.filter(({ record }) => record['decision'] === 'deny').length;
}

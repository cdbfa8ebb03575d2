/**
 * Scenario `macro-pulse`: five organisations share research through four workgroups. Eight agents, each an identity of its own, call tools
 * under contracts; one engagement ends when its contract says so, one agent misbehaves and is cut off, alone.
 */
import { join } from 'node:path';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { SessionView } from '../../api/views.ts';
import type { Cli } from '../cli.ts';
import { runAgent, writeAgent, type AgentCall, type AgentRun } from './agent-program.ts';
import { openMcpService } from './mcp-service.ts';
import {
  onStage,
  darkConfigs,
  failed,
  startDevice,
  waitUntil,
  waitUntilHosted,
  type Demo,
  type Narrate,
} from './stage.ts';

/** The fifth keeps the data and dials nobody. */
const hub = 'meridian-institute';
/** Agents of each organisation; `ORGANISATION.AGENT` is the agent's identity. */
const organisations: Readonly<Record<string, readonly string[]>> = {
  'aurora-bank': ['scout', 'analyst'],
  'borealis-energy': ['forecaster', 'dispatcher'],
  'cirrus-health': ['reader', 'registrar'],
  'delta-freight': ['router', 'broker'],
};
/** Who works in which group; the others of the same host do not see it. */
const workgroups: Readonly<Record<string, readonly string[]>> = {
  inflation: ['aurora-bank.scout', 'borealis-energy.forecaster', 'delta-freight.router'],
  credit: ['aurora-bank.analyst', 'delta-freight.broker'],
  energy: ['borealis-energy.dispatcher', 'borealis-energy.forecaster'],
  health: ['cirrus-health.reader', 'cirrus-health.registrar'],
};
/** A service of the group `health` that its reader is engaged for; the contract ends with the time, so nobody else may be under it. */
const engagement = 'health-review';
const engagementSeconds = 2;
/** Refused calls of one agent at one service after which the breaker cuts it off there. */
const tolerated = 3;
const search: AgentCall = { method: 'tools/call', params: { name: 'search', arguments: { query: 'dark' } } };
const list: AgentCall = { method: 'tools/list' };
const erase: AgentCall = { method: 'tools/call', params: { name: 'delete_notes', arguments: {} } };

/** Run the scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export function openMacroPulse(cli: Cli, narrate: Narrate): Promise<Demo> {
  return onStage((stack, directory) => scenario(cli, narrate, stack, directory));
}

async function scenario(cli: Cli, narrate: Narrate, stack: DisposalStack, directory: string): Promise<Demo> {
  const { programs } = cli;
  const data = stack.use(await openMcpService());
  const overlay = stack.use(
    await programs.openOverlay({ directory: join(directory, 'overlay'), seed: seed(data.port) }),
  );
  const { tokens } = overlay;
  await startDevice({ name: hub, mode: 'host', tokens, directory, programs }, stack);
  await waitUntilHosted(cli, join(directory, hub));
  narrate(`${hub} hosts one dark MCP service for each workgroup`, Object.keys(workgroups).join(', '));

  const proxies = new Map<string, string>();
  for (const [name, agents] of Object.entries(organisations)) {
    for (const agent of agents) await writeAgent(agentPath(directory, name, agent));
    const identities = agents.map((agent) => `${name}.${agent}`);
    const config = settings(directory, name, agents);
    const engine = await startDevice({ name, mode: 'proxy', tokens, identities, config, directory, programs }, stack);
    proxies.set(name, engine.ready.proxy ?? '');
    narrate(`${name} runs ${agents.join(' and ')}`, 'two programs on one host, each bound to an identity of its own');
  }

  const run = (who: string, group: string, calls: readonly AgentCall[], stay = false): Promise<AgentRun> => {
    const [name = '', agent = ''] = who.split('.');
    const path = agentPath(directory, name, agent);
    return runAgent(path, proxies.get(name) ?? '', `${group}.pulse`, calls, { signal: cli.signal, stay });
  };
  await everyoneWorks(run, narrate);
  await oneEngagementEnds(run, narrate);
  const culprit = 'delta-freight';
  await oneMisbehaves(run, cli, join(directory, culprit), narrate);

  const sessions: SessionView[] = [];
  for (const name of Object.keys(organisations)) {
    sessions.push(...(await cli.withEngine({ state: join(directory, name) }, (client) => client.session.list())));
  }
  for (const reason of ['max_duration_exceeded', 'quarantined'] as const) {
    if (!sessions.some((session) => session.closeReason === reason)) throw failed(`no session was closed: ${reason}`);
  }
  const state = join(directory, culprit);
  return {
    state,
    mode: 'proxy',
    proxy: proxies.get(culprit),
    sessions,
    next: [
      [`CULVERT apps --state ${state}`, 'agents, whom they dial as, and what each may reach'],
      [`CULVERT quarantine list --state ${state}`, 'who is cut off, by what, and why'],
      [`CULVERT audit calls --state ${state}`, 'which agent called which tool, when, with what, decided by which rule'],
      [`CULVERT why --app router --state ${state}`, 'all that one agent may reach'],
    ],
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

type Run = (who: string, group: string, calls: readonly AgentCall[], stay?: boolean) => Promise<AgentRun>;

async function everyoneWorks(run: Run, narrate: Narrate): Promise<void> {
  const members = Object.entries(workgroups).flatMap(([group, agents]) => agents.map((who) => ({ group, who })));
  for (const { group, who } of members) {
    const { answers, refused } = await run(who, group, [list, search]);
    if (refused !== undefined) throw failed(`${who} does not reach ${group}: ${refused}`);
    const tools = answers[0]?.result?.tools?.map((tool) => tool.name) ?? [];
    if (tools.includes('delete_notes') || !tools.includes('search')) throw failed(`${who} does not see what it should`);
    if ((answers[1]?.result?.content?.[0]?.text ?? '') === '') throw failed(`${who} found nothing in ${group}`);
  }
  narrate('Every agent searches its own workgroup', 'tools that could delete are not even listed');
  // On the same host, the identity of the neighbour is not lent.
  const outside = await run('aurora-bank.scout', 'credit', [list]);
  if (outside.refused === undefined) throw failed('an agent reached a workgroup it is no member of');
  narrate('aurora-bank’s scout asks for the credit group, which is its colleague’s', `refused: ${outside.refused}`);
}

async function oneEngagementEnds(run: Run, narrate: Narrate): Promise<void> {
  // However late its answer comes: what counts is that it is cut off.
  const engaged = await run('cirrus-health.reader', engagement, [search], true);
  if (engaged.endedAfterMs === undefined) throw failed('the engagement did not end');
  narrate(
    `cirrus-health’s reader is engaged for ${engagementSeconds} s, and its session ends then`,
    `max_duration_exceeded after ${(engaged.endedAfterMs / 1000).toFixed(2)} s`,
  );
}

async function oneMisbehaves(run: Run, cli: Cli, state: string, narrate: Narrate): Promise<void> {
  const attempts = Array.from({ length: tolerated }, () => erase);
  const { answers } = await run('delta-freight.broker', 'credit', [search, ...attempts], true);
  const refusal = answers[1]?.error?.message;
  if (refusal === undefined) throw failed('delete_notes was not refused');
  await waitUntil(cli, 'the broker is in quarantine', async () => {
    const held = await cli.withEngine({ state }, (client) => client.quarantine.list());
    return held.some((entry) => entry.subject.startsWith('app:broker@') && entry.by === 'breaker');
  });
  narrate(`delta-freight’s broker calls "delete_notes" ${tolerated} times: refused, then cut off`, refusal);
  const again = await run('delta-freight.broker', 'credit', [search]);
  const neighbour = await run('delta-freight.router', 'inflation', [search]);
  if (again.refused === undefined) throw failed('the broker was let through once more');
  if (neighbour.refused !== undefined) throw failed('the router was cut off with the broker');
  narrate('The broker reaches credit no more; the router beside it works on', `refused: ${again.refused}`);
}

function agentPath(directory: string, organisation: string, agent: string): string {
  return join(directory, 'agents', organisation, `${agent}.mjs`);
}

/** JSON is YAML: nothing in a path has to be escaped by hand. */
function settings(directory: string, organisation: string, agents: readonly string[]): string {
  const bound = agents.map((agent) => [
    agent,
    { identity: `${organisation}.${agent}`, path: agentPath(directory, organisation, agent) },
  ]);
  const policy = { unbound: 'refuse', breaker: { denials: tolerated, holdSeconds: 0 } };
  return JSON.stringify({ agents: Object.fromEntries(bound) as unknown, policy });
}

function seed(port: number): unknown {
  const service = (name: string, group: string, contract: object, members: readonly string[]): object => ({
    name: `${name}.pulse`,
    roleAttributes: [group],
    configs: { ...darkConfigs(`${name}.pulse`, 80, port), 'culvert.contract.v1': contract },
    dial: members,
    bind: [hub],
  });
  const agents = Object.entries(organisations).flatMap(([name, own]) => own.map((agent) => `${name}.${agent}`));
  const tools = { mcp: { allow: ['search', 'count'], deny: ['delete_*'] }, onViolation: 'quarantine' };
  return {
    identities: [hub, ...agents],
    services: [
      ...Object.entries(workgroups).map(([group, members]) => service(group, group, tools, members)),
      service(engagement, 'health', { ...tools, maxDurationSeconds: engagementSeconds }, ['cirrus-health.reader']),
    ],
  };
}

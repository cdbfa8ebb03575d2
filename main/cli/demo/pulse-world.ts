/** Who is who in `macro-pulse`: organisations, their agents, workgroups, and the contracts that agents are offered under. */
import { join } from 'node:path';

/** Agents of each organisation; `ORGANISATION.AGENT` is the agent's identity, `AGENT.pulse` the service that it is offered as. */
export const organisations: Readonly<Record<string, readonly string[]>> = {
  'aurora-bank': ['scout', 'analyst'],
  'borealis-energy': ['forecaster', 'dispatcher'],
  'cirrus-health': ['reader'],
  'delta-freight': ['router', 'broker'],
  'meridian-institute': ['curator'],
};

/** Who works in which group; a group is a role attribute of its members' services, and nobody else may dial them. */
export const workgroups: Readonly<Record<string, readonly string[]>> = {
  inflation: ['scout', 'forecaster', 'router'],
  credit: ['analyst', 'broker'],
  energy: ['dispatcher', 'router'],
  health: ['reader', 'curator'],
};

/** Those that are written in Python where that can be had. */
export const pythonists: ReadonlySet<string> = new Set(['scout', 'forecaster', 'router']);
/** Who asks for what its contract does not allow. */
export const culprit = 'broker';
/** Refused messages of one agent at one service after which the breaker cuts it off there. */
export const tolerated = 3;
/** The contract of the health group's curator asks a person first, and ends with the time. */
export const engagementSeconds = 2;

/** All of them. */
export const everyone: readonly string[] = Object.values(organisations).flat();

/** What an agent's series is of: the skill that its contract allows. */
export const seriesOf: Readonly<Record<string, string>> = {
  scout: 'prices',
  analyst: 'spreads',
  forecaster: 'demand',
  dispatcher: 'load',
  reader: 'admissions',
  router: 'freight',
  broker: 'quotes',
  curator: 'mortality',
};

/** The organisation that an agent is of. */
export function homeOf(agent: string): string {
  return Object.entries(organisations).find(([, agents]) => agents.includes(agent))?.[0] ?? '';
}

/** The identity that an agent dials and hosts as. */
export function identityOf(agent: string): string {
  return `${homeOf(agent)}.${agent}`;
}

/** The dark service that an agent is offered as. */
export function serviceOf(agent: string): string {
  return `${agent}.pulse`;
}

/** Where those who may ask it find it. */
export function urlOf(agent: string): string {
  return `http://${serviceOf(agent)}/`;
}

/** Those it shares a workgroup with. */
export function peersOf(agent: string): readonly string[] {
  return [...new Set(groupsOf(agent).flatMap((group) => workgroups[group] ?? []))].filter((other) => other !== agent);
}

function groupsOf(agent: string): readonly string[] {
  return Object.keys(workgroups).filter((group) => workgroups[group]?.includes(agent));
}

/** Where an agent's program is put. */
export function programOf(directory: string, agent: string, language: 'mjs' | 'py'): string {
  return join(directory, 'agents', homeOf(agent), `${agent}.${language}`);
}

/** Its card, of revision 1.0; where it is offered says under which address it is found. */
export function cardOf(agent: string): Readonly<Record<string, unknown>> {
  const series = seriesOf[agent] ?? '';
  const modes = { inputModes: ['text/plain'], outputModes: ['text/plain'] };
  const skill = {
    id: series,
    name: series,
    description: `the newest ${series}`,
    tags: ['series'],
    examples: [],
    ...modes,
  };
  return {
    name: agent,
    description: `${series} of ${homeOf(agent)}`,
    version: '1.0.0',
    capabilities: { streaming: true, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: modes.inputModes,
    defaultOutputModes: modes.outputModes,
    skills: [{ ...skill, securityRequirements: [] }],
    supportedInterfaces: [
      { url: 'http://agent.invalid/', protocolBinding: 'JSONRPC', tenant: '', protocolVersion: '1.0' },
    ],
    signatures: [],
  };
}

/** An organisation's `culvert.yaml`. JSON is YAML: nothing in a path has to be escaped by hand. */
export function settingsOf(organisation: string, pathOf: (agent: string) => string): string {
  const bound = (organisations[organisation] ?? []).map((agent) => [
    agent,
    { identity: identityOf(agent), path: pathOf(agent) },
  ]);
  const policy = { unbound: 'refuse', breaker: { denials: tolerated, holdSeconds: 0 } };
  return JSON.stringify({ agents: Object.fromEntries(bound) as unknown, policy });
}

/** What the overlay starts with. */
export function pulseSeed(): unknown {
  return {
    identities: everyone.map(identityOf),
    services: everyone.map((agent) => ({
      name: serviceOf(agent),
      roleAttributes: groupsOf(agent),
      configs: {
        'intercept.v1': { protocols: ['tcp'], addresses: [serviceOf(agent)], portRanges: [{ low: 80, high: 80 }] },
        'culvert.contract.v1': contractOf(agent),
      },
      dial: peersOf(agent).map(identityOf),
      bind: [identityOf(agent)],
    })),
  };
}

function contractOf(agent: string): unknown {
  const terms = { a2a: { skills: [seriesOf[agent]], messageTypes: ['text'] }, onViolation: 'quarantine' };
  if (agent !== 'curator') return terms;
  const approval = { by: [identityOf(agent)], forSeconds: 600, reason: 'required' };
  return { ...terms, approval, maxDurationSeconds: engagementSeconds };
}

/** `why`: each step from a name to a terminator, the first that fails, and what to do about it. Asks nothing to be dialled. */
import type { App } from '../../apps/app.ts';
import { defined } from '../../base/defined.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { FlowRequest } from '../../base/flow.ts';
import { ipFamily } from '../../base/ip.ts';
import type { Reason } from '../../base/reason.ts';
import type { ReasonCode } from '../../base/reason-codes.ts';
import type { WhyStep, WhyView } from '../../api/views.ts';
import type { Intercept, Match } from '../../intercept/match.ts';
import type { Policy } from '../../policy/policy.ts';
import { approvesSessions } from '../../policy/approvals.ts';
import { postureOf } from '../../policy/posture.ts';
import { noEdgeRouter, nobodyHosts } from '../../policy/reasons.ts';
import type { DecisionFacts, Verdict } from '../../policy/verdict.ts';
import type { Identities } from '../identities/identities.ts';
import type { Terminators } from '../identities/terminators.ts';
import type { HostRefusals } from './host-refusals.ts';
import { lentIdentities, unknownReach } from './unknown-reach.ts';

/** What is asked step by step. */
export interface WhyDeps {
  readonly intercept: Pick<Intercept, 'match' | 'matchService'>;
  readonly policy: Pick<Policy, 'decide' | 'contractOf' | 'lentTo'>;
  readonly facts: (app: App) => DecisionFacts;
  readonly identities: Identities;
  readonly terminators: Pick<Terminators, 'count'>;
  /** What only the host can judge is known by how it judged last. */
  readonly hostRefusals: Pick<HostRefusals, 'last'>;
  /** The agent or program a person names with `--app`. */
  readonly appNamed: (name: string) => App;
}

type Outcome = WhyStep['outcome'];
type AddStep = (step: WhyStep['step'], outcome: Outcome, reason: Reason) => void;

type PlainStep = ReasonCode extends infer Code ? (Code extends `why.${infer Step}` ? Step : never) : never;

/** A step that went as it must, or was not taken: its code is of `why` alone. */
function plain(code: PlainStep, sentence: string, details?: Reason['details']): Reason {
  return { code: `why.${code}`, sentence, ...defined({ details }) };
}

const skipped = plain('skipped', 'not reached');

/** A plain program that nobody has anything against. */
const anyProgram: App = { attribution: 'exact', parents: [] };

/** Ports tried where none is given: those a person most likely means. */
const usualPorts = [443, 80, 22, 502, 5432, 8080];

/** Explain `HOST[:PORT]`, or a service's name, for everybody or for one program. Never throws for an unreachable destination. */
export async function explainWhy(destination: string, app: string | undefined, deps: WhyDeps): Promise<WhyView> {
  const asked = app === undefined ? anyProgram : deps.appNamed(app);
  const steps: WhyStep[] = [];
  const add: AddStep = (step, outcome, { code, sentence, next, details }) => {
    steps.push({
      step,
      outcome,
      text: sentence,
      code,
      ...defined({ next, details }),
    });
  };
  const done = (match?: Match): WhyView => ({
    destination,
    reachable: steps.every((step) => step.outcome !== 'fail'),
    ...defined({ service: match?.service.name, identity: match?.identity }),
    steps,
  });

  const found = findMatches(destination, deps.intercept);
  if (found.matches.length === 0) {
    const all = deps.identities.all();
    // Whoever asks here is told what is disabled too: it is what they may have forgotten.
    const asking = app === undefined ? all : lentIdentities(asked, all, { ...deps, servesOne: false });
    add('name', 'fail', unknownReach(found.refusal, asking) ?? found.refusal);
    return done();
  }
  const [first] = found.matches;
  const names = [...new Set(found.matches.map((match) => match.service.name))].join(', ');
  add('name', 'pass', plain('name.claimed', `${destination} is claimed by ${names}`, { services: names }));
  add(
    'application',
    app === undefined ? 'skipped' : 'pass',
    app === undefined
      ? plain('application.any', 'not asked; --app tells for one program')
      : plain('application.named', `as ${asked.agent ?? asked.path ?? app}`, { app: asked.agent ?? asked.path ?? app }),
  );

  const verdict = deps.policy.decide(found.flow, asked, found.matches, deps.facts(asked));
  const match = (verdict.kind === 'pass' ? undefined : verdict.match) ?? first;
  if (match === undefined) return done();
  explainVerdict(verdict, match, deps, add);
  await explainNetwork(match, deps, add);
  return done(match);
}

function explainVerdict(verdict: Verdict, match: Match, deps: WhyDeps, add: AddStep): void {
  const failing = verdict.kind === 'refuse' ? stepOf(verdict.reason.code, verdict.reason.rule) : undefined;
  const contract = deps.policy.contractOf(match.service);
  const good: readonly (readonly [WhyStep['step'], Reason])[] = [
    ['identity', plain('identity.works', `${match.identity} can work`)],
    ['service', plain('service.known', `${match.service.name} is one of its services`)],
    ['permission', plain('permission.granted', `${match.identity} may dial it`)],
    ['posture', postureReason(match)],
    ['quarantine', plain('quarantine.none', 'nothing of it is in quarantine')],
    [
      'contract',
      contract.kind === 'set'
        ? plain('contract.allows', `its contract (${contract.origin}) allows it`, { origin: contract.origin })
        : plain('contract.none', 'no contract'),
    ],
    ['local-policy', plain('local.none', 'no local rule forbids it')],
  ];
  const refusedThere = contract.kind === 'set' ? refusedByHost(match, contract.contract, deps) : undefined;
  let failed = false;
  for (const [step, reason] of good) {
    if (failed) add(step, 'skipped', skipped);
    else if (step === failing && verdict.kind === 'refuse') {
      failed = true;
      add(step, 'fail', verdict.reason);
    } else if (reason.code === 'posture.failed') {
      // The dial would be tried, for routers judge; yet one has refused it, and nothing was told anew since.
      failed = true;
      add(step, 'fail', reason);
    } else if (step === 'contract' && refusedThere !== undefined) {
      failed = true;
      add(step, 'fail', refusedThere);
    } else add(step, 'pass', reason);
  }
}

/** How the host judged last by terms that the contract in force still has. */
function refusedByHost(match: Match, contract: EngagementContract, deps: WhyDeps): Reason | undefined {
  if (!approvesSessions(contract) && contract.grantSeconds === undefined) return undefined;
  const account = deps.identities.follow(match.identity)?.account() ?? match.identity;
  return deps.hostRefusals.last(account, match.service.id);
}

function postureReason(match: Match): Reason {
  const { postureChecks } = match.service;
  if (postureChecks.length === 0) return plain('posture.none', 'no posture check');
  const refused = postureChecks.map((check) => (check.judged === undefined ? { ...check, isPassing: true } : check));
  const posture = postureOf({ ...match, service: { ...match.service, postureChecks: refused } }, 'oidc');
  return posture.kind === 'passing' ? plain('posture.passing', 'posture checks pass') : posture.reason;
}

/** Which step a refusal of policy belongs to. */
function stepOf(code: ReasonCode, rule: string | undefined): WhyStep['step'] {
  if (code === 'policy.quarantined') return 'quarantine';
  if (code.startsWith('permission.')) return 'permission';
  if (code.startsWith('posture.')) return 'posture';
  if (code.startsWith('contract.') || code.startsWith('policy.contract') || rule?.startsWith('contract') === true) {
    return 'contract';
  }
  if (code.startsWith('policy.local') || rule?.startsWith('local') === true || rule?.includes('.cedar') === true) {
    return 'local-policy';
  }
  return 'identity';
}

async function explainNetwork(match: Match, deps: WhyDeps, add: AddStep): Promise<void> {
  const runner = deps.identities.find(match.identity);
  const connected = (runner?.routers() ?? []).filter((router) => router.state === 'connected');
  if (connected.length === 0) {
    add('router', 'fail', noEdgeRouter(match.identity));
    add('terminator', 'skipped', skipped);
    return;
  }
  const routers = connected.map((router) => router.name).join(', ');
  add('router', 'pass', plain('router.connected', `connected to ${routers}`, { routers }));
  const { terminatorIdentity } = match;
  const count = await deps.terminators
    .count([match.identity, match.service.id, terminatorIdentity])
    .catch(() => undefined);
  if (count === undefined) {
    add('terminator', 'unknown', plain('terminator.unknown', 'the controller does not say who hosts it'));
  } else if (count > 0) {
    const online = `${count} terminator${count === 1 ? '' : 's'} online`;
    const named = terminatorIdentity === undefined ? '' : ` as ${terminatorIdentity}`;
    add('terminator', 'pass', plain('terminator.online', `${online}${named}`, { count, terminatorIdentity }));
  } else {
    add('terminator', 'fail', nobodyHosts(match.service.name, terminatorIdentity));
  }
}

interface Found {
  readonly flow: FlowRequest;
  readonly matches: readonly Match[];
  /** Why nothing was found; of no meaning where something was. */
  readonly refusal: Reason;
}

/** By name and port; without a port by those most usual, then as a service's own name. */
function findMatches(destination: string, intercept: Pick<Intercept, 'match' | 'matchService'>): Found {
  const { host, port } = split(destination);
  const ports = port === undefined ? usualPorts : [port];
  let refused: Found | undefined;
  const nothing: Reason = { code: 'intercept.no_match', sentence: `nothing claims ${destination}` };
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const one of ports) {
      const flow = flowTo(host, one, protocol);
      const result = intercept.match(flow);
      if (result.kind === 'matched') return { flow, matches: result.matches, refusal: nothing };
      refused ??= { flow, matches: [], refusal: result.reason };
    }
  }
  const flow = flowTo(host, port ?? 0, 'tcp');
  const byName = intercept.matchService(destination, flow);
  if (byName.kind === 'matched') return { flow, matches: byName.matches, refusal: nothing };
  return refused ?? { flow, matches: [], refusal: nothing };
}

function flowTo(host: string, port: number, protocol: 'tcp' | 'udp'): FlowRequest {
  const target = ipFamily(host) === undefined ? { hostname: host } : { address: host };
  return {
    entry: 'socks5',
    protocol,
    source: { address: '127.0.0.1', port: 0 },
    destination: { ...target, port },
  };
}

function split(destination: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(destination);
  if (bracketed?.[1] !== undefined) return { host: bracketed[1], port: portOf(bracketed[2]) };
  const plain = /^([^:]+):(\d{1,5})$/.exec(destination);
  if (plain?.[1] !== undefined) return { host: plain[1], port: portOf(plain[2]) };
  return { host: destination, port: undefined };
}

function portOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

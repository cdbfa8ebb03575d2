/**
 * Which identity a program dials as. An agent's identity serves that agent, a user's identity that user's programs; everybody else has
 * the device's identities, or none, as set. A doubtful owner is nobody's agent and nobody's program: it fails closed.
 */
import type { App, AppDoubt, Drift } from '../apps/app.ts';
import type { ReasonCode } from '../base/reason-codes.ts';
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import { programName } from './program.ts';
import type { DecisionFacts } from './verdict.ts';

/** `agents:` of the settings: which agent dials as which identity. */
export interface AgentBinding {
  readonly name: string;
  /** Local name of its identity; absent: recognised only, treated as any unbound program. */
  readonly identity?: string;
}

/** Who dials as whom, as `agents:` and `policy:` in culvert.yaml say. */
export interface IdentityRules {
  readonly agents: readonly AgentBinding[];
  /**
   * Whoever is bound to no identity of its own dials as the device, or not at all. Absent: plain programs do, agents that were recognised
   * and that no setting names do not.
   */
  readonly unbound?: 'device' | 'refuse' | undefined;
  /** Where nobody knows whose the flow is: refused (default), or served all the same. */
  readonly onUnknownApp?: 'closed' | 'open';
}

/** What an identity claims, as far as it matters whose identity that is. */
type Claim = Pick<Match, 'identity'>;

/** The claims a program may dial by, or why it may use none of them. */
export type Choice<C extends Claim = Match> =
  | { readonly kind: 'eligible'; /** Best first. */ readonly matches: readonly C[] }
  | { readonly kind: 'refused'; readonly reason: Reason };

type Refusal = Extract<Choice, { kind: 'refused' }>;

/** The claims of those identities that serve this program. */
export function chooseMatches<C extends Claim>(
  app: App,
  matches: readonly C[],
  facts: Pick<DecisionFacts, 'identity'>,
  rules: IdentityRules,
): Choice<C> {
  const binding = rules.agents.find((agent) => agent.name === app.agent);
  if (app.drift !== undefined) {
    return refused(
      'policy.agent.drift',
      `${app.agent ?? 'the agent'} is not the program that it was bound as: ${driftedIn[app.drift]}`,
      { next: 'look at what changed it; if that was you, bind it anew: culvert agent bind', rule: 'settings:agents' },
    );
  }
  if (binding?.identity !== undefined) return forAgent(app, matches, binding);
  if (app.attribution === 'unknown' && rules.onUnknownApp !== 'open') return unknownOwner(app);

  const agentOwned = new Set(rules.agents.map((agent) => agent.identity));
  const common = matches.filter((match) => !agentOwned.has(match.identity));
  const isLent = rules.onUnknownApp === 'open' && app.uid === undefined;
  const own = common.filter((match) => servesUser(match, app, facts) || (isLent && isUsers(match, facts)));
  const isForeign = binding === undefined && app.agent !== undefined;
  if (rules.unbound === 'refuse' || (rules.unbound === undefined && isForeign)) {
    if (own.length > 0 && !isForeign) return { kind: 'eligible', matches: own };
    return refused(
      'policy.agent.unbound',
      `${programName(app)} is bound to no identity, and such programs are refused`,
      {
        next: 'bind it to an identity under agents: in culvert.yaml',
        rule: 'settings:agents',
      },
    );
  }
  const device = common.filter((match) => !isUsers(match, facts));
  if (own.length + device.length > 0) return { kind: 'eligible', matches: [...own, ...device] };

  const claimants = [...new Set(matches.map((match) => match.identity))].join(', ');
  return refused(
    'policy.identity.not_yours',
    `${claimants} serves another user or agent, not ${programName(app)}${app.user === undefined ? '' : ` of ${app.user}`}`,
    { next: 'enrol an identity for this user or program', rule: 'settings:agents' },
  );
}

/** What is not known of an owner, in words, with what to do about it. */
const unknownBecause: Partial<Record<AppDoubt, readonly [sentence: string, next: string]>> = {
  lineage: ['nobody saw what started it', 'start it again, now that the engine runs'],
  program: ['nobody can tell which program its interpreter runs', 'start it again, now that the engine runs'],
};

function unknownOwner(app: App): Refusal {
  const [because, next] = (app.doubt === undefined ? undefined : unknownBecause[app.doubt]) ?? [
    'its owner on this host was not found',
    'run it on this host, or set policy.onUnknownApp: open',
  ];
  return refused('policy.app.unknown', `it is not known which program asks: ${because}`, {
    next,
    rule: 'settings:policy.onUnknownApp',
  });
}

/** What a program changed in, in words. */
const driftedIn: Readonly<Record<Drift, string>> = {
  hash: 'its SHA-256 is another one',
  signer: 'another one has signed it, or nobody: no signature, and no package, vouches for what is there now',
  image: 'its container was made from another image',
};

function forAgent<C extends Claim>(app: App, matches: readonly C[], binding: AgentBinding): Choice<C> {
  if (app.attribution !== 'exact') {
    return refused(
      'policy.agent.uncertain',
      `it is not certain that ${binding.name} asks, so its identity is not lent${uncertainBecause(app)}`,
      { next: `start it with culvert agent run ${binding.name}`, rule: 'settings:agents' },
    );
  }
  const own = matches.filter((match) => match.identity === binding.identity);
  if (own.length > 0) return { kind: 'eligible', matches: own };
  return refused(
    'policy.agent.no_reach',
    `${binding.name} dials as ${binding.identity ?? ''}, which has no service for this destination`,
    { next: `grant ${binding.identity ?? 'it'} the service at the controller`, rule: 'settings:agents' },
  );
}

function uncertainBecause({ doubt }: App): string {
  switch (doubt) {
    case 'injected':
      return ': code of somebody else was loaded into it as it started';
    case 'arguments':
      return ': it started before the engine, and its arguments alone name it';
    case 'holders':
      return ': another program holds the same socket';
    case 'program':
      return ': between it and the socket runs a program that nobody can tell';
    default:
      return '';
  }
}

function isUsers(match: Claim, facts: Pick<DecisionFacts, 'identity'>): boolean {
  return facts.identity(match.identity)?.scope === 'user';
}

function servesUser(match: Claim, app: App, facts: Pick<DecisionFacts, 'identity'>): boolean {
  const identity = facts.identity(match.identity);
  return (
    identity?.scope === 'user' &&
    identity.ownerUid !== undefined &&
    identity.ownerUid === app.uid &&
    app.attribution === 'exact'
  );
}

function refused(code: ReasonCode, sentence: string, more: Pick<Reason, 'next' | 'rule'>): Refusal {
  return { kind: 'refused', reason: { code, sentence, ...more } };
}

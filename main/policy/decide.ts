/**
 * One flow's verdict. Pure: flow, program, claims and the facts of the moment in, a verdict with its reason out.
 *
 * The steps stand in the order they are taken; the first that fails answers. A step that cannot tell refuses (fails closed); the one
 * exception is posture where routers judge it, since the controller's word is then known to be old.
 */
import type { App } from '../apps/app.ts';
import { defined } from '../base/defined.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { FlowRequest, RefusalAnswer } from '../base/flow.ts';
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import { approvalNeeded, approvesSessions } from './approvals.ts';
import { chooseMatches, type IdentityRules } from './choose-match.ts';
import type { ContractBook, ContractInForce } from './contract-book.ts';
import { grantSpent } from './grants.ts';
import { dialQuestion } from './local/questions.ts';
import type { LocalRules } from './local/rules.ts';
import { postureOf, type PostureState } from './posture.ts';
import { flowSubjects, programMatches, programName, programSubjects } from './program.ts';
import { quarantineRefusal } from './quarantine.ts';
import { contractRefuses, mayNotDial, type ContractWords } from './reasons.ts';
import type { DecisionFacts, IdentityFacts, Verdict } from './verdict.ts';

/** The rules in force, replaced as a whole. */
export interface PolicyRules extends IdentityRules {
  readonly contracts: ContractBook;
  readonly local: LocalRules;
}

type Chosen = { readonly match: Match; readonly identity: IdentityFacts };
type Refusal = { readonly reason: Reason; readonly answer: RefusalAnswer };

/** The verdict on one flow; never throws. */
export function decideFlow(
  flow: FlowRequest,
  app: App,
  matches: readonly Match[],
  facts: DecisionFacts,
  rules: PolicyRules,
): Verdict {
  const held = quarantineOf(programSubjects(app), facts);
  if (held !== undefined) return refuse(undefined, { reason: held, answer: 'prohibited' });

  const choice = chooseMatches(app, matches, facts, rules);
  if (choice.kind === 'refused') return refuse(undefined, { reason: choice.reason, answer: 'prohibited' });

  const chosen = workingMatch(choice.matches, facts);
  if ('reason' in chosen) return refuse(choice.matches[0], chosen);
  const { match, identity } = chosen;
  const posture = postureOf(match, identity.authentication);
  const contract = rules.contracts.inForce(match.service);

  const refusal =
    subjectRefusal(match, app, facts) ??
    permissionRefusal(match) ??
    postureRefusal(posture) ??
    contractRefusal(contract, match, app, identity, facts);
  if (refusal !== undefined) return refuse(match, refusal);

  const local = rules.local.ask(dialQuestion(flow, app, match, { identity, facts, posture }));
  if (local.kind === 'deny') return refuse(match, { reason: local.reason, answer: 'prohibited' });

  const set = contract.kind === 'set' ? contract : undefined;
  const allowedBy = ['controller', ...(set === undefined ? [] : [`contract:${set.origin}`]), ...local.rules];
  const doubt = posture.kind === 'advisory' ? `; the controller last saw a failing posture, the router decides` : '';
  const hostsWord = set === undefined ? undefined : onlyHostGrants(set.contract, match, facts);
  return {
    kind: 'dial',
    match,
    ...defined({ unlessHostGrants: hostsWord }),
    contract: set?.contract,
    contractOrigin: set?.origin,
    reason: {
      code: 'policy.allowed',
      sentence: `${programName(app)} may dial ${match.service.name} as ${match.identity}${doubt}`,
      rule: allowedBy.join(' + '),
    },
  };
}

/** What a person grants is granted where the service is hosted; a grant that is used up here may have been given anew there. */
function onlyHostGrants(contract: EngagementContract, match: Match, facts: DecisionFacts): Reason | undefined {
  if (approvesSessions(contract)) return approvalNeeded(match.service.name, contract);
  return facts.isGrantSpent?.(match, contract) === true ? grantSpent(match.service.name, contract) : undefined;
}

/** The first claim whose identity can work and may dial; else why the best one cannot. */
function workingMatch(matches: readonly Match[], facts: DecisionFacts): Chosen | Refusal {
  let best: Refusal | undefined;
  let undialable: Chosen | undefined;
  for (const match of matches) {
    const identity = facts.identity(match.identity);
    const trouble = identity === undefined ? unknownIdentity(match.identity) : identity.trouble;
    if (identity === undefined || trouble !== undefined) {
      best ??= { reason: trouble ?? unknownIdentity(match.identity), answer: 'host-unreachable' };
    } else if (match.service.permissions.includes('Dial')) {
      return { match, identity };
    } else {
      undialable ??= { match, identity };
    }
  }
  return undialable ?? best ?? { reason: nothingClaimed, answer: 'host-unreachable' };
}

const nothingClaimed: Reason = {
  code: 'intercept.no_match',
  sentence: 'no service of any identity claims this destination',
};

function unknownIdentity(name: string): Reason {
  return { code: 'identity.unknown', sentence: `there is no identity ${name} any more` };
}

function quarantineOf(subjects: readonly string[], facts: DecisionFacts): Reason | undefined {
  return quarantineRefusal(subjects, (subject) => facts.isQuarantined(subject));
}

function subjectRefusal(match: Match, app: App, facts: DecisionFacts): Refusal | undefined {
  const reason = quarantineOf(flowSubjects(app, match.service.name, match.identity), facts);
  return reason === undefined ? undefined : { reason, answer: 'prohibited' };
}

function permissionRefusal({ identity, service }: Match): Refusal | undefined {
  if (service.permissions.includes('Dial')) return undefined;
  return { reason: mayNotDial(identity, service.name), answer: 'prohibited' };
}

function postureRefusal(posture: PostureState): Refusal | undefined {
  return posture.kind === 'failing' ? { reason: posture.reason, answer: 'prohibited' } : undefined;
}

/** What a contract says against a dial at this end. */
export function contractRefusal(
  inForce: ContractInForce,
  match: { readonly identity: string; readonly service: Pick<Match['service'], 'id' | 'name'> },
  app: App,
  identity: Pick<IdentityFacts, 'mfaVerifiedAtMs'>,
  facts: Pick<DecisionFacts, 'nowMs' | 'openSessions'>,
): Refusal | undefined {
  if (inForce.kind === 'none') return undefined;
  if (inForce.kind === 'invalid') return { reason: inForce.reason, answer: 'prohibited' };
  const { contract, schedule } = inForce;
  const says = (...[field, sentence, next]: ContractWords): Refusal => ({
    reason: contractRefuses(match.service.name, field, sentence, next),
    answer: 'prohibited',
  });

  if (contract.apps !== undefined) {
    const { allow, deny, required } = contract.apps;
    if ((allow ?? deny) !== undefined && app.attribution !== 'exact') {
      return says('apps', 'names programs, and it is not certain which one asks');
    }
    if (required === true && app.attribution === 'unknown') {
      return says('apps.required', 'asks which program dials, and it is not known here');
    }
    const denied = deny?.find((pattern) => programMatches(pattern, app));
    if (denied !== undefined) return says('apps.deny', `denies ${programName(app)} (${denied})`);
    if (allow !== undefined && !allow.some((pattern) => programMatches(pattern, app))) {
      return says('apps.allow', `does not name ${programName(app)}`, 'Use a program the contract allows');
    }
  }
  const opening = schedule?.at(facts.nowMs);
  if (opening?.open === false)
    return says('schedule', `is closed now: ${opening.why}`, 'Come back within its schedule');
  if (contract.maxSessions !== undefined && facts.openSessions(match.service.id) >= contract.maxSessions) {
    return says('maxSessions', `lets ${contract.maxSessions} sessions be open at a time`, 'Close one first');
  }
  if (contract.requireMfaWithinSeconds !== undefined) {
    const verifiedAtMs = identity.mfaVerifiedAtMs;
    if (verifiedAtMs === undefined || facts.nowMs - verifiedAtMs > contract.requireMfaWithinSeconds * 1000) {
      return says(
        'requireMfaWithinSeconds',
        `asks for MFA within ${contract.requireMfaWithinSeconds} s before`,
        `Verify your TOTP code: culvert identity mfa verify ${match.identity}`,
      );
    }
  }
  return undefined;
}

function refuse(match: Match | undefined, refusal: Refusal): Verdict {
  return { kind: 'refuse', ...defined({ match }), ...refusal };
}

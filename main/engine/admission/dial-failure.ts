/** What a failed dial means to a person, and how an application is told of it. */
import { defined } from '../../base/defined.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { ErrorCode, TunnelerError } from '../../base/errors.ts';
import type { RefusalAnswer } from '../../base/flow.ts';
import type { Reason } from '../../base/reason.ts';
import type { Match } from '../../intercept/match.ts';
import { approvalNeeded, approvesSessions } from '../../policy/approvals.ts';
import { grantSpent } from '../../policy/grants.ts';
import { checkLabel } from '../../policy/posture.ts';
import { mayNotDial, noEdgeRouter, nobodyHosts } from '../../policy/reasons.ts';

type Explanation = { readonly answer: RefusalAnswer } & (
  | { readonly sentence: (service: string, identity: string) => string; readonly next?: string }
  /** Worded elsewhere. */
  | { readonly reason: (match: Match) => Reason }
);

const explanations: Partial<Record<ErrorCode, Explanation>> = {
  'ziti.dial.no_terminator': {
    reason: ({ service, terminatorIdentity }) => nobodyHosts(service.name, terminatorIdentity),
    answer: 'reset',
  },
  'ziti.dial.refused': {
    sentence: (service) => `the host of ${service} refused the connection`,
    next: 'see whether the application behind it runs',
    answer: 'reset',
  },
  'ziti.dial.access_denied': {
    reason: ({ identity, service }) => ({ ...mayNotDial(identity, service.name), code: 'ziti.dial.access_denied' }),
    answer: 'prohibited',
  },
  'ziti.dial.service_unknown': {
    sentence: (service, identity) => `${identity} does not know ${service} any more`,
    next: 'ask for a dial policy at the controller',
    answer: 'prohibited',
  },
  'ziti.controller.posture_failed': {
    sentence: (service) => `a posture check of ${service} fails on this device`,
    next: 'culvert services names the check',
    answer: 'prohibited',
  },
  'ziti.controller.mfa_required': {
    sentence: (service, identity) => `${service} wants a recent code of ${identity}`,
    next: 'culvert identity mfa verify',
    answer: 'prohibited',
  },
  'ziti.dial.timeout': {
    sentence: (service) => `the host of ${service} did not answer in time`,
    answer: 'timeout',
  },
  'ziti.dial.no_router': {
    reason: ({ identity }) => noEdgeRouter(identity),
    answer: 'host-unreachable',
  },
  'ziti.controller.no_edge_routers': {
    sentence: (service, identity) => `no edge router is given to ${identity} for ${service}`,
    next: 'ask for an edge router policy at the controller',
    answer: 'host-unreachable',
  },
  'ziti.controller.unreachable': {
    sentence: (_service, identity) => `the controller of ${identity} is not reachable`,
    next: 'see the network of this device',
    answer: 'host-unreachable',
  },
  'ziti.dial.encryption_missing': {
    sentence: (service) => `${service} asks for encryption and its host offers none; clear text is never used instead`,
    next: 'update what hosts it',
    answer: 'reset',
  },
  'base.cancelled': { sentence: () => 'the application went away', answer: 'reset' },
};

/**
 * The reason and the answer of one failed dial under this contract. Unknown failures read as the error's own sentence and a reset.
 */
export function explainDialFailure(
  error: TunnelerError,
  match: Match,
  contract?: EngagementContract,
): { readonly reason: Reason; readonly answer: RefusalAnswer } {
  if (error.code === 'ziti.dial.posture_failed') return postureFailure(error, match);
  if (error.code === 'ziti.dial.refused' && contract !== undefined) {
    const byTerms = refusedByTerms(error, match.service.name, contract);
    if (byTerms !== undefined) return byTerms;
  }
  const known = explanations[error.code];
  if (known === undefined) return { reason: { code: error.code, sentence: error.message }, answer: 'reset' };
  if ('reason' in known) return { reason: known.reason(match), answer: known.answer };
  const { sentence, next, answer } = known;
  const said = sentence(match.service.name, match.identity);
  return { reason: { code: error.code, sentence: said, ...defined({ next }) }, answer };
}

/** The contract has terms that only its host can judge, and they may be why; certain where the host said so in our own words. */
function refusedByTerms(
  error: TunnelerError,
  service: string,
  contract: EngagementContract,
): { readonly reason: Reason; readonly answer: RefusalAnswer } | undefined {
  const { grantSeconds: seconds } = contract;
  const approval = approvesSessions(contract) ? contract.approval : undefined;
  if (approval === undefined && seconds === undefined) return undefined;
  const said = String(error.details['reason'] ?? '');
  const certain = [
    ...(approval === undefined ? [] : [approvalNeeded(service, contract)]),
    ...(seconds === undefined ? [] : [grantSpent(service, contract)]),
  ].find(({ sentence }) => said.includes(sentence));
  if (certain !== undefined) return { reason: certain, answer: 'prohibited' };
  const refused = `the host of ${service} refused the connection`;
  const used = seconds === undefined ? '' : `the ${seconds} s that its contract grants are used up`;
  const otherwise = 'else see whether the application behind it runs';
  if (approval === undefined) {
    return {
      reason: {
        code: 'ziti.dial.refused_grant',
        sentence: `${refused}; it may be that ${used}`,
        next: `ask the owner of the service: culvert approvals grant on its host gives them anew; ${otherwise}`,
        details: { service, seconds },
      },
      answer: 'reset',
    };
  }
  const by = approval.by.join(', ');
  return {
    reason: {
      code: 'ziti.dial.refused_approval',
      sentence: `${refused}; it may be that ${by} has not approved it yet${used === '' ? '' : `, or that ${used}`}`,
      next: `ask ${by} to look at culvert approvals list, then try again; ${otherwise}`,
      details: { service, by },
    },
    answer: 'reset',
  };
}

/** Names the checks, where the router did. */
function postureFailure(
  error: TunnelerError,
  match: Match,
): { readonly reason: Reason; readonly answer: RefusalAnswer } {
  const failing = (error.details['failingChecks'] ?? []) as readonly { readonly id: string; readonly name?: string }[];
  const labels = failing.map(({ id, name }) => {
    const known = match.service.postureChecks.find((check) => check.id === id);
    if (known !== undefined) return checkLabel(name === undefined ? known : { ...known, name });
    return name === undefined ? id : `${name} (${id})`;
  });
  const service = match.service.name;
  const which = labels.length === 0 ? '' : `: ${labels.join(', ')}`;
  return {
    reason: {
      code: error.code,
      sentence: `a posture check of ${service} fails on this device${which}`,
      next: 'culvert services names the check',
      details: { service, checks: labels, checkIds: failing.map(({ id }) => id) },
    },
    answer: 'prohibited',
  };
}

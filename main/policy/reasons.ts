/** Reasons that are given at more than one place, each worded once. */
import { defined } from '../base/defined.ts';
import type { Reason } from '../base/reason.ts';
import type { ReasonCode } from '../base/reason-codes.ts';

/** Contract fields that refuse, and the code of each refusal. */
const fieldCodes = {
  apps: 'policy.contract.apps',
  'apps.required': 'policy.contract.apps',
  'apps.deny': 'policy.contract.apps',
  'apps.allow': 'policy.contract.apps',
  schedule: 'policy.contract.schedule',
  maxSessions: 'policy.contract.maxSessions',
  requireMfaWithinSeconds: 'policy.contract.requireMfaWithinSeconds',
} as const satisfies Readonly<Record<string, ReasonCode>>;

/** The field that refuses, what follows "the contract of SERVICE", and what to do about it. */
export type ContractWords = readonly [field: keyof typeof fieldCodes, says: string, next?: string];

/** Why a contract refuses. */
export function contractRefuses(service: string, ...[field, says, next]: ContractWords): Reason {
  return {
    code: fieldCodes[field],
    sentence: `the contract of ${service} ${says}`,
    ...defined({ next }),
    rule: `contract:${field}`,
  };
}

/** An identity has no service policy that lets it dial this service. */
export function mayNotDial(identity: string, service: string): Reason {
  return {
    code: 'permission.dial',
    sentence: `${identity} may not dial ${service}`,
    next: 'a service policy of type Dial at the controller has to name this identity',
    details: { identity, service },
    rule: 'controller:service-policy',
  };
}

/** A service has no terminator, or none under the name that is asked for. */
export function nobodyHosts(service: string, terminatorIdentity?: string): Reason {
  return terminatorIdentity === undefined
    ? {
        code: 'ziti.dial.no_terminator',
        sentence: `nobody hosts ${service} now`,
        next: 'start what hosts it, or ask its owner',
        details: { service },
      }
    : {
        code: 'ziti.dial.no_terminator_named',
        sentence: `nobody hosts ${service} as ${terminatorIdentity} now`,
        next: 'see whether what it names is up, and whether its host binds under that name',
        details: { service, terminatorIdentity },
      };
}

/** An identity has no edge router that it could dial or host through. */
export function noEdgeRouter(identity: string): Reason {
  return {
    code: 'ziti.dial.no_router',
    sentence: `${identity} reaches no edge router`,
    next: 'culvert status shows its routers; else ask for an edge router policy',
    details: { identity },
  };
}

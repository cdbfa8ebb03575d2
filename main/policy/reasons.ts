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

/** Time that a contract gives to a holder and not to a session: what is left of it, and who is asked for more. */
import { defined } from '../base/defined.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { Reason } from '../base/reason.ts';
import { approvalNeeded, approvesSessions, type Approvals } from './approvals.ts';
import { grantSpent, type GrantHolder, type Grants } from './grants.ts';

/** One such time, as a session is held to it. */
export interface GrantedTime {
  leftMs(): number | undefined;
  readonly why: Reason;
}

/** What both kinds of granted time, grants and approvals, say together of a holder. */
export interface GrantedTimes {
  /** Why `holder` is refused now; whoever can change that is asked. Undefined: nothing is in the way. */
  refusal(holder: GrantHolder, contract: EngagementContract, agent: string | undefined): Reason | undefined;
  /** A session is admitted: what counts from the first one on counts now. What holds the session. */
  begin(holder: GrantHolder, contract: EngagementContract): readonly GrantedTime[];
  /** The host gave it anew: at the dialling end it has the host's word. */
  renew(holder: GrantHolder, contract: EngagementContract, forMs: number): void;
  /** The grant of `holder` is used up. */
  isSpent(holder: GrantHolder, contract: EngagementContract): boolean;
}

/** Grants and approvals under one roof. */
export function grantedTimes(grants: Grants, approvals: Approvals): GrantedTimes {
  return {
    refusal(holder, contract, agent) {
      const asked = { holder, contract, ...defined({ agent }) };
      if (approvesSessions(contract) && (approvals.leftMs(holder) ?? 0) === 0) {
        approvals.ask({ kind: 'session', ...asked });
        return approvalNeeded(holder.service, contract);
      }
      if (grants.leftMs(holder, contract) !== 0) return undefined;
      approvals.ask({ kind: 'grant', ...asked });
      return grantSpent(holder.service, contract);
    },
    begin(holder, contract) {
      const times: GrantedTime[] = [];
      if (contract.grantSeconds !== undefined) {
        grants.begin(holder, contract);
        times.push({ leftMs: () => grants.leftMs(holder, contract), why: grantSpent(holder.service, contract) });
      }
      if (approvesSessions(contract) && holder.end === 'host') {
        approvals.begin(holder);
        times.push({ leftMs: () => approvals.leftMs(holder) ?? 0, why: approvalNeeded(holder.service, contract) });
      }
      return times;
    },
    renew: (holder, contract, forMs) => grants.renew(holder, contract, forMs),
    isSpent: (holder, contract) => grants.leftMs(holder, contract) === 0,
  };
}

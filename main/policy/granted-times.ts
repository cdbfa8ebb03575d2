/** Time that a contract gives to a holder and not to a session: what is left of it, and who is asked for more. */
import { defined } from '../base/defined.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { Reason } from '../base/reason.ts';
import { approvalNeeded, approvesSessions, type ApprovalQuestion, type Approvals } from './approvals.ts';
import { grantSpent, type GrantHolder, type Grants } from './grants.ts';

/** One such time, as a session is held to it. */
export interface GrantedTime {
  leftMs(): number | undefined;
  readonly why: Reason;
}

/** Somebody who is known claims that there is no time to ask. */
export interface Emergency {
  /** Its name and what stands for it, either of which a contract may name. */
  readonly names: readonly string[];
  readonly reason: string;
}

/** What both kinds of granted time, grants and approvals, say together of a holder. */
export interface GrantedTimes {
  /** Why `holder` is refused now; whoever can change that is asked. Undefined: nothing is in the way. */
  refusal(
    holder: GrantHolder,
    contract: EngagementContract,
    agent: string | undefined,
    emergency?: Emergency,
  ): Reason | undefined;
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
    refusal(holder, contract, agent, emergency) {
      const asked = { holder, contract, ...defined({ agent }) };
      if (approvesSessions(contract) && (approvals.leftMs(holder) ?? 0) === 0) {
        if (emergency !== undefined && breaksGlass(approvals, asked, emergency)) return undefined;
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

/** True where the contract lets it in without approval; that is on the list of approvals then. */
function breaksGlass(
  approvals: Approvals,
  asked: Omit<ApprovalQuestion, 'kind'>,
  { names, reason }: Emergency,
): boolean {
  const { breakGlass } = asked.contract.approval ?? {};
  if (breakGlass === undefined || !names.some((name) => breakGlass.by.includes(name))) return false;
  const { holder } = asked;
  return approvals.breakGlass({ kind: 'session', ...asked }, holder.identity, reason, breakGlass.forSeconds * 1000);
}

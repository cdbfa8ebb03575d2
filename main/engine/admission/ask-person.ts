/** Holds a call until a person has answered, nobody did in time, or its session is over. */
import { defined } from '../../base/defined.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { ApprovalAnswer, Approve, AskedCall } from '../../guard/guard.ts';
import type { Approval, Approvals } from '../../policy/approvals.ts';
import type { GrantHolder } from '../../policy/grants.ts';

/** Whose call it is, and the contract that asks. */
export interface Asker {
  readonly holder: GrantHolder;
  readonly contract: EngagementContract;
  readonly agent: string | undefined;
}

/** What a time granted for one tool lets through is not asked for again, nor what was granted for the length of this session. */
export function askPerson(approvals: Approvals, { holder, contract, agent }: Asker): Approve {
  const forSession = new Map<string, Approval>();
  /** A person may have taken it back since. */
  const standing = (row: Approval | undefined): Approval | undefined =>
    row === undefined || approvals.get(row.id)?.state === 'denied' ? undefined : row;
  return (call, signal) => {
    const tool = JSON.stringify([call.method, call.target]);
    const lasting = standing(forSession.get(tool)) ?? approvals.lasting(holder, call.method, call.target);
    if (lasting !== undefined) return Promise.resolve(granted(lasting));
    const row = approvals.ask({
      kind: 'call',
      holder,
      contract,
      ...defined({ agent }),
      call: { method: call.method, target: call.target, arguments: plain(call) },
    });
    if (row.state !== 'pending') return Promise.resolve(refused(row));
    return new Promise((resolve) => {
      const gone = (): void => approvals.withdraw(row.id);
      const listening = approvals.events.subscribe((changed) => {
        if (changed.id !== row.id || changed.state === 'pending') return;
        listening[Symbol.dispose]();
        signal.removeEventListener('abort', gone);
        if (changed.state === 'granted' && changed.forSession === true) forSession.set(tool, changed);
        resolve(changed.state === 'granted' ? granted(changed) : refused(changed));
      });
      if (signal.aborted) gone();
      else signal.addEventListener('abort', gone, { once: true });
    });
  };
}

function granted(row: Approval): ApprovalAnswer {
  return { granted: true, rule: `approval:${row.id}${row.answeredBy === undefined ? '' : ` by ${row.answeredBy}`}` };
}

function refused(row: Approval): ApprovalAnswer {
  const { id, state, reason } = row;
  const said = state === 'denied' ? (reason ?? 'it was denied') : 'nobody approved it in time';
  return {
    granted: false,
    reason: { code: 'approvals.refused', sentence: said, details: { approval: id, said }, rule: `approval:${id}` },
  };
}

/** As JSON has it: numbers that no double can hold stand as they were written. */
function plain(call: AskedCall): unknown {
  return JSON.parse(JSON.stringify(call.arguments ?? null)) as unknown;
}

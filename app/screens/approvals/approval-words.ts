/** How a question to a person is put in words. */
import type { ApprovalView } from '../../../main/api/approval-view.ts';
import type { Text } from '../../text/text.ts';

/** What is asked for, as a heading. */
export function approvalTitle(row: ApprovalView, t: Text): string {
  const who = asker(row);
  if (row.call !== undefined) return t('approvals.title.call', { who, target: row.call.target });
  return t(`approvals.title.${row.kind}`, { who, target: row.service });
}

/** Who asks: the agent, else the identity. */
export function asker({ agent, identity }: ApprovalView): string {
  return agent === null ? identity : `${agent} · ${identity}`;
}

/** The weight of its state, as a tag takes it. */
export function approvalTone({ state }: ApprovalView): { readonly tone?: 'warn' | 'ok' | 'bad' } {
  if (state === 'pending') return { tone: 'warn' };
  if (state === 'granted') return { tone: 'ok' };
  return state === 'denied' ? { tone: 'bad' } : {};
}

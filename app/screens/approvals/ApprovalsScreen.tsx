/** What waits for a person's word, as a queue: oldest first, for it is that one which lapses first. Below it what was answered lately. */
import { useMemo, type ReactNode } from 'react';
import { Empty, Section, SkeletonRows } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectApprovals } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ApprovalCard } from './ApprovalCard.tsx';

export function ApprovalsScreen(): ReactNode {
  const t = useText();
  const approvals = useEngine(selectApprovals);
  const sorted = useMemo(
    () => [...(approvals ?? [])].sort((a, b) => a.requestedAt.localeCompare(b.requestedAt)),
    [approvals],
  );
  const waiting = sorted.filter(({ state }) => state === 'pending');
  const answered = sorted.filter(({ state }) => state !== 'pending').reverse();
  return (
    <>
      <ScreenHead
        title={t('approvals.title')}
        lead={approvals === undefined ? ' ' : t('approvals.lead', { count: waiting.length })}
      />
      <div className="screen-body">
        {approvals === undefined ? (
          <SkeletonRows rows={3} heightPx={160} label={t('common.loading')} />
        ) : sorted.length === 0 ? (
          <Empty title={t('approvals.emptyTitle')} text={t('approvals.emptyText')} icon="check" />
        ) : (
          <div className="screen-scroll stack">
            {waiting.length === 0 ? <p className="quiet">{t('approvals.nothingWaits')}</p> : null}
            <ul className="queue" aria-label={t('approvals.waiting')}>
              {waiting.map((row) => (
                <ApprovalCard key={row.id} row={row} />
              ))}
            </ul>
            {answered.length === 0 ? null : (
              <Section title={t('approvals.answered')}>
                <ul className="queue" aria-label={t('approvals.answered')}>
                  {answered.map((row) => (
                    <ApprovalCard key={row.id} row={row} />
                  ))}
                </ul>
              </Section>
            )}
          </div>
        )}
      </div>
    </>
  );
}

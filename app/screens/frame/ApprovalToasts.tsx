/** A question that comes while the window is open passes by as a toast that leads to it; those from before do not. */
import { useEffect, useRef, type ReactNode } from 'react';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectApprovals } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { approvalTitle } from '../approvals/approval-words.ts';
import { useRoute } from '../route.ts';

export function ApprovalToasts(): ReactNode {
  const t = useText();
  const { toasts } = useStores();
  const { route, go } = useRoute();
  const approvals = useEngine(selectApprovals);
  const seen = useRef<ReadonlySet<string> | undefined>(undefined);
  const isThere = route.screen === 'approvals';
  useEffect(() => {
    if (approvals === undefined) return;
    const before = seen.current;
    seen.current = new Set(approvals.map(({ id }) => id));
    if (before === undefined || isThere) return;
    for (const row of approvals) {
      if (before.has(row.id) || row.state !== 'pending') continue;
      toasts.show({
        tone: 'warn',
        text: t('approvals.arrived', { what: approvalTitle(row, t) }),
        action: { label: t('common.show'), run: () => go('approvals') },
      });
    }
  }, [approvals, go, isThere, t, toasts]);
  return null;
}

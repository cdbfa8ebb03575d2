/** Where toasts appear; polite to screen readers, assertive where something failed. */
import { useSyncExternalStore, type ReactNode } from 'react';
import type { Toasts } from '../store/toasts.ts';
import { useText } from '../text/text.ts';
import { Button, IconButton } from './Button.tsx';

export function ToastList({ toasts }: { toasts: Toasts }): ReactNode {
  const t = useText();
  const shown = useSyncExternalStore(toasts.subscribe, toasts.shown);
  return (
    <div className="toasts" role="region" aria-label={t('common.messages')}>
      {shown.map((toast) => (
        <div key={toast.id} className="toast" data-tone={toast.tone} role={toast.tone === 'bad' ? 'alert' : 'status'}>
          <div className="toast-text">{toast.text}</div>
          {toast.action === undefined ? null : (
            <Button
              size="small"
              onPress={() => {
                toast.action?.run();
                toasts.dismiss(toast.id);
              }}
            >
              {toast.action.label}
            </Button>
          )}
          <IconButton icon="close" size="small" label={t('common.dismiss')} onPress={() => toasts.dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}

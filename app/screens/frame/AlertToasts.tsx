/** New alerts pass by as toasts; those from before the window opened do not. */
import { useEffect, useRef, type ReactNode } from 'react';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectAlerts } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';

export function AlertToasts(): ReactNode {
  const t = useText();
  const { toasts } = useStores();
  const { go } = useRoute();
  const alerts = useEngine(selectAlerts);
  const seen = useRef<ReadonlySet<string> | undefined>(undefined);
  useEffect(() => {
    if (alerts === undefined) return;
    const before = seen.current;
    seen.current = new Set(alerts.map((alert) => alert.id));
    if (before === undefined) return;
    for (const alert of alerts) {
      if (before.has(alert.id)) continue;
      const { session } = alert;
      const tone = alert.severity === 'critical' ? 'bad' : alert.severity === 'warning' ? 'warn' : 'info';
      const action =
        session === undefined ? {} : { action: { label: t('common.show'), run: () => go('sessions', session) } };
      const { code, text: sentence, details } = alert;
      toasts.show({ tone, text: t.reason({ code, sentence, details }).sentence, ...action });
    }
  }, [alerts, go, t, toasts]);
  return null;
}

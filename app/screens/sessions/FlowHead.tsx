/** The stream over the table: current rates in figures, the last two minutes as a picture. */
import { useSyncExternalStore, type ReactNode } from 'react';
import { FlowRibbon } from '../../parts/FlowRibbon.tsx';
import { usePreferences, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

export function FlowHead(): ReactNode {
  const t = useText();
  const { traffic } = useStores();
  const { theme } = usePreferences();
  const history = useSyncExternalStore(traffic.subscribe, traffic.history);
  const received = history.received.at(-1) ?? 0;
  const sent = history.sent.at(-1) ?? 0;
  return (
    <div className="ribbon">
      <div className="ribbon-figures">
        <div className="ribbon-figure">
          <span className="ribbon-label">
            <span className="swatch" data-flow="up" />
            {t('sessions.toServices')}
          </span>
          <span className="ribbon-value">{t.format.rate(sent)}</span>
        </div>
        <div className="ribbon-figure">
          <span className="ribbon-label">
            <span className="swatch" data-flow="down" />
            {t('sessions.fromServices')}
          </span>
          <span className="ribbon-value">{t.format.rate(received)}</span>
        </div>
      </div>
      <FlowRibbon
        series={history}
        themeKey={theme}
        label={t('sessions.flowLabel', { sent: t.format.rate(sent), received: t.format.rate(received) })}
      />
    </div>
  );
}

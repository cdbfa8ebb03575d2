/** How quickly a router answered lately, as a line: where it rises, the way there is getting worse. */
import { useSyncExternalStore, type ReactNode } from 'react';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

const heightPx = 22;

export function Latency({ router }: { router: string }): ReactNode {
  const t = useText();
  const { latency } = useStores();
  const all = useSyncExternalStore(latency.subscribe, latency.history);
  const samples = all.get(router) ?? [];
  if (samples.length < 2) return <span className="quiet small">{t('router.noHistory')}</span>;
  const most = Math.max(20, ...samples);
  const points = samples.map((ms, index) => `${index},${heightPx - 2 - (ms / most) * (heightPx - 4)}`).join(' ');
  const [least, highest] = [Math.min(...samples), Math.max(...samples)];
  return (
    <svg
      className="latency"
      viewBox={`0 0 ${samples.length - 1} ${heightPx}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={t('router.history', { least: t.format.number(least), most: t.format.number(highest) })}
    >
      <polyline points={points} />
    </svg>
  );
}

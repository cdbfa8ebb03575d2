/** What reaches the window from outside, by drag and drop or through the shell, leads to the right screen. */
import { useCallback, useEffect, type ReactNode } from 'react';
import { Icon } from '../../parts/Icon.tsx';
import { useFileDrop, type Dropped } from '../../parts/use-file-drop.ts';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { maxSourceBytes } from '../enrol/enrol-source.ts';
import { screenNames, useRoute } from '../route.ts';

export function Arrivals(): ReactNode {
  const t = useText();
  const { bridge, arrival: box } = useStores();
  const { go } = useRoute();
  const take = useCallback(
    (dropped: Dropped) => {
      box.offer(dropped);
      go('enrol');
    },
    [box, go],
  );
  const over = useFileDrop(take, maxSourceBytes);
  useEffect(
    () =>
      bridge.shell?.onArrival((arrival) => {
        if (arrival.kind !== 'screen') return take({ text: arrival.value });
        const screen = screenNames.find((name) => name === arrival.value);
        if (screen !== undefined) go(screen);
        return undefined;
      }),
    [bridge, go, take],
  );
  if (!over) return null;
  return (
    <div className="drop-veil" aria-hidden="true">
      <Icon name="upload" size={40} />
      <p className="empty-title">{t('enrol.dropAnywhere')}</p>
    </div>
  );
}

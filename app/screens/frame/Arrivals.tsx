/** Tokens and links that reach the shell from outside lead to the right screen. */
import { useEffect, type ReactNode } from 'react';
import { useStores } from '../../store/hooks.tsx';
import { screenNames, useRoute } from '../route.ts';

export function Arrivals(): ReactNode {
  const { bridge, arrival: box } = useStores();
  const { go } = useRoute();
  useEffect(
    () =>
      bridge.shell?.onArrival((arrival) => {
        if (arrival.kind === 'screen') {
          const screen = screenNames.find((name) => name === arrival.value);
          if (screen !== undefined) go(screen);
          return;
        }
        box.offer(arrival.value);
        go('enrol');
      }),
    [bridge, box, go],
  );
  return null;
}

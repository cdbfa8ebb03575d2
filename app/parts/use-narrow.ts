/** How much room the window has. */
import { useCallback, useSyncExternalStore } from 'react';

/** Below this the rail leaves a table so little that its last columns would be out of sight. */
const narrow = matchMedia('(max-width: 1060px)');
/** Below this not even the columns that decide have room beside each other: a row of a table is a card. */
const cards = matchMedia('(max-width: 720px)');

function useMedia(query: MediaQueryList): boolean {
  const subscribe = useCallback(
    (changed: () => void) => {
      query.addEventListener('change', changed);
      return () => query.removeEventListener('change', changed);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => query.matches);
}

/** Whether the window is too narrow for every column of a wide table. Follows it as it is resized. */
export function useNarrow(): boolean {
  return useMedia(narrow);
}

/** Whether rows are cards. */
export function useCards(): boolean {
  return useMedia(cards);
}

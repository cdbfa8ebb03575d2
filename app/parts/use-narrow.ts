/** Whether the window is too narrow for every column of a wide table. */
import { useSyncExternalStore } from 'react';

/** Below this the rail leaves a table so little that its last columns would be out of sight. */
const query = matchMedia('(max-width: 1060px)');

function subscribe(changed: () => void): () => void {
  query.addEventListener('change', changed);
  return () => query.removeEventListener('change', changed);
}

/** Follows the window as it is resized. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}

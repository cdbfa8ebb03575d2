/** Which screen is shown, kept in the address after `#`, so that back, forward and links work. */
import { useCallback, useSyncExternalStore } from 'react';

/** The screens, in the order of the navigation. */
export const screenNames = [
  'sessions',
  'services',
  'identities',
  'agents',
  'policy',
  'audit',
  'diagnostics',
  'settings',
  'enrol',
] as const;
/** A member of {@link screenNames}. */
export type ScreenName = (typeof screenNames)[number];

/** What the window shows. */
export interface Route {
  readonly screen: ScreenName;
  /** What is open in it: a session's id, a service's key. */
  readonly item?: string;
}

/** What an address means; one that means nothing shows the sessions. */
export function parseRoute(hash: string): Route {
  const [, name, item] = /^#\/([a-z]+)(?:\/(.+))?$/.exec(hash) ?? [];
  const screen = screenNames.find((known) => known === name) ?? 'sessions';
  if (item === undefined) return { screen };
  try {
    return { screen, item: decodeURIComponent(item) };
  } catch {
    return { screen }; // a hand-typed address with a broken escape opens the screen without the item
  }
}

/** The address of a screen, or of something open in it. */
export function routeTo(screen: ScreenName, item?: string): string {
  return item === undefined ? `#/${screen}` : `#/${screen}/${encodeURIComponent(item)}`;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

/** Where the window is, and the way to go elsewhere. */
export function useRoute(): { readonly route: Route; go(screen: ScreenName, item?: string): void } {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  const go = useCallback((screen: ScreenName, item?: string) => {
    window.location.hash = routeTo(screen, item);
  }, []);
  return { route: parseRoute(hash), go };
}

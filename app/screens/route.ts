/** Which screen is shown, kept in the address after `#`, so that back, forward and links work. */
import { useCallback, useMemo, useSyncExternalStore } from 'react';

/** The screens, in the order of the navigation. */
export const screenNames = [
  'sessions',
  'services',
  'map',
  'identities',
  'agents',
  'approvals',
  'models',
  'policy',
  'audit',
  'recordings',
  'fleet',
  'diagnostics',
  'settings',
  'enrol',
] as const;
/** A member of {@link screenNames}. */
export type ScreenName = (typeof screenNames)[number];

/** What a screen is narrowed to: short names and values, as they stand in the address. */
export type RouteQuery = Readonly<Record<string, string>>;

/** What the window shows. */
export interface Route {
  readonly screen: ScreenName;
  /** What is open in it: a session's id, a service's key. */
  readonly item?: string;
  readonly query: RouteQuery;
}

/** What an address means; one that means nothing shows the sessions. */
export function parseRoute(hash: string): Route {
  const [, name, item, search = ''] = /^#\/([a-z]+)(?:\/([^?]+))?(?:\?(.*))?$/.exec(hash) ?? [];
  const screen = screenNames.find((known) => known === name) ?? 'sessions';
  const query = Object.fromEntries(new URLSearchParams(search));
  if (item === undefined) return { screen, query };
  try {
    return { screen, item: decodeURIComponent(item), query };
  } catch {
    return { screen, query }; // a hand-typed address with a broken escape opens the screen without the item
  }
}

/** The address of a screen, or of something open in it. */
export function routeTo(screen: ScreenName, item?: string, query: RouteQuery = {}): string {
  const search = new URLSearchParams(query).toString();
  const path = item === undefined ? `#/${screen}` : `#/${screen}/${encodeURIComponent(item)}`;
  return search === '' ? path : `${path}?${search}`;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

/** Where the window is, and the ways to go elsewhere. */
export function useRoute(): {
  readonly route: Route;
  /** What narrows a screen stays while something is opened in it. */
  go(screen: ScreenName, item?: string, query?: RouteQuery): void;
  /** Narrow the screen that is shown; `undefined` or an empty value takes a part away. The way back is not lengthened by it. */
  narrow(change: Readonly<Record<string, string | undefined>>): void;
} {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  const route = useMemo(() => parseRoute(hash), [hash]);
  const go = useCallback((screen: ScreenName, item?: string, query?: RouteQuery) => {
    const now = parseRoute(window.location.hash);
    window.location.hash = routeTo(screen, item, query ?? (now.screen === screen ? now.query : {}));
  }, []);
  const narrow = useCallback((change: Readonly<Record<string, string | undefined>>) => {
    const { screen, item, query } = parseRoute(window.location.hash);
    const next = Object.fromEntries(
      Object.entries({ ...query, ...change }).flatMap(([name, value]) =>
        value === undefined || value === '' ? [] : [[name, value]],
      ),
    );
    window.history.replaceState(null, '', routeTo(screen, item, next));
    window.dispatchEvent(new Event('hashchange'));
  }, []);
  return { route, go, narrow };
}

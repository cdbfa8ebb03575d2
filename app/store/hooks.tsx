/** How screens read the store: selectors compared by reference, one subscription each. */
import { createContext, useCallback, useContext, useSyncExternalStore, type ReactNode } from 'react';
import type { EngineClient } from '../../main/api/schema.ts';
import type { EngineState } from '../../main/api/state.ts';
import type { Bridge } from '../bridge/bridge.ts';
import { useText } from '../text/text.ts';
import type { Arrival } from './arrival.ts';
import type { Latency } from './latency.ts';
import type { EngineStore, Link } from './engine-store.ts';
import type { Filters } from './filters.ts';
import type { Preferences, PreferenceValues } from './preferences.ts';
import type { Ticker } from './ticker.ts';
import type { Toasts } from './toasts.ts';
import type { Rate, Traffic } from './traffic.ts';

/** Everything long-lived the tree stands on, made once by the mount. */
export interface Stores {
  readonly engine: EngineStore;
  readonly traffic: Traffic;
  readonly latency: Latency;
  readonly ticker: Ticker;
  readonly preferences: Preferences;
  readonly filters: Filters;
  readonly toasts: Toasts;
  readonly arrival: Arrival;
  readonly bridge: Bridge;
}

const StoresContext = createContext<Stores | undefined>(undefined);

/** Gives the stores to all components beneath it. */
export function StoresProvider({ stores, children }: { stores: Stores; children: ReactNode }): ReactNode {
  return <StoresContext value={stores}>{children}</StoresContext>;
}

/** The stores; throws outside {@link StoresProvider}. */
export function useStores(): Stores {
  const stores = useContext(StoresContext);
  if (stores === undefined) throw new Error('no stores above this component');
  return stores;
}

/** A part of the engine's state; the screen renders again only when the selected reference changes. Undefined before the first snapshot. */
export function useEngine<T>(select: (state: EngineState) => T): T | undefined {
  const { engine } = useStores();
  return useSyncExternalStore(
    engine.subscribe,
    useCallback(() => {
      const state = engine.state();
      return state === undefined ? undefined : select(state);
    }, [engine, select]),
  );
}

/** How the window stands with its engine now. */
export function useLink(): Link {
  const { engine } = useStores();
  return useSyncExternalStore(engine.subscribe, engine.link);
}

/** Unix milliseconds, renewed each second. */
export function useNow(): number {
  const { ticker } = useStores();
  return useSyncExternalStore(ticker.subscribe, ticker.now);
}

/** Bytes a second of one session. */
export function useRate(sessionId: string): Rate {
  const { traffic } = useStores();
  return useSyncExternalStore(
    traffic.subscribe,
    useCallback(() => traffic.rate(sessionId), [traffic, sessionId]),
  );
}

/** The person's choices now. */
export function usePreferences(): PreferenceValues {
  const { preferences } = useStores();
  return useSyncExternalStore(preferences.subscribe, preferences.values);
}

/** Run calls against the engine; a failure becomes a toast in words and `undefined`. */
export function useAction(): <T>(act: (client: EngineClient) => Promise<T>, done?: string) => Promise<T | undefined> {
  const { engine, toasts } = useStores();
  const t = useText();
  return useCallback(
    async (act, done) => {
      try {
        const result = await act(engine.client);
        if (done !== undefined) toasts.show({ tone: 'ok', text: done });
        return result;
      } catch (error) {
        toasts.show({ tone: 'bad', text: t.error(error) });
        return undefined;
      }
    },
    [engine, toasts, t],
  );
}

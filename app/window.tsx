/** Makes what lives as long as the page, and the tree over it. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { systemClock } from '../main/base/clock.ts';
import type { Bridge } from './bridge/bridge.ts';
import { App } from './screens/frame/App.tsx';
import { Arrival } from './store/arrival.ts';
import { EngineStore } from './store/engine-store.ts';
import { Filters } from './store/filters.ts';
import { Latency } from './store/latency.ts';
import { StoresProvider } from './store/hooks.tsx';
import { pageStorage, Preferences } from './store/preferences.ts';
import { selectSessions } from './store/selectors.ts';
import { Ticker } from './store/ticker.ts';
import { Toasts } from './store/toasts.ts';
import { Traffic } from './store/traffic.ts';

/** Show the window in `root`, over `bridge`; disposing takes it down and closes its connection. */
export function mountWindow(root: HTMLElement, bridge: Bridge): AsyncDisposable {
  const engine = new EngineStore({ open: () => bridge.open(), clock: systemClock });
  const traffic = new Traffic(systemClock, () => {
    const state = engine.state();
    return state === undefined ? [] : selectSessions(state);
  });
  const latency = new Latency(systemClock, () => engine.state()?.routers ?? {});
  const stores = {
    engine,
    traffic,
    latency,
    ticker: new Ticker(systemClock),
    preferences: new Preferences(pageStorage(window, 'localStorage')),
    filters: new Filters(pageStorage(window, 'sessionStorage')),
    toasts: new Toasts(systemClock),
    arrival: new Arrival(),
    bridge,
  };
  const tree = createRoot(root);
  tree.render(
    <StrictMode>
      <StoresProvider stores={stores}>
        <App />
      </StoresProvider>
    </StrictMode>,
  );
  engine.start();
  return {
    async [Symbol.asyncDispose]() {
      tree.unmount();
      traffic[Symbol.dispose]();
      latency[Symbol.dispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

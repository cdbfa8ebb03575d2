/** The routers an identity may use: connected to all, nearest first, reconnected with jittered back-off. */
import { TunnelerError } from '../../base/errors.ts';
import type { EdgeRouterAnswer } from '../controller/answers.ts';
import type { EdgeRouter } from '../edge/edge-router.ts';
import type { RouterState } from '../model.ts';
import { RouterLink, type RouterLinkDeps } from './router-link.ts';

/** A router whose last attempt failed gets this long once more: long enough to see whether it is back, short enough to count as at once. */
const onceMoreMs = 300;
/** A router not tried to the end yet is waited for so long. */
const patienceMs = 3000;

/** Holds one {@link RouterLink} for each router that the controller names; one no longer named is retired, not cut. */
export class RouterSet implements AsyncDisposable {
  readonly #deps: RouterLinkDeps;
  readonly #links = new Map<string, RouterLink>();
  readonly #retired = new Set<RouterLink>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(deps: RouterLinkDeps) {
    this.#deps = {
      ...deps,
      connected: (router) => {
        deps.connected(router);
        for (const wake of [...this.#waiting]) wake();
      },
    };
  }

  /** These are the routers now; others are given up once nothing runs over them. */
  replace(routers: readonly EdgeRouterAnswer[]): void {
    if (this.#closed) return;
    const wanted = new Map(routers.flatMap((router) => addressOf(router)));
    for (const [name, link] of this.#links) {
      if (wanted.get(name) === link.address) continue;
      this.#links.delete(name);
      this.#retire(link);
    }
    this.#open(wanted);
  }

  /** Routers a service session names that the list lacked. */
  learn(routers: readonly EdgeRouterAnswer[]): void {
    if (!this.#closed) this.#open(new Map(routers.flatMap((router) => addressOf(router))));
  }

  /** A new API session: connect anew with it. What runs over the old channels may run on. */
  renewAll(): void {
    const known = [...this.#links.values()];
    this.#links.clear();
    for (const link of known) {
      this.#retire(link);
      this.#open(new Map([[link.name, link.address]]));
    }
  }

  /** The same API session has a new token (OIDC); channels that do not take it are opened anew. */
  updateToken(token: string): void {
    for (const link of this.#links.values()) link.updateToken(token);
  }

  /** Try now what waits in back-off. */
  hurry(): void {
    for (const link of this.#links.values()) link.hurry();
  }

  /** What runs over the old network is confirmed or given up; the rest begins again. */
  networkChanged(): void {
    for (const link of this.#links.values()) link.networkChanged();
  }

  states(): readonly RouterState[] {
    return [...this.#links.values()].map((link) => link.state());
  }

  /** Connected routers of these names (of any, where absent), nearest first. */
  connected(names?: ReadonlySet<string>): readonly EdgeRouter[] {
    return [...this.#links.values()]
      .flatMap((link) => (names === undefined || names.has(link.name) ? (link.router() ?? []) : []))
      .sort((a, b) => a.latencyMs() - b.latencyMs());
  }

  /** Every live channel, those that only serve out their streams included. */
  serving(): readonly EdgeRouter[] {
    return [...this.#links.values(), ...this.#retired].flatMap((link) => link.channel() ?? []);
  }

  /**
   * As {@link connected}, waiting for the first while there is hope: a router not tried yet, or one just lost. Those that failed are tried
   * once more, briefly. Throws `ziti.dial.no_router` where none can be reached, or when `signal` aborts first.
   */
  async whenConnected(names: ReadonlySet<string> | undefined, signal: AbortSignal): Promise<readonly EdgeRouter[]> {
    const { clock } = this.#deps;
    const askedMs = clock.monotonic();
    const wanted = (): RouterLink[] =>
      [...this.#links.values()].filter(({ name }) => names === undefined || names.has(name));
    for (const link of wanted()) link.hurry();
    for (;;) {
      const found = this.connected(names);
      if (found.length > 0) return found;
      const waitedMs = clock.monotonic() - askedMs;
      const hopeless = wanted().every((link) => (link.failed ? waitedMs >= onceMoreMs : waitedMs >= patienceMs));
      if (signal.aborted || this.#closed || hopeless) throw this.#noRouter(names);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          timer[Symbol.dispose]();
          this.#waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = clock.after((waitedMs < onceMoreMs ? onceMoreMs : patienceMs) - waitedMs, done);
        this.#waiting.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const wake of [...this.#waiting]) wake();
    const links = [...this.#links.values(), ...this.#retired];
    this.#links.clear();
    await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
  }

  #retire(link: RouterLink): void {
    this.#retired.add(link);
    void link.retire().then(() => this.#retired.delete(link));
  }

  #open(wanted: ReadonlyMap<string, string>): void {
    for (const [name, address] of wanted) {
      if (!this.#links.has(name)) this.#links.set(name, new RouterLink(name, address, this.#deps));
    }
  }

  #noRouter(names: ReadonlySet<string> | undefined): TunnelerError {
    const states = this.states().filter((state) => names?.has(state.name) ?? true);
    const reasons = states.map((state) => `${state.name}: ${state.error?.message ?? state.state}`);
    const sentence =
      (names?.size ?? states.length) === 0
        ? 'the service has no router'
        : `no router of the service is connected (${reasons.join('; ')})`;
    return new TunnelerError('ziti.dial.no_router', sentence, {
      details: {
        routers: [...(names ?? states.map(({ name }) => name))],
        next: 'check the network path to the routers; reconnecting goes on by itself',
      },
    });
  }
}

/** Name and TLS address; nothing for routers that are disabled or do not speak TLS. */
function addressOf(router: EdgeRouterAnswer): [string, string][] {
  const address = router.supportedProtocols['tls'] ?? router.urls['tls'];
  return router.disabled === true || address === undefined ? [] : [[router.name, address]];
}

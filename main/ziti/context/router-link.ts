/** One router, kept connected: connect, serve, notice the loss, wait with jitter, connect again. */
import { linkSignals } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Backoff } from '../controller/backoff.ts';
import type { EdgeRouter } from '../edge/edge-router.ts';
import type { RouterState } from '../model.ts';
import type { OpenEdgeRouter } from './options.ts';
import type { RouterTls } from './authenticator.ts';

/** With what a channel is opened now. */
export interface RouterAccess {
  readonly tls: RouterTls;
  readonly token: string;
  readonly tokenKind: 'legacy' | 'oidc';
  readonly callerId: string;
}

/** With what a router is connected to, and who hears how it stands. */
export interface RouterLinkDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly openRouter: OpenEdgeRouter;
  /** Undefined while there is no session: connecting then waits. */
  access(): RouterAccess | undefined;
  connected(router: EdgeRouter): void;
  /** A live channel is gone. */
  lost(name: string, error: TunnelerError): void;
  changed(state: RouterState): void;
}

/** Source of the pace: ziti-sdk-c `library/channel.c` (random below 2^n × 5 s, at most 160 s). */
const firstRetryMs = 5000;
const maxRetryMs = 160_000;
/** The first attempt after a channel that worked comes soon, yet not from all clients at one instant. */
const soonMs = 150;
const drainPollMs = 1000;
/** After the network changed, a router that says nothing for so long is taken for gone. */
const confirmMs = 3000;

/** One attempt or channel at a time until disposed; retired, it lives on only as long as its streams do. */
export class RouterLink implements AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly #deps: RouterLinkDeps;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #router: EdgeRouter | undefined;
  #state: RouterState;
  #poke: () => void = () => undefined;
  /** Gives up the attempt under way. */
  #attempt = new AbortController();
  #restartPace = false;
  #failed = false;
  #retired = false;

  constructor(name: string, address: string, deps: RouterLinkDeps) {
    this.name = name;
    this.address = address;
    this.#deps = deps;
    this.#state = { name, address, state: 'connecting' };
    this.#running = this.#run(this.#abort.signal);
  }

  /** The live channel, for new dials and binds. */
  router(): EdgeRouter | undefined {
    return this.#retired ? undefined : this.#router;
  }

  state(): RouterState {
    const router = this.#router;
    return router === undefined ? this.#state : { ...this.#state, latencyMs: router.latencyMs() };
  }

  /** The last attempt to connect failed, and none has succeeded since. */
  get failed(): boolean {
    return this.#failed;
  }

  hurry(): void {
    this.#poke();
  }

  /** Begin again from the shortest pause; what was begun on the old network is given up. */
  networkChanged(): void {
    this.#restartPace = true;
    if (this.#router === undefined) this.#attempt.abort();
    else this.#router.confirm(confirmMs);
    this.#poke();
  }

  updateToken(token: string): void {
    const router = this.#router;
    router?.updateToken(token).catch((error: unknown) => {
      // The router closes a channel whose token it refused; where it did not answer, the channel is given up here.
      this.#deps.log.warn('ziti.token_update_failed', { router: this.name, code: toTunnelerError(error).code });
      void router[Symbol.asyncDispose]();
    });
  }

  /** The live channel, also while it only serves out its streams. */
  channel(): EdgeRouter | undefined {
    return this.#router;
  }

  /** Take no new work; close once the last stream ended. Resolves when closed. */
  retire(): Promise<void> {
    if (!this.#retired) {
      this.#retired = true;
      this.#poke();
      const close = (): void => {
        if ((this.#router?.streams() ?? 0) > 0) return;
        timer[Symbol.dispose]();
        void this[Symbol.asyncDispose]();
      };
      const timer = this.#deps.clock.every(drainPollMs, close);
      close();
    }
    return this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retired = true;
    this.#abort.abort();
    this.#poke();
    await this.#router?.[Symbol.asyncDispose]();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { random, log } = this.#deps;
    const backoff = new Backoff({ firstMs: firstRetryMs, maxMs: maxRetryMs, random });
    while (!this.#retired) {
      const access = this.#deps.access();
      if (access === undefined) {
        await this.#wait(soonMs);
        continue;
      }
      const router = await this.#connect(access, signal);
      if (router === undefined) {
        if (this.#restartPace) backoff.reset();
        await this.#wait(this.#restartPace ? soonMs : this.#pauseMs(backoff));
        continue;
      }
      const error = await this.#serve(router);
      if (this.#retired) break;
      log.info('ziti.router_lost', { router: this.name, code: error.code, reason: error.message });
      // A router that closes right after the greeting refuses the session: let that be looked at before the next attempt.
      if (error.code === 'ziti.channel.rejected') await this.#wait(Math.max(1000, backoff.next()));
      else {
        backoff.reset();
        await this.#wait(random() * soonMs);
      }
    }
  }

  /** A refusal of its own class (2.1) says how to go on: what is not permitted is not asked again as it stands, what is too much waits. */
  #pauseMs(backoff: Backoff): number {
    const retry = this.#state.error?.details['retry'];
    const nextMs = backoff.next();
    if (retry === 'not-as-it-stands') return maxRetryMs;
    return retry === 'later' ? Math.max(firstRetryMs, nextMs) : nextMs;
  }

  async #connect(access: RouterAccess, signal: AbortSignal): Promise<EdgeRouter | undefined> {
    const { clock, log, openRouter } = this.#deps;
    this.#become({ name: this.name, address: this.address, state: 'connecting' });
    this.#restartPace = false;
    this.#attempt = new AbortController();
    const either = linkSignals(signal, this.#attempt.signal);
    try {
      const router = await openRouter({
        name: this.name,
        address: this.address,
        clock,
        log,
        signal: either.signal,
        ...access,
      });
      if (!this.#retired) return router;
      await router[Symbol.asyncDispose]();
    } catch (error) {
      const failure = toTunnelerError(error, 'ziti.channel.unreachable');
      this.#failed = true;
      if (!this.#retired) log.info('ziti.router_unreachable', { router: this.name, code: failure.code });
      this.#become({ name: this.name, address: this.address, state: 'disconnected', error: failure });
    } finally {
      either[Symbol.dispose]();
    }
    return undefined;
  }

  async #serve(router: EdgeRouter): Promise<TunnelerError> {
    const version = defined({ version: router.version });
    this.#router = router;
    this.#failed = false;
    this.#become({ name: this.name, address: this.address, state: 'connected', ...version });
    this.#deps.connected(router);
    const error = await router.closed;
    this.#router = undefined;
    this.#become({ name: this.name, address: this.address, state: 'disconnected', error });
    if (!this.#retired) this.#deps.lost(this.name, error);
    await router[Symbol.asyncDispose]();
    return error;
  }

  #become(state: RouterState): void {
    this.#state = state;
    if (!this.#retired) this.#deps.changed(this.state());
  }

  async #wait(delayMs: number): Promise<void> {
    if (this.#retired) return;
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.after(delayMs, resolve);
      this.#poke = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
    this.#poke = () => undefined;
  }
}

/** One service being hosted: bound on as many routers as asked, bound again where a router is lost, until disposed. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { Emitter } from '../../base/emitter.ts';
import type { TunnelerError } from '../../base/errors.ts';
import { isTunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Backoff } from '../controller/backoff.ts';
import { isAtLeast } from '../controller/version.ts';
import type { EdgeBinding, EdgeRouter } from '../edge/edge-router.ts';
import { newListenerKeys } from '../edge/end-to-end.ts';
import type { Binding, BindingEvent, BindOptions, IncomingDial, Precedence, ZitiService } from '../model.ts';
import type { SignedIn } from './authenticator.ts';
import type { RouterSet } from './router-set.ts';
import type { ServiceSessions } from './service-sessions.ts';

/** What hosting stands on, and whom to ask to look again when a router says no. */
export interface HostedServiceDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly sessions: ServiceSessions;
  readonly routers: RouterSet;
  /** Undefined while there is no session. */
  signedIn(): SignedIn | undefined;
  invalidateServices(): void;
  revalidateSession(): void;
}

/** Terminators where the config does not say. Source: openziti/ziti tunnel host.v1 `maxConnections`. */
const defaultMaxConnections = 3;
/** A router that asks to start over is left alone for this long. Source: sdk-golang `ziti/edge/network/listener.go`. */
const startOverMs = 5000;
/** Looking for further routers while fewer than wanted are bound: soon at first, then ever more rarely. */
const firstLookMs = 5000;
const maxLookMs = 300_000;

interface Place {
  readonly router: EdgeRouter;
  binding: EdgeBinding | undefined;
  established: boolean;
}

/** A {@link Binding}: at most `maxConnections` routers, 3 where that is absent, and never two terminators at one router. */
export class HostedService implements Binding {
  readonly events = new Emitter<BindingEvent>();
  readonly service: ZitiService;
  readonly #deps: HostedServiceDeps;
  readonly #onDial: (dial: IncomingDial) => void;
  readonly #terminatorIdentity: string | undefined;
  readonly #maxConnections: number;
  readonly #listenerId = randomUUID();
  readonly #keys;
  readonly #places = new Map<string, Place>();
  readonly #avoid = new Map<string, number>();
  readonly #backoff: Backoff;
  #cost: number;
  #precedence: Precedence;
  #look: Disposable | undefined;
  #binding = false;
  #again = false;
  #over = false;

  constructor(
    service: ZitiService,
    options: BindOptions,
    onDial: (dial: IncomingDial) => void,
    deps: HostedServiceDeps,
  ) {
    this.service = service;
    this.#deps = deps;
    this.#onDial = onDial;
    this.#terminatorIdentity = options.terminatorIdentity;
    this.#maxConnections = Math.max(1, options.maxConnections ?? defaultMaxConnections);
    this.#cost = options.cost ?? 0;
    this.#precedence = options.precedence ?? 'default';
    this.#keys = service.encryptionRequired ? newListenerKeys() : undefined;
    this.#backoff = new Backoff({ firstMs: firstLookMs, maxMs: maxLookMs, minMs: 1000, random: deps.random });
  }

  terminators(): number {
    return [...this.#places.values()].filter((place) => place.established).length;
  }

  update(change: { readonly cost?: number; readonly precedence?: Precedence }): void {
    this.#cost = change.cost ?? this.#cost;
    this.#precedence = change.precedence ?? this.#precedence;
    for (const place of this.#places.values()) place.binding?.update(change);
  }

  /** Disposed or stopped. */
  get over(): boolean {
    return this.#over;
  }

  /** Something changed that may let more routers be bound: a router came, a session began. */
  tryMore(): void {
    if (this.#over) return;
    if (this.#binding) {
      this.#again = true;
      return;
    }
    this.#binding = true;
    this.#bindMissing()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#binding = false;
        if (this.#again) {
          this.#again = false;
          this.tryMore();
        } else this.#scheduleLook();
      });
  }

  /** What had a router refuse may have passed: ask again at once. */
  hurry(): void {
    this.#avoid.clear();
    this.#backoff.reset();
    this.tryMore();
  }

  /** End what runs through it, and go on hosting. */
  cut(error: TunnelerError): void {
    for (const place of this.#places.values()) place.binding?.cut(error);
  }

  /** Over for good; listeners are told why. */
  stop(error: TunnelerError): void {
    if (this.#over) return;
    this.#end();
    this.events.emit({ kind: 'stopped', error });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  #end(): void {
    this.#over = true;
    this.#look?.[Symbol.dispose]();
    for (const place of this.#places.values()) place.binding?.unbind();
    this.#places.clear();
  }

  async #bindMissing(): Promise<void> {
    const { sessions, routers, clock } = this.#deps;
    const signedIn = this.#deps.signedIn();
    if (signedIn === undefined || this.#places.size >= this.#maxConnections) return;
    const session = await sessions.get(signedIn.client, this.service.id, 'Bind');
    routers.learn(session.edgeRouters);
    const names = new Set(session.edgeRouters.map((router) => router.name));
    for (const router of routers.connected(names)) {
      if (this.#over || this.#places.size >= this.#maxConnections) return;
      const avoided = (this.#avoid.get(router.name) ?? 0) > clock.monotonic();
      if (!avoided && !this.#places.has(router.name)) await this.#bindOn(router, session.token);
    }
  }

  async #bindOn(router: EdgeRouter, sessionToken: string): Promise<void> {
    const place: Place = { router, binding: undefined, established: false };
    this.#places.set(router.name, place);
    try {
      const binding = await router.bind({
        sessionToken,
        listenerId: this.#listenerId,
        encryptionRequired: this.service.encryptionRequired,
        keys: this.#keys,
        keyPerConnection: handsOnKeys(this.#deps.signedIn()),
        cost: this.#cost,
        precedence: this.#precedence,
        ...defined({ terminatorIdentity: this.#terminatorIdentity }),
        onDial: (dial) => this.#onDial(dial),
        onEstablished: () => this.#established(place),
        onClosed: (cause) => this.#lost(place, cause.error, cause.then, sessionToken),
      });
      if (this.#over) binding.unbind();
      else place.binding = binding;
    } catch (error) {
      const failure = toTunnelerError(error, 'ziti.bind.failed');
      const then = failure.details['then'];
      this.#lost(place, failure, then === 'start-over' || then === 'stop' ? then : 'retry', sessionToken);
    }
  }

  #established(place: Place): void {
    if (this.#over || this.#places.get(place.router.name) !== place) return;
    place.established = true;
    this.#backoff.reset();
    this.events.emit({ kind: 'established', routerName: place.router.name });
  }

  #lost(place: Place, error: TunnelerError, then: 'retry' | 'start-over' | 'stop', sessionToken: string): void {
    const { clock, log } = this.#deps;
    const routerName = place.router.name;
    if (this.#places.get(routerName) === place) this.#places.delete(routerName);
    if (this.#over) return;
    const { code, message } = error;
    log.info('ziti.bind_lost', { service: this.service.name, router: routerName, code, reason: message, then });
    this.events.emit({ kind: 'lost', routerName, error });
    if (then === 'stop') {
      this.stop(error);
      return;
    }
    if (then === 'start-over') {
      // The permission may be gone, or just the session: the list of services tells which.
      this.#deps.sessions.drop(this.service.id, 'Bind', sessionToken);
      this.#avoid.set(routerName, clock.monotonic() + startOverMs);
      this.#deps.invalidateServices();
    } else if (error.code === 'ziti.bind.refused' || error.code === 'ziti.bind.failed') {
      this.#avoid.set(routerName, clock.monotonic() + this.#backoff.next());
    }
    this.tryMore();
  }

  #failed(error: unknown): void {
    const { log, revalidateSession, invalidateServices } = this.#deps;
    log.info('ziti.bind_failed', { service: this.service.name, code: toTunnelerError(error).code });
    if (isTunnelerError(error, 'ziti.controller.session_expired')) revalidateSession();
    if (isTunnelerError(error, 'ziti.controller.not_found')) invalidateServices();
  }

  #scheduleLook(): void {
    this.#look?.[Symbol.dispose]();
    if (this.#over || this.#places.size >= this.#maxConnections) return;
    const { clock } = this.#deps;
    const now = clock.monotonic();
    const waits = [...this.#avoid.values()].flatMap((endsAt) => (endsAt > now ? endsAt - now : []));
    // Routers left alone for a while are looked at when that is over, not after a further wait.
    const delayMs = waits.length > 0 ? Math.min(...waits) : this.#backoff.next();
    this.#look = clock.after(delayMs, () => this.tryMore());
  }
}

/** From 2.1 on a controller hands a host's key of one connection on to the dialler (openziti/ziti: controller/network). */
function handsOnKeys(signedIn: SignedIn | undefined): boolean {
  return signedIn !== undefined && isAtLeast(signedIn.controller.version, 2, 1);
}

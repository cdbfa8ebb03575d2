/** Dialling a service: its session, the nearest connected router, the connection; one more try where a session went stale. */
import { setMaxListeners } from 'node:events';
import { linkSignals } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError, isTunnelerError } from '../../base/errors.ts';
import type { ServiceSession } from '../controller/controller-client.ts';
import type { EdgeRouter } from '../edge/edge-router.ts';
import { edgeErrorCode } from '../wire/edge-error.ts';
import type { DialOptions, ZitiService, ZitiStream } from '../model.ts';
import type { SignedIn } from './authenticator.ts';
import type { RouterSet } from './router-set.ts';
import type { ServiceSessions } from './service-sessions.ts';
import { WatchedStream, type StreamWatcher } from './watched-stream.ts';

const defaultTimeoutMs = 15_000;
/** A router whose controller is gone waits for it; a dial that takes this long makes us look whether ours is there. */
const doubtAfterMs = 1500;

/** What a dial stands on: sessions, routers, and whoever knows whether access is still there. */
export interface DialerDeps {
  readonly clock: Clock;
  readonly sessions: ServiceSessions;
  readonly routers: RouterSet;
  service(id: string): ZitiService | undefined;
  /** Is the service hosted by this identity, here? */
  hosts(serviceId: string): boolean;
  /** Waits for the first sign-in; throws why there is none when `signal` aborts first. */
  signedIn(signal: AbortSignal): Promise<SignedIn>;
  /** As `signedIn`, after this one proved to be over. */
  signedInAnew(signal: AbortSignal): Promise<SignedIn>;
  /** A router or the controller denied what the list grants, or took it away: look again at once. */
  invalidateServices(): void;
  /** See {@link StreamWatcher}. */
  accessLost(serviceId: string): Promise<TunnelerError | undefined>;
  identityLost(): Promise<TunnelerError | undefined>;
  /** As far as it is known here and now: why the service may not be dialled; undefined where it may. */
  accessEnded(serviceId: string): TunnelerError | undefined;
  /** A router refused for posture: what stands in the way is worth knowing before the next dial. */
  postureRefused(serviceId: string, error: TunnelerError): void;
  /** A router no longer knows the API session. */
  revalidateSession(): void;
}

/** Dials within the time of the caller, all attempts together, and throws `ziti.dial.*` or `ziti.controller.*`. */
export class Dialer {
  readonly #deps: DialerDeps;
  /** By service and terminator identity. Source: openziti/ziti sticky strategy; forgotten where an answer brings none. */
  readonly #stickiness = new Map<string, Uint8Array>();

  /** Names of the routers a service may be dialled by, where one had to be told that it is not among them. */
  readonly #allowed = new Map<string, ReadonlySet<string>>();

  /** Streams open, by service. */
  readonly #open = new Map<string, number>();

  /** Aborted with the API session: dials that still wait for an answer under it begin again. */
  #sessionEnd = sharedAbort();

  readonly #watcher: StreamWatcher;

  constructor(deps: DialerDeps) {
    this.#deps = deps;
    this.#watcher = {
      streamOver: (serviceId) => this.#count(serviceId, -1),
      invalidateServices: () => deps.invalidateServices(),
      accessLost: (serviceId) => deps.accessLost(serviceId),
      identityLost: () => deps.identityLost(),
    };
  }

  async dial(serviceId: string, options: DialOptions): Promise<ZitiStream> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const deadline = new AbortController();
    const timer = this.#deps.clock.after(timeoutMs, () => deadline.abort());
    const linked = linkSignals(options.signal, deadline.signal);
    const { signal } = linked;
    const endsAt = this.#deps.clock.monotonic() + timeoutMs;
    const left = (): number => Math.max(1, endsAt - this.#deps.clock.monotonic());
    try {
      return await withAbort(this.#tryTwice(serviceId, options, left, signal), signal, this.#deps.clock);
    } catch (error) {
      if (options.signal?.aborted === true)
        throw new TunnelerError('base.cancelled', 'the dial was cancelled', { cause: error });
      if (deadline.signal.aborted && isTunnelerError(error, 'base.cancelled')) {
        throw new TunnelerError('ziti.dial.timeout', `the dial was not answered within ${timeoutMs / 1000} s`, {
          details: { timeoutMs, next: 'check that the host of the service is up' },
        });
      }
      if (isTunnelerError(error, 'ziti.dial.access_denied')) this.#deps.invalidateServices();
      if (isTunnelerError(error, 'ziti.dial.posture_failed')) this.#deps.postureRefused(serviceId, error);
      throw error;
    } finally {
      timer[Symbol.dispose]();
      linked[Symbol.dispose]();
    }
  }

  /** The API session is over. */
  sessionEnded(): void {
    this.#sessionEnd.abort();
    this.#sessionEnd = sharedAbort();
    this.#allowed.clear();
  }

  async #tryTwice(
    serviceId: string,
    options: DialOptions,
    left: () => number,
    signal: AbortSignal,
  ): Promise<ZitiStream> {
    const signedIn = await this.#deps.signedIn(signal);
    const service = this.#permitted(serviceId);
    const ended = this.#sessionEnd.signal;
    const linked = linkSignals(signal, ended);
    const doubt = this.#deps.clock.after(doubtAfterMs, () => this.#deps.revalidateSession());
    try {
      return await this.#attempt(signedIn, service, options, left, linked.signal);
    } catch (error) {
      if (ended.aborted && !signal.aborted) {
        return await this.#attempt(await this.#deps.signedIn(signal), service, options, left, signal);
      }
      const stale = isTunnelerError(error, 'ziti.dial.session_invalid');
      const cut = isTunnelerError(error, 'ziti.channel.closed') || isTunnelerError(error, 'ziti.channel.rejected');
      if (!stale && !cut) throw error;
      this.#allowed.delete(serviceId);
      if (stale && /api session/i.test(String(error.details['reason']))) this.#deps.revalidateSession();
      return await this.#attempt(await this.#deps.signedIn(signal), service, options, left, signal);
    } finally {
      doubt[Symbol.dispose]();
      linked[Symbol.dispose]();
    }
  }

  /** By the API session alone where session and nearest router can, else by a service session. */
  async #attempt(
    signedIn: SignedIn,
    service: ZitiService,
    options: DialOptions,
    left: () => number,
    signal: AbortSignal,
  ): Promise<ZitiStream> {
    if (signedIn.session.kind === 'oidc' && this.#deps.routers.states().length > 0) {
      const [router] = await this.#deps.routers.whenConnected(this.#allowed.get(service.id), signal);
      if (router?.capabilities.connectV2 === true) {
        try {
          return await this.#once(router, service, undefined, options, left, signal);
        } catch (error) {
          const otherWay = await this.#afterRefusal(error, signedIn, service, router, signal);
          if (otherWay === undefined) throw error;
          if (otherWay !== 'session') return await this.#once(otherWay, service, undefined, options, left, signal);
        }
      }
    }
    return this.#bySession(signedIn, service, options, left, signal);
  }

  /**
   * A router may be barred from this service while others are not: only then is it asked which are allowed (code 14; openziti/ziti:
   * controller/handler_edge_ctrl/create_circuit_v3.go). Undefined: the refusal stands.
   */
  async #afterRefusal(
    error: unknown,
    signedIn: SignedIn,
    service: ZitiService,
    router: EdgeRouter,
    signal: AbortSignal,
  ): Promise<EdgeRouter | 'session' | undefined> {
    if (!isTunnelerError(error)) return undefined;
    const code = error.details['routerCode'];
    if (code === edgeErrorCode.invalidApiSessionType) return 'session';
    const isBarred = code === edgeErrorCode.accessDenied && /edge router/i.test(String(error.details['reason']));
    if (!isBarred) return undefined;
    const allowed = await signedIn.client.serviceEdgeRouters(service.id, signal);
    this.#deps.routers.learn(allowed);
    const names = new Set(allowed.map(({ name }) => name));
    this.#allowed.set(service.id, names);
    if (names.has(router.name)) return undefined;
    const [other] = await this.#deps.routers.whenConnected(names, signal);
    return other?.capabilities.connectV2 === true ? other : 'session';
  }

  async #bySession(
    signedIn: SignedIn,
    service: ZitiService,
    options: DialOptions,
    left: () => number,
    signal: AbortSignal,
  ): Promise<ZitiStream> {
    const session = await this.#firstSession(signedIn, service, signal);
    const names = new Set(session.edgeRouters.map((router) => router.name));
    const [router] = await this.#deps.routers.whenConnected(names, signal);
    try {
      return await this.#once(router as EdgeRouter, service, session, options, left, signal);
    } catch (error) {
      if (isTunnelerError(error, 'ziti.dial.session_invalid')) {
        this.#deps.sessions.drop(service.id, 'Dial', session.token);
      }
      throw error;
    }
  }

  #permitted(serviceId: string): ZitiService {
    const service = this.#deps.service(serviceId);
    if (service === undefined) {
      throw new TunnelerError('ziti.dial.service_unknown', 'the controller shows this identity no such service', {
        details: { serviceId, next: 'ask the administrator for a dial policy' },
      });
    }
    if (!service.permissions.includes('Dial')) {
      throw new TunnelerError('ziti.dial.access_denied', `no policy lets this identity dial ${service.name}`, {
        details: { serviceId, next: 'ask the administrator for a dial policy' },
      });
    }
    return service;
  }

  /** An API session found to be over only now, or gone with its controller, is followed by the next one. */
  async #firstSession(signedIn: SignedIn, service: ZitiService, signal: AbortSignal): Promise<ServiceSession> {
    try {
      return await this.#session(signedIn, service);
    } catch (error) {
      const lost = isTunnelerError(error, 'ziti.controller.unreachable') && signedIn.endpoints.origins.length > 1;
      if (!lost && !isTunnelerError(error, 'ziti.controller.session_expired')) throw error;
      return this.#session(await this.#deps.signedInAnew(signal), service);
    }
  }

  async #session(signedIn: SignedIn, service: ZitiService): Promise<ServiceSession> {
    try {
      const session = await this.#deps.sessions.get(signedIn.client, service.id, 'Dial');
      this.#deps.routers.learn(session.edgeRouters);
      return session;
    } catch (error) {
      if (isTunnelerError(error, 'ziti.controller.session_expired')) this.#deps.revalidateSession();
      if (isTunnelerError(error, 'ziti.controller.not_found')) {
        this.#deps.invalidateServices();
        throw new TunnelerError('ziti.dial.access_denied', `no policy lets this identity dial ${service.name}`, {
          cause: error,
          details: { ...error.details, serviceId: service.id, next: 'ask the administrator for a dial policy' },
        });
      }
      throw error;
    }
  }

  async #once(
    router: EdgeRouter,
    service: ZitiService,
    session: ServiceSession | undefined,
    options: DialOptions,
    left: () => number,
    signal: AbortSignal,
  ): Promise<ZitiStream> {
    const key = `${service.id}/${options.terminatorIdentity ?? ''}`;
    const opened = await router.dial({
      serviceId: service.id,
      ...defined({ sessionToken: session?.token }),
      encryptionRequired: service.encryptionRequired,
      kind: options.kind ?? 'stream',
      timeoutMs: left(),
      signal,
      ...defined({ terminatorIdentity: options.terminatorIdentity, appData: options.appData }),
      ...this.#sticky(key),
      hostedByUs: this.#deps.hosts(service.id),
    });
    if (opened.stickinessToken === undefined) this.#stickiness.delete(key);
    else this.#stickiness.set(key, opened.stickinessToken);
    this.#count(service.id, 1);
    const stream = new WatchedStream(opened.stream, service.id, this.#watcher);
    // Access may have ended while the answer was on its way: what was cut then did not have this one yet.
    const lost = this.#deps.accessEnded(service.id);
    if (lost !== undefined) {
      stream.reset(lost);
      throw lost;
    }
    return stream;
  }

  /** Ids of services with streams dialled and not over yet. */
  inUse(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Cut what runs to services this identity may not dial now, each with its reason: not every router does that by itself. */
  cutWhere(lost: (serviceId: string) => TunnelerError | undefined): void {
    for (const serviceId of [...this.#open.keys()]) {
      const error = lost(serviceId);
      if (error === undefined) continue;
      this.#allowed.delete(serviceId);
      for (const router of this.#deps.routers.serving()) router.revoke(serviceId, error);
    }
  }

  #count(serviceId: string, change: number): void {
    const open = (this.#open.get(serviceId) ?? 0) + change;
    if (open === 0) this.#open.delete(serviceId);
    else this.#open.set(serviceId, open);
  }

  #sticky(key: string): { stickinessToken?: Uint8Array } {
    const token = this.#stickiness.get(key);
    return defined({ stickinessToken: token });
  }
}

/** What a dial waits for mostly ends by itself when `signal` aborts, and says why; this is for what does not. */
const abortGraceMs = 25;

/** Reject soon after `signal` aborts; a stream that comes all the same is reset. */
function withAbort(dialling: Promise<ZitiStream>, signal: AbortSignal, clock: Clock): Promise<ZitiStream> {
  return new Promise((resolve, reject) => {
    let over = false;
    let grace: Disposable | undefined;
    const onAbort = (): void => {
      grace = clock.after(abortGraceMs, () => {
        over = true;
        reject(new TunnelerError('base.cancelled', 'the dial was given up'));
      });
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    dialling
      .then(
        (stream) => (over ? stream.reset() : resolve(stream)),
        (error: unknown) => reject(error as Error),
      )
      .finally(() => {
        grace?.[Symbol.dispose]();
        signal.removeEventListener('abort', onAbort);
      });
  });
}

/** Each dial under way listens to it, and there may be a thousand: Node's warning of a leak at eleven is not meant for that. */
function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

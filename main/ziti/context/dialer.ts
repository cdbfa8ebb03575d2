/** Dialling a service: its session, the nearest connected router, the connection; one more try where a session went stale. */
import { linkSignals } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError, isTunnelerError } from '../../base/errors.ts';
import type { ServiceSession } from '../controller/controller-client.ts';
import type { EdgeRouter } from '../edge/edge-router.ts';
import type { DialOptions, ZitiService, ZitiStream } from '../model.ts';
import type { SignedIn } from './authenticator.ts';
import type { RouterSet } from './router-set.ts';
import type { ServiceSessions } from './service-sessions.ts';
import { WatchedStream, type StreamWatcher } from './watched-stream.ts';

const defaultTimeoutMs = 15_000;
/** A router whose controller is gone waits for it; a dial that takes this long makes us look whether ours is there. */
const doubtAfterMs = 1500;

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
  /** Asks the controller, briefly: may this identity still dial the service? */
  accessKept(serviceId: string): Promise<boolean>;
  /** A router no longer knows the API session. */
  revalidateSession(): void;
}

export class Dialer {
  readonly #deps: DialerDeps;
  /** By service and terminator identity. Source: openziti/ziti sticky strategy; forgotten where an answer brings none. */
  readonly #stickiness = new Map<string, Uint8Array>();

  /** Session tokens under which streams were opened, by service. */
  readonly #tokens = new Map<string, Set<string>>();

  /** Streams open, by service. */
  readonly #open = new Map<string, number>();

  /** Aborted with the API session: dials that still wait for an answer under it begin again. */
  #sessionEnd = new AbortController();

  readonly #watcher: StreamWatcher;

  constructor(deps: DialerDeps) {
    this.#deps = deps;
    this.#watcher = {
      streamOver: (serviceId) => this.#count(serviceId, -1),
      invalidateServices: () => deps.invalidateServices(),
      accessKept: (serviceId) => deps.accessKept(serviceId),
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
          details: { timeoutMs, next: 'Check that the host of the service is up.' },
        });
      }
      if (isTunnelerError(error, 'ziti.dial.access_denied')) this.#deps.invalidateServices();
      throw error;
    } finally {
      timer[Symbol.dispose]();
      linked[Symbol.dispose]();
    }
  }

  /** The API session is over. */
  sessionEnded(): void {
    this.#sessionEnd.abort();
    this.#sessionEnd = new AbortController();
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
    const session = await this.#firstSession(signedIn, service, signal);
    const linked = linkSignals(signal, ended);
    const doubt = this.#deps.clock.after(doubtAfterMs, () => this.#deps.revalidateSession());
    try {
      return await this.#once(service, session, options, left, linked.signal);
    } catch (error) {
      if (ended.aborted && !signal.aborted) {
        const next = await this.#deps.signedIn(signal);
        return await this.#once(service, await this.#session(next, service), options, left, signal);
      }
      const stale = isTunnelerError(error, 'ziti.dial.session_invalid');
      const cut = isTunnelerError(error, 'ziti.channel.closed') || isTunnelerError(error, 'ziti.channel.rejected');
      if (!stale && !cut) throw error;
      if (stale) this.#deps.sessions.drop(serviceId, 'Dial', session.token);
      if (stale && /api session/i.test(String(error.details['reason']))) this.#deps.revalidateSession();
      const again = await this.#session(await this.#deps.signedIn(signal), service);
      return await this.#once(service, again, options, left, signal);
    } finally {
      doubt[Symbol.dispose]();
      linked[Symbol.dispose]();
    }
  }

  #permitted(serviceId: string): ZitiService {
    const service = this.#deps.service(serviceId);
    if (service === undefined) {
      throw new TunnelerError('ziti.dial.service_unknown', 'the controller shows this identity no such service', {
        details: { serviceId, next: 'Ask the administrator for a dial policy.' },
      });
    }
    if (!service.permissions.includes('Dial')) {
      throw new TunnelerError('ziti.dial.access_denied', `no policy lets this identity dial ${service.name}`, {
        details: { serviceId, next: 'Ask the administrator for a dial policy.' },
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
          details: { ...error.details, serviceId: service.id, next: 'Ask the administrator for a dial policy.' },
        });
      }
      throw error;
    }
  }

  async #once(
    service: ZitiService,
    session: ServiceSession,
    options: DialOptions,
    left: () => number,
    signal: AbortSignal,
  ): Promise<ZitiStream> {
    const names = new Set(session.edgeRouters.map((router) => router.name));
    const [router] = await this.#deps.routers.whenConnected(names, signal);
    const key = `${service.id}/${options.terminatorIdentity ?? ''}`;
    const opened = await (router as EdgeRouter).dial({
      sessionToken: session.token,
      encryptionRequired: service.encryptionRequired,
      kind: options.kind ?? 'stream',
      timeoutMs: left(),
      signal,
      ...(options.terminatorIdentity === undefined ? {} : { terminatorIdentity: options.terminatorIdentity }),
      ...(options.appData === undefined ? {} : { appData: options.appData }),
      ...this.#sticky(key),
      hostedByUs: this.#deps.hosts(service.id),
    });
    this.#remember(service.id, session.token);
    if (opened.stickinessToken === undefined) this.#stickiness.delete(key);
    else this.#stickiness.set(key, opened.stickinessToken);
    this.#count(service.id, 1);
    return new WatchedStream(opened.stream, service.id, this.#watcher);
  }

  /** Ids of services with streams dialled and not over yet. */
  inUse(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Cut what runs to services this identity may no longer dial: not every router does that by itself. */
  revokeUnless(permitted: (serviceId: string) => boolean): void {
    for (const [serviceId, tokens] of this.#tokens) {
      if (permitted(serviceId)) continue;
      this.#tokens.delete(serviceId);
      for (const router of this.#deps.routers.serving()) {
        for (const token of tokens) router.revoke(token, 'dial access lost');
      }
    }
  }

  #count(serviceId: string, change: number): void {
    const open = (this.#open.get(serviceId) ?? 0) + change;
    if (open === 0) this.#open.delete(serviceId);
    else this.#open.set(serviceId, open);
  }

  #remember(serviceId: string, token: string): void {
    const tokens = this.#tokens.get(serviceId) ?? new Set();
    this.#tokens.set(serviceId, tokens);
    tokens.add(token);
  }

  #sticky(key: string): { stickinessToken?: Uint8Array } {
    const token = this.#stickiness.get(key);
    return token === undefined ? {} : { stickinessToken: token };
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

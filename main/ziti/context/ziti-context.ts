/** One identity at work: the parts of this room put together, and what happens in one told to the others. */
import { sleep } from '../../base/clock.ts';
import { Emitter } from '../../base/emitter.ts';
import { TunnelerError, isTunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { openEdgeRouter } from '../edge/open-edge-router.ts';
import { leafOf } from '../enroll/certificates.ts';
import { listSigners } from '../enroll/signers.ts';
import { openHttpsTransport } from '../controller/https-transport.ts';
import { isAtLeast } from '../controller/version.ts';
import type {
  Binding,
  BindOptions,
  ContextState,
  DialOptions,
  IncomingDial,
  PostureCheck,
  PostureFacts,
  RouterState,
  ZitiContext,
  ZitiEvent,
  ZitiIdentity,
  ZitiService,
  ZitiStream,
} from '../model.ts';
import { Authenticator, type SignedIn } from './authenticator.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { Dialer } from './dialer.ts';
import { EmptyServicesWatchdog } from './empty-services-watchdog.ts';
import { HostedServices } from './hosted-services.ts';
import { toIdentity } from './identity.ts';
import { ContextMfa } from './mfa-calls.ts';
import type { ZitiContextOptions } from './options.ts';
import { PostureKeeper } from './posture-keeper.ts';
import { RouterSet } from './router-set.ts';
import { AccessJudge } from './access-judge.ts';
import { ServicePushes } from './service-pushes.ts';
import { ServiceList } from './service-list.ts';
import { ServiceSessions } from './service-sessions.ts';
import { ApiSessionManager } from './api-session-manager.ts';
import { ReadinessLatch } from './readiness-latch.ts';

const defaultPollPeriodMs = 5_000;
/**
 * How long a dial may wait for the controller to say what it grants now: a busy one is waited for, yet of one that has just let somebody wait
 * in vain little more is expected.
 */
const confirmMs = 2_000;
const confirmAfterLateMs = 250;
const allConfigTypes: readonly string[] = ['all'];

/**
 * Put an identity to work. Resolves at once, in state `starting`: signing in, connecting and loading go on by themselves, forever
 * retried, and are told as events. `signal` closes it. Throws `base.invalid` for options that could never work (an unreadable
 * certificate, a URL that is none).
 */
export function openZitiContext(
  options: ZitiContextOptions,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<ZitiContext> {
  return new Promise((resolve) => {
    if (options.credential.kind === 'certificate') leafOf(options.credential.certPem);
    const context = new OpenContext(options);
    signal?.addEventListener('abort', () => void context[Symbol.asyncDispose](), { once: true });
    if (signal?.aborted === true) void context[Symbol.asyncDispose]();
    resolve(context);
  });
}

class OpenContext implements ZitiContext {
  readonly events: Emitter<ZitiEvent>;
  readonly mfa: ContextMfa;
  readonly #options: ZitiContextOptions;
  readonly #log: Log;
  readonly #authenticator: Authenticator;
  readonly #sessions = new ServiceSessions();
  readonly #keeper: ApiSessionManager;
  readonly #services: ServiceList;
  readonly #pushes: ServicePushes;
  readonly #access: AccessJudge;
  readonly #empty: EmptyServicesWatchdog;
  readonly #routers: RouterSet;
  readonly #dialer: Dialer;
  readonly #hosted: HostedServices;
  readonly #posture: PostureKeeper;
  readonly #certificate: CertificateKeeper;
  readonly #gate: ReadinessLatch;
  #identity: ZitiIdentity | undefined;
  #apis: readonly string[];
  #closing: Promise<void> | undefined;
  #confirmWasLate = false;

  constructor(options: ZitiContextOptions) {
    const { clock, random = Math.random } = options;
    const log = options.log.child({ identity: options.name });
    this.#options = options;
    this.#log = log;
    this.#apis = options.apis;
    this.events = new Emitter<ZitiEvent>((error) => log.error('ziti.listener_failed', { error }));
    this.#authenticator = new Authenticator(options);
    this.#gate = new ReadinessLatch(() => this.#keeper.state());
    const common = { clock, log, random };
    this.#empty = new EmptyServicesWatchdog(clock, () => this.#keeper.restart());
    const signedIn = (): SignedIn | undefined => this.#keeper.signedIn();
    const invalidateServices = (): void => this.#invalidateServices();
    const postureAnswered = (): void => {
      invalidateServices();
      this.#hosted.hurry();
    };
    const revalidateSession = (): void => this.#keeper.check();
    this.#routers = new RouterSet({
      ...common,
      openRouter: options.openRouter ?? openEdgeRouter,
      access: () => this.#routerAccess(),
      connected: (router) => {
        this.#posture.greet(router);
        this.#pushes.look();
        this.#hosted.tryMore();
      },
      // A router cuts the channel of a disabled identity; the controller knows whether that was it.
      lost: () => {
        this.#pushes.look();
        revalidateSession();
      },
      changed: (router) => this.events.emit({ kind: 'router-changed', router }),
    });
    this.#pushes = new ServicePushes({
      ...common,
      routers: () => this.#routers.connected(),
      pushed: (services) => this.#services.follow(services),
      ended: () => {
        this.#services.unfollow();
        invalidateServices();
      },
    });
    this.#services = new ServiceList({
      ...common,
      pollPeriodMs: options.pollPeriodMs ?? defaultPollPeriodMs,
      configTypes: options.configTypes ?? allConfigTypes,
      client: () => signedIn()?.client,
      changed: (services) => this.#servicesChanged(services),
      report: (failure) => {
        this.#keeper.report(failure);
        if (failure === undefined) this.#empty.look(this.#services.all().length);
      },
      renewPushed: () => this.#pushes.renew(),
      mustWatch: () => this.#mustWatch(),
      inUse: () => this.#dialer.inUse(),
      woke: () => this.#woke(),
    });
    this.#posture = new PostureKeeper({
      ...common,
      signedIn,
      services: () => this.#services.all(),
      routers: () => this.#routers.connected(),
      answered: postureAnswered,
    });
    this.#keeper = new ApiSessionManager({
      ...common,
      authenticator: this.#authenticator,
      start: (now, signal) => this.#start(now, signal),
      refreshed: (now) => {
        if (now.session.kind === 'oidc') this.#routers.updateToken(now.session.token);
      },
      ended: () => {
        this.#gate.shut();
        this.#sessions.clear();
        this.#dialer.sessionEnded();
      },
      stateChanged: (state) => this.#stateChanged(state),
      refused: () => this.#certificate.refused(),
      signerNames: () => this.#signerNames(),
    });
    const forServices = {
      ...common,
      sessions: this.#sessions,
      routers: this.#routers,
      invalidateServices,
      revalidateSession,
    };
    this.#access = new AccessJudge({
      clock,
      service: (id) => this.#services.byId(id),
      judge: () => (signedIn()?.session.kind === 'legacy' && this.#posture.told ? 'controller' : 'router'),
      state: () => this.#keeper.state(),
      settled: () => this.#keeper.settled(),
      confirm: (id) => this.#services.confirm(id),
      revalidateSession,
      closing: () => this.#closing !== undefined,
    });
    this.#hosted = new HostedServices({ ...forServices, signedIn: () => this.#gate.signedIn() });
    this.#dialer = new Dialer({
      ...forServices,
      service: (id) => this.#services.byId(id),
      hosts: (id) => this.#hosted.has(id),
      accessLost: (id) => this.#access.lost(id),
      identityLost: () => this.#access.identityLost(),
      accessEnded: (id) => this.#access.ended(id, 'Dial', 'router'),
      postureRefused: (id, error) => {
        this.#pushes.settle();
        this.#services.noteRefusal(id, 'Dial', error);
      },
      signedIn: (signal) => this.#gate.wait(signal),
      signedInAnew: async (signal) => {
        this.#keeper.check();
        while (!this.#keeper.settled() && !signal.aborted) await sleep(clock, 10);
        return this.#gate.wait(signal);
      },
    });
    this.mfa = new ContextMfa({
      ...common,
      keeper: this.#keeper,
      posture: this.#posture,
      verified: postureAnswered,
    });
    this.#certificate = new CertificateKeeper({
      ...common,
      options,
      authenticator: this.#authenticator,
      signedIn,
      commonName: () => this.#identity?.id ?? 'culvert',
      restart: () => this.#keeper.restart(),
      emit: (event) => this.events.emit(event),
    });
  }

  identity(): ZitiIdentity | undefined {
    return this.#identity;
  }

  state(): ContextState {
    return this.#keeper.state();
  }

  services(): readonly ZitiService[] {
    return this.#services.all();
  }

  routers(): readonly RouterState[] {
    return this.#routers.states();
  }

  controller(): { readonly url: string; readonly version?: string; readonly authentication?: 'oidc' | 'legacy' } {
    const signedIn = this.#keeper.signedIn();
    if (signedIn === undefined) return { url: this.#options.apis[0] ?? '' };
    const { endpoints, controller, session } = signedIn;
    return { url: endpoints.current, version: controller.version, authentication: session.kind };
  }

  dial(serviceId: string, options: DialOptions = {}): Promise<ZitiStream> {
    return this.#dialer.dial(serviceId, options).finally(() => this.#services.watch());
  }

  async bind(serviceId: string, options: BindOptions, onDial: (dial: IncomingDial) => void): Promise<Binding> {
    const service = this.#services.byId(serviceId);
    if (service?.permissions.includes('Bind') !== true) {
      throw new TunnelerError('ziti.bind.refused', 'no policy lets this identity host the service', {
        details: { serviceId, next: 'ask the administrator for a bind policy' },
      });
    }
    return this.#hosted.add(service, options, onDial);
  }

  async refresh(): Promise<void> {
    this.#keeper.check();
    this.#routers.hurry();
    await this.#services.reload();
    await this.#posture.look();
  }

  refreshPosture(): Promise<void> {
    return this.#posture.look();
  }

  async networkChanged(): Promise<void> {
    this.#authenticator.renewConnections();
    this.#keeper.signedIn()?.endpoints.renew();
    this.#routers.networkChanged();
    this.#keeper.hurry();
    await this.refresh();
  }

  async confirmServices(): Promise<void> {
    // A controller that does not answer anyhow must not hold up what routers still carry.
    if (this.#keeper.state().kind !== 'ready') return;
    const waiting = new AbortController();
    const patienceMs = this.#confirmWasLate ? confirmAfterLateMs : confirmMs;
    const patience = sleep(this.#options.clock, patienceMs, waiting.signal).then(
      () => (this.#confirmWasLate = true),
      () => undefined,
    );
    const confirmed = this.#services.current().then(() => (this.#confirmWasLate = false));
    await Promise.race([confirmed, patience]);
    waiting.abort();
  }

  async terminatorCount(serviceId: string, terminatorIdentity?: string): Promise<number | undefined> {
    try {
      return await this.#keeper.signedIn()?.client.terminatorCount(serviceId, terminatorIdentity);
    } catch (error) {
      if (isTunnelerError(error, 'ziti.controller.not_found')) return undefined;
      throw error;
    }
  }

  renewCertificate(options: { readonly rollKey?: boolean } = {}): Promise<{ readonly expiresAt: number }> {
    return this.#certificate.renew(options.rollKey === true);
  }

  setPosture(gather: (checks: readonly PostureCheck[]) => Promise<PostureFacts>): void {
    this.#posture.use(gather);
  }

  async provideExternalToken(token: string): Promise<void> {
    this.#authenticator.useExternalToken(token);
    const pending = this.#keeper.pending();
    if (pending === undefined) this.#keeper.restart();
    else this.#keeper.advance(await pending.provideExternal(token));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#gate.shut();
    this.#certificate[Symbol.dispose]();
    this.#posture[Symbol.dispose]();
    this.#pushes[Symbol.dispose]();
    this.#services[Symbol.dispose]();
    this.#hosted[Symbol.dispose]();
    await this.#routers[Symbol.asyncDispose]();
    await this.#keeper[Symbol.asyncDispose]();
    await this.#authenticator[Symbol.asyncDispose]();
    this.#gate.look();
  }

  /** After each sign-in: who we are, what we see, where to connect. */
  async #start(signedIn: SignedIn, signal: AbortSignal): Promise<void> {
    const { client, session, controller } = signedIn;
    if (session.kind === 'legacy' && isAtLeast(controller.version, 2, 1)) {
      // Release 3.0 has them no more (openziti/ziti: CHANGELOG of 2.1).
      this.#log.warn('ziti.legacy_session_leaving', { controller: controller.version });
    }
    this.#sessions.clear();
    this.#pushes.drop();
    this.#services.unfollow();
    this.#posture.forget();
    await this.#certificate.accepted();
    this.#identity = toIdentity(await client.identity(signal));
    const routers = await client.edgeRouters(signal);
    await this.#services.reload();
    this.#routers.renewAll();
    this.#routers.replace(routers);
    this.#gate.open(signedIn);
    await this.#learnControllers(signedIn);
    await this.mfa.started(signedIn);
    await this.#posture.look();
    this.#hosted.tryMore();
    this.#certificate.consider();
  }

  async #learnControllers(signedIn: SignedIn): Promise<void> {
    const found = await signedIn.client.controllers().catch((error: unknown) => {
      // Releases without clusters refuse the question.
      this.#log.debug('ziti.controllers_unknown', { code: toTunnelerError(error).code });
      return [];
    });
    const merged = [...new Set([...this.#apis, ...found.filter((url) => URL.canParse(url))])];
    if (found.length < 2 || merged.length === this.#apis.length) return;
    this.#apis = merged;
    signedIn.endpoints.add(merged);
    this.#authenticator.learnControllers(merged);
    this.events.emit({ kind: 'controllers-changed', apis: merged });
  }

  #routerAccess(): ReturnType<ConstructorParameters<typeof RouterSet>[0]['access']> {
    const signedIn = this.#keeper.signedIn();
    if (signedIn === undefined) return undefined;
    const { session, routerTls } = signedIn;
    const callerId = this.#identity?.name ?? session.identityName ?? session.identityId;
    return { tls: routerTls, token: session.token, tokenKind: session.kind, callerId };
  }

  #servicesChanged(services: readonly ZitiService[]): void {
    const permits = (id: string, type: 'Dial' | 'Bind'): boolean =>
      this.#services.byId(id)?.permissions.includes(type) === true;
    this.#dialer.cutWhere((id) => this.#access.ended(id, 'Dial'));
    this.#hosted.cutWhere((id) => this.#access.ended(id, 'Bind'));
    this.#sessions.retain(permits);
    this.events.emit({ kind: 'services-changed', services });
    this.#hosted.retain((id) => permits(id, 'Bind'));
    void this.#posture.look();
  }

  #stateChanged(state: ContextState): void {
    if (state.kind === 'unauthenticated') {
      this.#pushes.drop();
      this.#services.clear();
    }
    this.events.emit({ kind: 'state-changed', state });
    this.#gate.look();
  }

  /** Something says that the list of services is not true any more: read it now. */
  #invalidateServices(): void {
    this.#services.reload().then(
      () => this.#keeper.report(undefined),
      (error: unknown) => this.#keeper.report(error),
    );
  }

  /** 1.x routers leave circuits under the SDK's flow control open when access to their service ends. */
  #mustWatch(): boolean {
    if (this.#pushes.live || this.#dialer.inUse().length === 0 || this.#keeper.signedIn()?.session.kind !== 'legacy')
      return false;
    return this.#routers.serving().some((router) => router.streams() > 0 && !pushesRevocation(router.version));
  }

  #woke(): void {
    this.#log.info('ziti.woke');
    this.#keeper.check();
    this.#routers.hurry();
  }

  async #signerNames(): Promise<readonly string[]> {
    const open = this.#options.open ?? openHttpsTransport;
    const origin = new URL(this.#options.apis[0] ?? '').origin;
    try {
      return (await listSigners(origin, this.#options.caPem, { open })).map((signer) => signer.name);
    } catch (error) {
      this.#log.debug('ziti.signers_unknown', { code: toTunnelerError(error).code });
      return [];
    }
  }
}

/** Unknown versions (development builds say 0.0.0) count as not doing so. */
function pushesRevocation(version: string | undefined): boolean {
  return Number(/^v?(\d+)\./.exec(version ?? '')?.[1] ?? 0) >= 2;
}

/**
 * The embedded overlay: a small controller and edge router in one process that speak OpenZiti's own protocols.
 *
 * For development, demonstration and tests only: its authorities' keys lie in plain beside its state, it trusts whoever
 * holds that directory, and it does not scale. Unmodified OpenZiti clients enrol, dial and host against it.
 */
import { isIP } from 'node:net';
import { systemClock, type Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import { TunnelerError } from '../base/errors.ts';
import { DisposalStack } from '../base/lifecycle.ts';
import { silentLog, type Log } from '../base/log.ts';
import { OverlayAdmin } from './admin.ts';
import type { AuthenticationOffer, ControllerContext, RouterFacts } from './controller/context.ts';
import { openController } from './controller/controller.ts';
import { newId, newUuid } from './ids.ts';
import type { StateDocument } from './model.ts';
import { Network } from './network.ts';
import { releaseVersion, type OverlayRelease } from './release.ts';
import { fingerprintOfPem, Pki } from './pki.ts';
import type { CircuitFacts } from './router/context.ts';
import { openRouter, type EdgeRouterServer } from './router/router.ts';
import type { Circuit } from './router/circuit.ts';
import { openDirectoryStore, openMemoryStore, type Store } from './store.ts';
import { TokenSigner } from './token.ts';

export type { AuthenticationOffer } from './controller/context.ts';
export { OverlayAdmin } from './admin.ts';
export { readOverlayRelease, type OverlayRelease } from './release.ts';

/** Where it listens, what it keeps, and which OpenZiti it behaves as. */
export interface OverlayOptions {
  /** The controller's `HOST:PORT`, default `127.0.0.1:0`; port 0 takes the one of the last start, else a free one. */
  readonly listen?: string;
  /** The router's `HOST:PORT`, default the controller's host and port 0, as above. */
  readonly routerListen?: string;
  /** Host that clients are told, and in the certificates; default the one listened on. */
  readonly advertise?: string;
  /** Keep everything here; absent: nothing outlives the process. */
  readonly dir?: string;
  /** Default the newest, or 1.7 where `authentication` is `legacy`. */
  readonly release?: OverlayRelease;
  /** Default `both`, and `legacy` with release 1.7, which has no OIDC that enforces revocation. */
  readonly authentication?: AuthenticationOffer;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Milliseconds; defaults are OpenZiti's own. */
  readonly apiSessionTimeoutMs?: number;
  readonly accessTokenMs?: number;
  readonly refreshTokenMs?: number;
  readonly enrollmentMs?: number;
  readonly clientCertificateMs?: number;
  /** A refused channel is dropped this long after its Hello; default 5150. */
  readonly rejectDelayMs?: number;
}

/** Past-tense facts. */
export type OverlayEvent =
  | ({ readonly kind: 'circuit-opened'; readonly circuitId: string } & CircuitFacts)
  | { readonly kind: 'circuit-closed'; readonly circuitId: string; readonly bytes: number }
  | { readonly kind: 'terminators-changed'; readonly serviceId: string };

/** A running overlay. Closing ends every connection and keeps the state. */
export interface Overlay extends AsyncDisposable {
  readonly events: Pick<Emitter<OverlayEvent>, 'subscribe'>;
  readonly admin: OverlayAdmin;
  /** The controller's `https://host:port`. */
  readonly controller: string;
  /** The router's `tls://host:port`. */
  readonly router: string;
  /** As `/version` has it. */
  readonly version: string;
  /** PEM of the trust anchors, root first. */
  readonly caPem: string;
  /** The controller or the router goes away and comes back on the same port with the same state. Idempotent. */
  stopController(): Promise<void>;
  startController(): Promise<void>;
  stopRouter(): Promise<void>;
  startRouter(): Promise<void>;
  /** Idempotent; the same as disposing. */
  close(): Promise<void>;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const reconcileMs = 1000;

/**
 * Open an overlay. `signal` closes it. Throws `overlay.invalid`, `overlay.state_corrupt`, `net.address_in_use` or
 * `net.listen_failed`, leaving nothing running.
 */
export async function openOverlay(
  options: OverlayOptions = {},
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Overlay> {
  signal?.throwIfAborted();
  const stack = new DisposalStack();
  try {
    const store = stack.use(options.dir === undefined ? openMemoryStore() : await openDirectoryStore(options.dir));
    const overlay = new RunningOverlay(options, store, await openParts(options, store), stack);
    await overlay.start();
    signal?.addEventListener('abort', () => void overlay.close(), { once: true });
    return overlay;
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly controllerAddress: HostPort;
  readonly routerAddress: HostPort;
  readonly advertisedHost: string;
  readonly pki: Pki;
}

async function openParts(options: OverlayOptions, store: Store): Promise<Parts> {
  const controllerAddress = parseHostPort(options.listen ?? '127.0.0.1:0');
  const routerAddress =
    options.routerListen === undefined
      ? { host: controllerAddress.host, port: 0 }
      : parseHostPort(options.routerListen);
  const isAny = controllerAddress.host === '0.0.0.0' || controllerAddress.host === '::';
  const advertisedHost = options.advertise ?? (isAny ? 'localhost' : controllerAddress.host);
  const hosts = [advertisedHost, controllerAddress.host, routerAddress.host, 'localhost', '127.0.0.1', '::1'];
  const pki = await Pki.open(store.kept?.pki, hosts);
  return { controllerAddress, routerAddress, advertisedHost, pki };
}

class RunningOverlay implements Overlay {
  readonly events = new Emitter<OverlayEvent>();
  readonly admin: OverlayAdmin;
  readonly version: string;
  readonly #options: OverlayOptions;
  readonly #release: OverlayRelease;
  readonly #authentication: AuthenticationOffer;
  readonly #store: Store;
  readonly #parts: Parts;
  readonly #stack: DisposalStack;
  readonly #network: Network;
  readonly #context: ControllerContext;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #routerId: string;
  readonly #trustDomain: string;
  readonly #circuitFacts = new Map<Circuit, CircuitFacts>();
  #controllerPort: number;
  #routerPort: number;
  #controller: AsyncDisposable | undefined;
  #router: EdgeRouterServer | undefined;

  constructor(options: OverlayOptions, store: Store, parts: Parts, stack: DisposalStack) {
    this.#options = options;
    this.#store = store;
    this.#parts = parts;
    this.#stack = stack;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#authentication = options.authentication ?? (options.release === '1.7' ? 'legacy' : 'both');
    this.#release = options.release ?? (this.#authentication === 'legacy' ? '1.7' : '2.1');
    this.version = releaseVersion[this.#release];
    this.#routerId = store.kept?.routerId ?? newId(10);
    this.#trustDomain = store.kept?.trustDomain ?? newUuid();
    this.#controllerPort = parts.controllerAddress.port || (store.kept?.controllerPort ?? 0);
    this.#routerPort = parts.routerAddress.port || (store.kept?.routerPort ?? 0);
    this.#network = new Network({
      clock: this.#clock,
      kept: store.kept?.entities,
      apiSessionTimeoutMs: options.apiSessionTimeoutMs ?? 30 * minuteMs,
      refreshTokenMs: options.refreshTokenMs ?? dayMs,
      onDirty: () => this.#save(),
    });
    this.#context = this.#makeContext();
    this.admin = new OverlayAdmin({
      context: this.#context,
      circuits: () =>
        [...this.#circuitFacts].map(([circuit, facts]) => ({ id: circuit.id, bytes: circuit.bytes, ...facts })),
      flush: () => store.flush(),
    });
  }

  get controller(): string {
    return `https://${urlHost(this.#parts.advertisedHost)}:${this.#controllerPort}`;
  }

  get router(): string {
    return `tls://${urlHost(this.#parts.advertisedHost)}:${this.#routerPort}`;
  }

  get caPem(): string {
    return this.#parts.pki.bundle;
  }

  async start(): Promise<void> {
    this.#stack.defer(() => this.stopController());
    this.#stack.defer(() => this.stopRouter());
    await this.startController();
    await this.startRouter();
    this.#stack.use(this.#clock.every(reconcileMs, () => this.#network.tick()));
    this.#save();
    await this.#store.flush();
    this.#log.warn('overlay.started', {
      controller: this.controller,
      router: this.router,
      version: this.version,
      purpose: 'development, demonstration and tests only',
    });
  }

  async startController(): Promise<void> {
    if (this.#controller !== undefined) return;
    const listener = await openController(this.#context, this.#parts.controllerAddress.host, this.#controllerPort);
    this.#controllerPort = listener.port;
    this.#controller = listener;
  }

  async stopController(): Promise<void> {
    const controller = this.#controller;
    this.#controller = undefined;
    await controller?.[Symbol.asyncDispose]();
  }

  async startRouter(): Promise<void> {
    if (this.#router !== undefined) return;
    const router = await openRouter({
      id: this.#routerId,
      host: this.#parts.routerAddress.host,
      port: this.#routerPort,
      network: this.#network,
      pki: this.#parts.pki,
      signer: this.#context.signer,
      clock: this.#clock,
      log: this.#log,
      version: this.version,
      release: this.#release,
      rejectDelayMs: this.#options.rejectDelayMs ?? 5150,
      onCircuitOpened: (circuit, facts) => {
        this.#circuitFacts.set(circuit, facts);
        this.events.emit({ kind: 'circuit-opened', circuitId: circuit.id, ...facts });
      },
      onCircuitClosed: (circuit) => {
        this.#circuitFacts.delete(circuit);
        this.events.emit({ kind: 'circuit-closed', circuitId: circuit.id, bytes: circuit.bytes });
      },
      onTerminatorsChanged: (serviceId) => this.events.emit({ kind: 'terminators-changed', serviceId }),
    });
    this.#routerPort = router.port;
    this.#router = router;
  }

  async stopRouter(): Promise<void> {
    const router = this.#router;
    this.#router = undefined;
    await router?.[Symbol.asyncDispose]();
  }

  close(): Promise<void> {
    return this.#stack[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeContext(): ControllerContext {
    const options = this.#options;
    const { pki } = this.#parts;
    return {
      network: this.#network,
      pki,
      signer: new TokenSigner(pki.signingKey, fingerprintOfPem(pki.record.controller.cert)),
      log: this.#log,
      authentication: this.#authentication,
      release: this.#release,
      version: this.version,
      trustDomain: this.#trustDomain,
      lifetimes: {
        accessTokenMs: options.accessTokenMs ?? 30 * minuteMs,
        refreshTokenMs: options.refreshTokenMs ?? dayMs,
        enrollmentMs: options.enrollmentMs ?? 3 * 60 * minuteMs,
        clientCertificateMs: options.clientCertificateMs ?? 365 * dayMs,
      },
      url: () => this.controller,
      router: () => this.#routerFacts(),
    };
  }

  #routerFacts(): RouterFacts {
    return {
      id: this.#routerId,
      name: 'overlay-router',
      address: this.router,
      isOnline: this.#router !== undefined,
      terminators: () =>
        (this.#router?.context.terminators.list() ?? []).map((entry) => ({
          id: entry.id,
          serviceId: entry.serviceId,
          routerId: this.#routerId,
          instanceId: entry.instanceId,
          identityId: entry.host.identityId,
          cost: entry.cost,
          precedence: entry.precedence,
          strategy: this.#network.services.get(entry.serviceId)?.terminatorStrategy ?? 'smartrouting',
        })),
    };
  }

  #save(): void {
    this.#store.save((): StateDocument => ({
      format: 'culvert.overlay.v1',
      trustDomain: this.#trustDomain,
      routerId: this.#routerId,
      pki: this.#parts.pki.record,
      controllerPort: this.#controllerPort,
      routerPort: this.#routerPort,
      entities: this.#network.entities(),
    }));
  }
}

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port`, or a bare IPv6 address before the last colon. Throws `overlay.invalid`. */
function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|(.+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (host.includes(':') && isIP(host) !== 6)) {
    throw new TunnelerError('overlay.invalid', `expected HOST:PORT, got "${text}"`, { details: { value: text } });
  }
  return { host, port };
}

function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

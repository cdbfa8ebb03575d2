/** Routers in memory behind the {@link EdgeRouter} joint: they connect, refuse, go away and record what they were asked. */
import { TunnelerError } from '../../main/base/errors.ts';
import type {
  EdgeBinding,
  EdgeBindRequest,
  EdgeDialRequest,
  EdgeRouter,
  EdgeRouterOptions,
  EdgeStreamOpened,
  ServiceUpdate,
} from '../../main/ziti/edge/edge-router.ts';
import type { ZitiStream } from '../../main/ziti/model.ts';
import type { RouterCapabilities } from '../../main/ziti/wire/router-capabilities.ts';
import { memoryStreamPair } from './memory-stream.ts';

export class FakeRouter implements EdgeRouter {
  readonly name: string;
  readonly version: string;
  readonly supportsPostureChecks = true;
  readonly capabilities: RouterCapabilities;
  /** Whom it pushes to. */
  listener: ((update: ServiceUpdate) => void) | undefined;
  subscriptions = 0;
  resyncs = 0;
  readonly revoked: { readonly serviceId: string; readonly error: TunnelerError }[] = [];
  readonly closed: Promise<TunnelerError>;
  readonly options: EdgeRouterOptions;
  readonly binds: EdgeBindRequest[] = [];
  readonly dials: EdgeDialRequest[] = [];
  readonly tokens: string[] = [];
  readonly posture: Uint8Array[] = [];
  #close: (error: TunnelerError) => void = () => undefined;
  readonly #fleet: RouterFleet;
  isClosed = false;
  /** How often it was asked whether it still lives. */
  confirmed = 0;

  constructor(options: EdgeRouterOptions, fleet: RouterFleet) {
    this.name = options.name;
    this.options = options;
    this.#fleet = fleet;
    this.version = fleet.version;
    this.capabilities = fleet.capabilities;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  confirm(): void {
    this.confirmed += 1;
  }

  latencyMs(): number {
    return this.#fleet.latencies.get(this.name) ?? 1;
  }

  dial(request: EdgeDialRequest): Promise<EdgeStreamOpened> {
    this.dials.push(request);
    const failure = this.#fleet.dialFailures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    if (this.#fleet.unanswered > 0) {
      this.#fleet.unanswered -= 1;
      return new Promise((_, reject) => {
        const cancelled = new TunnelerError('base.cancelled', 'the dial was cancelled');
        request.signal?.addEventListener('abort', () => reject(cancelled), { once: true });
      });
    }
    const [near] = memoryStreamPair();
    const stream: ZitiStream = Object.assign(near, { circuitId: 'c', routerName: this.name, encrypted: false });
    return Promise.resolve({ stream });
  }

  bind(request: EdgeBindRequest): Promise<EdgeBinding> {
    if (this.isClosed) return Promise.reject(new TunnelerError('ziti.channel.closed', 'gone'));
    this.binds.push(request);
    queueMicrotask(() => request.onEstablished());
    return Promise.resolve({ update: () => undefined, cut: () => undefined, unbind: () => undefined });
  }

  updateToken(token: string): Promise<void> {
    this.tokens.push(token);
    if (!this.#fleet.refusesTokens) return Promise.resolve();
    return Promise.reject(new TunnelerError('ziti.channel.rejected', 'no'));
  }

  sendPosture(body: Uint8Array): void {
    this.posture.push(body);
  }

  streams(): number {
    return this.dials.length;
  }

  revoke(serviceId: string, error: TunnelerError): number {
    this.revoked.push({ serviceId, error });
    return 0;
  }

  subscribe(listener: (update: ServiceUpdate) => void): void {
    this.subscriptions += 1;
    this.listener = listener;
  }

  resyncPosture(): void {
    this.resyncs += 1;
  }

  /** The channel goes. */
  lose(error: TunnelerError): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const bind of this.binds) bind.onClosed({ error, then: 'retry' });
    this.#close(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.lose(new TunnelerError('ziti.channel.closed', 'closed here'));
    return Promise.resolve();
  }
}

/** Every router there is. */
export class RouterFleet {
  version = 'v9.9.9';
  capabilities: RouterCapabilities = { known: false, connectV2: false, serviceUpdates: false };
  /** So many dials are not answered, as by a router that waits for its controller. */
  unanswered = 0;
  readonly latencies = new Map<string, number>();
  readonly unreachable = new Set<string>();
  readonly dialFailures: TunnelerError[] = [];
  refusesTokens = false;
  readonly opened: FakeRouter[] = [];
  attempts = 0;

  readonly open = (options: EdgeRouterOptions): Promise<EdgeRouter> => {
    this.attempts += 1;
    if (this.unreachable.has(options.name)) {
      return Promise.reject(new TunnelerError('ziti.channel.unreachable', `${options.name} does not answer`));
    }
    const router = new FakeRouter(options, this);
    this.opened.push(router);
    return Promise.resolve(router);
  };

  live(): FakeRouter[] {
    return this.opened.filter((router) => !router.isClosed);
  }
}

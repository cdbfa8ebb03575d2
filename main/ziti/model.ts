/** What the SDK's doors speak of: services, routers, states, dials. Plain data and small interfaces, no I/O. */
import type { ByteStream } from '../base/stream.ts';
import type { TunnelerError } from '../base/errors.ts';
import type { Emitter } from '../base/emitter.ts';

/** A service this identity can see. Source: edge-api client.yml, ServiceDetail. */
export interface ZitiService {
  readonly id: string;
  readonly name: string;
  readonly encryptionRequired: boolean;
  readonly permissions: readonly ('Dial' | 'Bind')[];
  /** Config data by type name, as sent; each reader parses its own (`intercept.v1`, `host.v1`, …). */
  readonly configs: Readonly<Record<string, unknown>>;
  readonly roleAttributes: readonly string[];
  readonly terminatorStrategy: string;
  readonly postureChecks: readonly PostureCheck[];
}

/** Kinds of posture queries. Source: edge-api client.yml, PostureQueryType. */
export const postureQueryTypes = ['OS', 'PROCESS', 'PROCESS_MULTI', 'DOMAIN', 'MAC', 'MFA'] as const;

/** One posture query that guards a service. Source: edge-api client.yml, PostureQuery. */
export interface PostureCheck {
  readonly id: string;
  readonly policyId: string;
  readonly policyType: 'Dial' | 'Bind';
  readonly queryType: (typeof postureQueryTypes)[number];
  /** As the controller last computed it, unless `judged` says more; the controller's word is stale with OIDC sessions, where routers judge. */
  readonly isPassing: boolean;
  /** `router`: the router that judges pushes `isPassing`, which holds now. `refused`: a router refused a dial or bind for it since posture was last told. */
  readonly judged?: 'router' | 'refused';
  /** As its administrator called it, where a refusal told. */
  readonly name?: string;
  /** Seconds an MFA answer lasts, −1 without end. */
  readonly timeoutSeconds: number;
  readonly timeoutRemainingSeconds?: number;
  readonly promptOnWake: boolean;
  readonly promptOnUnlock: boolean;
  readonly process?: { readonly path: string; readonly osType: string };
  readonly processes?: readonly { readonly path: string; readonly osType: string }[];
}

/** One router of the identity's network, and how its channel stands now. */
export interface RouterState {
  readonly name: string;
  readonly address: string;
  readonly state: 'connecting' | 'connected' | 'disconnected';
  /** Mean of hello and probe round trips, absent before the first. */
  readonly latencyMs?: number;
  readonly version?: string;
  readonly error?: TunnelerError;
}

/** Where an identity stands with its controller. */
export type ContextState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'mfa-required'; readonly provider: string }
  | { readonly kind: 'external-login-required'; readonly signers: readonly string[] }
  /** Not reachable or refused for now; being retried. Services, binds and open sessions stay while they can. */
  | { readonly kind: 'degraded'; readonly error: TunnelerError }
  /** The controller said no for good: disabled, deleted, wrong credential. Retried slowly. */
  | { readonly kind: 'unauthenticated'; readonly error: TunnelerError }
  | { readonly kind: 'closed' };

/** Past-tense facts of one context. */
export type ZitiEvent =
  | { readonly kind: 'state-changed'; readonly state: ContextState }
  | { readonly kind: 'services-changed'; readonly services: readonly ZitiService[] }
  | { readonly kind: 'router-changed'; readonly router: RouterState }
  | { readonly kind: 'certificate-renewed'; readonly expiresAt: number }
  | { readonly kind: 'certificate-renewal-failed'; readonly error: TunnelerError }
  | { readonly kind: 'controllers-changed'; readonly apis: readonly string[] };

/** How one dial is made; without any, a byte stream to whichever terminator the network's strategy chooses. */
export interface DialOptions {
  readonly signal?: AbortSignal;
  /** Overall, default 15 000. */
  readonly timeoutMs?: number;
  /** Terminator identity (addressable terminators). */
  readonly terminatorIdentity?: string;
  /** Sent to the hosting side as is (header AppData). */
  readonly appData?: Uint8Array;
  /** `datagram`: each write is one message, boundaries kept. Default `stream`. */
  readonly kind?: 'stream' | 'datagram';
}

/** A dialled connection. As a ByteStream it carries plain application bytes; encryption is beneath. */
export interface ZitiStream extends ByteStream {
  readonly circuitId: string | undefined;
  readonly routerName: string;
  /** True where end-to-end encryption is on. */
  readonly encrypted: boolean;
}

/** Terminators of a better precedence take every dial while there is one: `required`, then `default`, then `failed`. */
export type Precedence = 'default' | 'required' | 'failed';

/** How a service is hosted; cost and precedence left out are those of the identity at the controller. */
export interface BindOptions {
  readonly terminatorIdentity?: string;
  /** 0–65535. */
  readonly cost?: number;
  readonly precedence?: Precedence;
  /** Terminators, one a router. Default 3. */
  readonly maxConnections?: number;
}

/** A dial that reached a service we host. Answer within 4.5 s: exactly one of accept or reject. */
export interface IncomingDial {
  readonly circuitId: string | undefined;
  readonly appData: Uint8Array | undefined;
  /** Router-asserted where the release does that, else the dialer's own word. */
  readonly caller: { readonly name: string | undefined; readonly id: string | undefined; readonly asserted: boolean };
  readonly routerName: string;
  accept(kind?: 'stream' | 'datagram'): ZitiStream;
  reject(reason: string): void;
}

/** What happens to a binding at one router, and when all of it is over. */
export type BindingEvent =
  | { readonly kind: 'established'; readonly routerName: string }
  | { readonly kind: 'lost'; readonly routerName: string; readonly error: TunnelerError }
  /** Will not come back by itself: permission gone, or not retriable. */
  | { readonly kind: 'stopped'; readonly error: TunnelerError };

/** A service being hosted, on as many routers as asked, kept bound until disposed (then unbound; children live on). */
export interface Binding extends AsyncDisposable {
  readonly events: Pick<Emitter<BindingEvent>, 'subscribe'>;
  /** Terminators established now. */
  terminators(): number;
  update(change: { readonly cost?: number; readonly precedence?: Precedence }): void;
}

/** Facts for posture answers, gathered by the host's platform. Absent: not answered. */
export interface PostureFacts {
  readonly os?: { readonly type: string; readonly version: string; readonly build: string };
  readonly domain?: string;
  readonly macAddresses?: readonly string[];
  /** Asked for just the paths that queries name. */
  readonly processes?: readonly {
    readonly path: string;
    readonly isRunning: boolean;
    readonly hash?: string;
    readonly signerFingerprints?: readonly string[];
  }[];
  readonly wokenAt?: number;
  readonly unlockedAt?: number;
}

/** MFA (TOTP) of one identity. Every call may throw `ziti.controller.mfa_code_wrong`. */
export interface MfaCalls {
  status(): Promise<{ readonly enrolled: boolean; readonly verified: boolean; readonly lastVerifiedAt?: number }>;
  enroll(): Promise<{ readonly provisioningUrl: string; readonly recoveryCodes: readonly string[] }>;
  /** Finish enrolment where one is pending, else answer the pending or periodic question. */
  verify(code: string): Promise<void>;
  remove(code: string): Promise<void>;
  recoveryCodes(code: string, options?: { readonly regenerate?: boolean }): Promise<readonly string[]>;
}

/** The identity as its controller keeps it. Source: edge-api client.yml, IdentityDetail. */
export interface ZitiIdentity {
  readonly id: string;
  readonly name: string;
  readonly appData: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly defaultHostingCost: number;
  readonly defaultHostingPrecedence: Precedence;
  /** By service id. */
  readonly serviceHostingCosts: Readonly<Record<string, number>>;
  /** By service id. */
  readonly serviceHostingPrecedences: Readonly<Record<string, Precedence>>;
}

/** One enrolled identity at work: authenticated, connected to routers, services known, dialling and hosting. */
export interface ZitiContext extends AsyncDisposable {
  readonly events: Pick<Emitter<ZitiEvent>, 'subscribe'>;
  readonly mfa: MfaCalls;
  /** As the controller last described it; undefined before the first sign-in. */
  identity(): ZitiIdentity | undefined;
  state(): ContextState;
  services(): readonly ZitiService[];
  routers(): readonly RouterState[];
  controller(): { readonly url: string; readonly version?: string; readonly authentication?: 'oidc' | 'legacy' };
  /** Throws TunnelerError `ziti.dial.*` or `ziti.controller.*`. Retries once where a cached service session went stale. */
  dial(serviceId: string, options?: DialOptions): Promise<ZitiStream>;
  bind(serviceId: string, options: BindOptions, onDial: (dial: IncomingDial) => void): Promise<Binding>;
  /** Gather posture now, and send what changed. Never rejects. */
  refreshPosture(): Promise<void>;
  /** Re-read services now; reconnects and re-authenticates where needed. */
  refresh(): Promise<void>;
  /**
   * Resolves once `services` is what the controller grants at this moment, or when it does not say so within two seconds (a quarter of one
   * where it was late before and has not answered since). Never rejects.
   */
  confirmServices(): Promise<void>;
  /**
   * The host slept, moved to another network, or its way out is back: give up connections that no longer answer, try at once what waits, and
   * {@link refresh}. Throws as that does.
   */
  networkChanged(): Promise<void>;
  /** Terminators of a service this identity may dial, or of that terminator identity alone; undefined where the controller does not say. */
  terminatorCount(serviceId: string, terminatorIdentity?: string): Promise<number | undefined>;
  /** Renew the certificate now; `rollKey` makes a new key too. */
  renewCertificate(options?: { readonly rollKey?: boolean }): Promise<{ readonly expiresAt: number }>;
  setPosture(gather: (checks: readonly PostureCheck[]) => Promise<PostureFacts>): void;
  /** Hand in a token of an external provider (primary or secondary authentication). */
  provideExternalToken(token: string): Promise<void>;
}

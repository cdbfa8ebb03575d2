/** The joint between the data plane (`edge/`, `channel/`) and the context above it: one connected edge router. */
import type { TunnelerError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Precedence, ZitiStream, IncomingDial } from '../model.ts';
import type { RouterCapabilities } from '../wire/router-capabilities.ts';
import type { PostureStateChange, ServiceChangeSet } from '../wire/service-updates.ts';

/** How to reach one router and prove who we are. */
export interface EdgeRouterOptions {
  readonly name: string;
  /** From `supportedProtocols.tls`: `tls://host:port`. */
  readonly address: string;
  readonly tls: {
    /** Full client chain PEM, leaf first. */
    readonly cert: string;
    /** PEM; never logged, never kept beyond the TLS context. */
    readonly key: string;
    /** PEM bundle of trust anchors. */
    readonly ca: string;
  };
  /** API session token for the Hello: legacy UUID or OIDC access token. */
  readonly token: string;
  /** Which kind it is; `UpdateToken` is sent for `oidc` only (it crashes or closes otherwise). */
  readonly tokenKind: 'legacy' | 'oidc';
  /** Own identity's name, sent as CallerId. */
  readonly callerId: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts connecting; after that it has no effect. */
  readonly signal?: AbortSignal;
}

/** What one Connect asks for. */
export interface EdgeDialRequest {
  readonly serviceId: string;
  /**
   * Dial service session JWT. Asserted to be a JWT: anything else kills a router. Absent: dialled by the API session alone (ConnectV2), which
   * takes a router with that capability and an OIDC session.
   */
  readonly sessionToken?: string;
  readonly encryptionRequired: boolean;
  readonly kind: 'stream' | 'datagram';
  readonly timeoutMs: number;
  readonly terminatorIdentity?: string;
  readonly appData?: Uint8Array;
  /** Stickiness token of an earlier connection. */
  readonly stickinessToken?: Uint8Array;
  /**
   * We host the service too, maybe over this very channel: this end is then left to the router's flow control. Under the SDK's, a router tells
   * ends apart by channel and circuit alone, and gives neither of two on one channel what is meant for the other
   * (openziti/ziti: router/xgress_edge/listener.go, xgCircuits).
   */
  readonly hostedByUs?: boolean;
  readonly signal?: AbortSignal;
}

/** What one Bind asks for, and who answers the dials that come. */
export interface EdgeBindRequest {
  /** Bind service session JWT. */
  readonly sessionToken: string;
  /** Constant over the listener's lifetime and over routers. */
  readonly listenerId: string;
  readonly encryptionRequired: boolean;
  /** X25519 pair of this listener, constant while it lives (from `newListenerKeys`). */
  readonly keys: ListenerKeys | undefined;
  /** Each connection gets a pair of its own, told in the answer to its dial; routers of 2.1 and controllers of 2.1 hand it on. */
  readonly keyPerConnection: boolean;
  readonly cost: number;
  readonly precedence: Precedence;
  readonly terminatorIdentity?: string;
  onDial(dial: IncomingDial): void;
  /** The controller has the terminator now. */
  onEstablished(): void;
  /** Over: by router, channel loss or `unbind`. `retry`: may bind again here after a back-off; `start-over`: with a new session. */
  onClosed(cause: { readonly error: TunnelerError; readonly then: 'retry' | 'start-over' | 'stop' }): void;
}

/** X25519, 32 bytes each. */
export interface ListenerKeys {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** One terminator at one router. */
export interface EdgeBinding {
  update(change: { readonly cost?: number; readonly precedence?: Precedence }): void;
  /** End every connection that came through it, with `error`. */
  cut(error: TunnelerError): void;
  /** Idempotent; children live on. */
  unbind(): void;
}

/** A dial that came through; `stickinessToken` leads the next one to the same terminator. */
export interface EdgeStreamOpened {
  readonly stream: ZitiStream;
  readonly stickinessToken?: Uint8Array;
}

/** What a router pushes to who subscribed. */
export type ServiceUpdate =
  | { readonly kind: 'services'; readonly set: ServiceChangeSet }
  | { readonly kind: 'posture'; readonly change: PostureStateChange };

/** One live, greeted channel to a router. Made by `openEdgeRouter` in `edge/open-edge-router.ts`. */
export interface EdgeRouter extends AsyncDisposable {
  readonly name: string;
  /** From the Hello's result. */
  readonly version: string | undefined;
  readonly supportsPostureChecks: boolean;
  readonly capabilities: RouterCapabilities;
  latencyMs(): number;
  /**
   * Resolves once, when the channel is gone. `ziti.channel.rejected` where it closed within 6 s of the Hello (the way a
   * router refuses an API session), else `ziti.channel.closed`, `.malformed` or `.unresponsive`.
   */
  readonly closed: Promise<TunnelerError>;
  /** Throws `ziti.dial.*` or `ziti.channel.closed`. */
  dial(request: EdgeDialRequest): Promise<EdgeStreamOpened>;
  /** Resolves when the router took the Bind; throws `ziti.bind.*`. */
  bind(request: EdgeBindRequest): Promise<EdgeBinding>;
  /** OIDC only. Throws `ziti.channel.rejected` where the router refused (it then closes the channel). */
  updateToken(token: string): Promise<void>;
  /**
   * Access to this service is over: cut every stream dialled to it here, with `error`. Not every router does that by itself: those of 1.7
   * leave circuits under the SDK's flow control open, those of 2.x where a posture check begins to fail. Returns how many were cut.
   */
  revoke(serviceId: string, error: TunnelerError): number;
  /**
   * Where `capabilities.serviceUpdates`: have everything told now, and then what changes. Asking again has everything told again, to the new
   * `listener` alone.
   */
  subscribe(listener: (update: ServiceUpdate) => void): void;
  /** Have the posture verdicts told anew. */
  resyncPosture(): void;
  /** Fire and forget; an encoded PostureResponses protobuf. */
  sendPosture(body: Uint8Array): void;
  /** The network may have changed under the channel: where nothing comes in within `timeoutMs`, it is closed as unresponsive. */
  confirm(timeoutMs: number): void;
  /** Live streams over this router. */
  streams(): number;
}

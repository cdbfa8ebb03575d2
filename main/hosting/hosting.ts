/** The bind side: host configs → terminators → local dial. Joint types; made by `createHosting` in `hosting/create-hosting.ts`. */
import type { Protocol } from '../base/flow.ts';
import type { Reason } from '../base/reason.ts';
import type { ByteStream, StreamKind } from '../base/stream.ts';

/** A dial that reached a hosted service, as the engine passes it on. */
export interface HostedDial {
  readonly appData: Uint8Array | undefined;
  readonly caller: { readonly name: string | undefined; readonly id: string | undefined; readonly asserted: boolean };
  readonly circuitId: string | undefined;
  readonly routerName: string;
  readonly encrypted: boolean;
  accept(kind: StreamKind): ByteStream;
  reject(reason: string): void;
}

/** A kept binding; the engine makes it from a Ziti binding. */
export interface HostedBinding extends AsyncDisposable {
  terminators(): number;
  update(change: { readonly cost?: number; readonly precedence?: 'default' | 'required' | 'failed' }): void;
  onStopped(listener: (reason: Reason) => void): Disposable;
  /** Told after every change of `terminators()`. */
  onChanged(listener: () => void): Disposable;
}

/** What a bind asks of the router, from the host config's `listenOptions`. */
export interface HostedBindOptions {
  readonly terminatorIdentity?: string;
  readonly cost?: number;
  readonly precedence?: 'default' | 'required' | 'failed';
  readonly maxConnections?: number;
}

/** Culvert itself at the local end of a service: no host config is asked for, nothing is dialled. */
export interface HostedAnswer {
  /** Another one stands for another answerer: what was bound for the one is bound anew for the other. */
  readonly id: string;
  /** Who answers, for people: `culvert mcp host`. */
  readonly what: string;
  /** The local end of one admitted dial, not started. Where it rejects the dial is refused with that sentence. */
  open(request: HostedRequest, signal: AbortSignal): ByteStream | Promise<ByteStream>;
}

/** Who answers a service in place of what its host config says. */
export interface Answerer {
  /** Who answers, for people: `culvert mcp host`. */
  readonly what: string;
  /** Only where this identity hosts the service, by its runner's id, which a rename leaves alone; absent: whichever may bind it here. */
  readonly identity?: string;
  readonly open: HostedAnswer['open'];
}

/** A service to host: name, raw configs (`host.v2` > `host.v1` > `ziti-tunneler-server.v1`), and how to bind it. */
export interface HostedService {
  readonly identity: string;
  /** The controller's name of the identity, for templates. */
  readonly tunnelerName: string;
  /** The identity's appData on the controller, for templates. */
  readonly tunnelerAppData: Readonly<Record<string, unknown>>;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly encryptionRequired: boolean;
  readonly configs: Readonly<Record<string, unknown>>;
  /** Present: its dials are answered here, whatever its configs say. */
  readonly answer?: HostedAnswer;
  /**
   * Costs and precedences the controller keeps with the identity. Weakest first: `default*`, the config's listenOptions, `service*`
   * (looked up by service id). Source: openziti/ziti tunnel/intercept/hosting.go.
   */
  readonly hostingDefaults?: {
    readonly defaultCost?: number;
    readonly defaultPrecedence?: 'default' | 'required' | 'failed';
    readonly serviceCost?: number;
    readonly servicePrecedence?: 'default' | 'required' | 'failed';
  };
  bind(options: HostedBindOptions, onDial: (dial: HostedDial) => void): Promise<HostedBinding>;
}

/** What is to be said of one hosted service now. */
export interface HostedState {
  readonly identity: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly terminators: number;
  /** `tcp 127.0.0.1:8080`, `forwarded`. */
  readonly target: string;
  readonly health: 'healthy' | 'unhealthy' | 'unchecked';
  readonly problem: Reason | undefined;
}

/** A hosted dial whose local target is known and allowed by its config, before anything is connected. */
export interface HostedRequest {
  readonly identity: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly protocol: Protocol;
  /** Where the host will connect to: a name or an address, and a port. */
  readonly target: { readonly host: string; readonly port: number };
  readonly caller: HostedDial['caller'];
  readonly circuitId: string | undefined;
  readonly routerName: string;
  readonly encrypted: boolean;
  /** The dialer's app data, its string values only; empty where it sent none. */
  readonly appData: Readonly<Record<string, string>>;
  /** Of a control connection of FTP whose data connections the dialler carries: the word by which it asks for them. */
  readonly ftp?: string;
  /** The service's configs, its contract among them. */
  readonly configs: Readonly<Record<string, unknown>>;
}

/** TLS that the host begins towards a target. */
export interface TargetTls {
  /** What the certificate must be for, and what is asked for by SNI. */
  readonly serverName: string;
  /** PEM of the CAs to trust; absent: the system's. */
  readonly caPem?: string;
}

/** The engine's answer to a hosted dial. An accepted one is followed by exactly one of `join` and `failed`. */
export type HostedAdmission =
  | {
      readonly kind: 'accept';
      readonly tls?: TargetTls;
      /** Both ends stand: `local` the socket to the target, `remote` the dialer's stream. Neither has been started. */
      join(local: ByteStream, remote: ByteStream): void;
      /** The target could not be reached; the dialer has been told. */
      failed(reason: Reason): void;
    }
  /** The engine answers it itself: it is no session, and nothing is connected. */
  | { readonly kind: 'answer'; answer(remote: ByteStream): void }
  | { readonly kind: 'refuse'; readonly reason: Reason };

/** Asked once for every hosted dial, after its config allowed it. Never rejects for an expected outcome. */
export type AdmitHosted = (request: HostedRequest) => HostedAdmission | Promise<HostedAdmission>;

/** What every identity hosts. Disposing unbinds all of it. */
export interface Hosting extends AsyncDisposable {
  /** Idempotent: this identity hosts these, from now on; what is new is bound, what is gone unbound, what changed re-bound. */
  replace(identity: string, services: readonly HostedService[]): Promise<void>;
  remove(identity: string): Promise<void>;
  /** What is hosted for this identity is hosted for `to`; nothing is bound anew. Waits for changes under way. */
  rename(identity: string, to: string): Promise<void>;
  states(): readonly HostedState[];
  /** Names and addresses that services hosted now lead to; not those that the dialer names. */
  targetHosts(): readonly string[];
  subscribe(listener: (state: HostedState) => void): Disposable;
}

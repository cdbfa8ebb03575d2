/** The bind side: host configs → terminators → local dial. Joint types; made by `createHosting` in `hosting/create-hosting.ts`. */
import type { Clearance } from '../base/reason.ts';
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
  onStopped(listener: (reason: Clearance) => void): Disposable;
}

export interface HostedBindOptions {
  readonly terminatorIdentity?: string;
  readonly cost?: number;
  readonly precedence?: 'default' | 'required' | 'failed';
  readonly maxConnections?: number;
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
  bind(options: HostedBindOptions, onDial: (dial: HostedDial) => void): Promise<HostedBinding>;
}

export interface HostedState {
  readonly identity: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly terminators: number;
  /** `tcp 127.0.0.1:8080`, `forwarded`. */
  readonly target: string;
  readonly health: 'healthy' | 'unhealthy' | 'unchecked';
  readonly problem: Clearance | undefined;
}

export interface Hosting extends AsyncDisposable {
  /** Idempotent: this identity hosts these, from now on; what is new is bound, what is gone unbound, what changed re-bound. */
  replace(identity: string, services: readonly HostedService[]): Promise<void>;
  remove(identity: string): Promise<void>;
  states(): readonly HostedState[];
  subscribe(listener: (state: HostedState) => void): Disposable;
}

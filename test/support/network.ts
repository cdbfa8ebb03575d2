/**
 * A network to test against: the real OpenZiti, or Culvert's embedded overlay. The interop suite is written to this
 * interface alone, so that what passes on one must pass on the other.
 */

/** A started network: one controller, one router, nothing enrolled but the router. Disposing ends and removes everything. */
export interface Network extends AsyncDisposable {
  readonly kind: 'openziti' | 'embedded';
  /** As `/version` says it, `v` in front. */
  readonly version: string;
  /** `https://127.0.0.1:PORT`, no path. */
  readonly controllerUrl: string;
  /** PEM of the trust anchors, for tests that look at TLS themselves. */
  readonly caPem: string;
  readonly admin: NetworkAdmin;
  /** Stop the router, as a crash or a reboot does. Channels close. */
  stopRouter(): Promise<void>;
  /** Start it again on the same port; resolves when the controller says it is online. */
  startRouter(): Promise<void>;
  stopController(): Promise<void>;
  /** Start it again on the same port with the same data; resolves when its API answers and a running router is back online. */
  startController(): Promise<void>;
}

export interface NewIdentity {
  readonly roleAttributes?: readonly string[];
  readonly appData?: Readonly<Record<string, string>>;
  readonly externalId?: string;
  readonly authPolicyId?: string;
  readonly defaultHostingCost?: number;
  readonly serviceHostingCosts?: Readonly<Record<string, number>>;
  /** `ott` (default), `updb:USERNAME`, or `none`. */
  readonly enrolment?: 'ott' | 'none' | `updb:${string}`;
}

export interface CreatedIdentity {
  readonly id: string;
  /** The one-time enrolment token; empty for `none`. */
  readonly jwt: string;
}

export interface NewService {
  readonly name: string;
  /** Data by config type name (`intercept.v1`, `host.v1`, `culvert.contract.v1`, …); the types are made where they lack. */
  readonly configs?: Readonly<Record<string, unknown>>;
  /** Default true. */
  readonly encryptionRequired?: boolean;
  /** Default `smartrouting`. */
  readonly terminatorStrategy?: string;
}

export interface NewServicePolicy {
  readonly type: 'Dial' | 'Bind';
  /** Ids. */
  readonly services: readonly string[];
  /** Ids. */
  readonly identities: readonly string[];
  /** Ids of posture checks. */
  readonly postureChecks?: readonly string[];
}

/** The administrator's side, as far as tests need it. Every id is the controller's. */
export interface NetworkAdmin {
  createIdentity(name: string, options?: NewIdentity): Promise<CreatedIdentity>;
  /** A further one-time token whose `exp` lies `expiresInMs` ahead (for tests of expiry). The identity must be unenrolled. */
  createToken(identityId: string, expiresInMs: number): Promise<string>;
  deleteIdentity(id: string): Promise<void>;
  /** Disabled: its sessions end now and it cannot sign in. */
  disableIdentity(id: string): Promise<void>;
  enableIdentity(id: string): Promise<void>;
  createService(service: NewService): Promise<string>;
  deleteService(id: string): Promise<void>;
  /** Replace the data of one config of a service; made and attached where it lacks. */
  setServiceConfig(serviceId: string, type: string, data: unknown): Promise<void>;
  createServicePolicy(policy: NewServicePolicy): Promise<string>;
  deleteServicePolicy(id: string): Promise<void>;
  /** End every API session of an identity, as an administrator can; it may sign in again at once. */
  endSessions(identityId: string): Promise<void>;
  /** Terminators of a service as the controller counts them. */
  terminators(serviceId: string): Promise<readonly { readonly id: string; readonly identity: string }[]>;
  /** SHA-1 (lower hex) of the certificates the controller would take from this identity. */
  certificateFingerprints(identityId: string): Promise<readonly string[]>;
  /** Ask the identity to renew its certificate at the next sign-in, with a new key where `rollKeys`. */
  requestRenewal(identityId: string, options?: { readonly rollKeys?: boolean }): Promise<void>;
  /** A posture check that guards policies naming it. */
  createPostureCheck(check: PostureCheckSpec): Promise<string>;
}

export type PostureCheckSpec =
  | {
      readonly type: 'MFA';
      readonly timeoutSeconds?: number;
      readonly promptOnWake?: boolean;
      readonly promptOnUnlock?: boolean;
    }
  | {
      readonly type: 'PROCESS';
      readonly osType: string;
      readonly path: string;
      readonly hashes?: readonly string[];
      readonly signerFingerprint?: string;
    }
  | { readonly type: 'OS'; readonly osType: string; readonly versions: readonly string[] }
  | { readonly type: 'DOMAIN'; readonly domains: readonly string[] }
  | { readonly type: 'MAC'; readonly macAddresses: readonly string[] };

/** What one identity at work is made from. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { OpenTransport } from '../controller/transport.ts';
import type { EdgeRouter, EdgeRouterOptions } from '../edge/edge-router.ts';
import type { IdentityKey } from '../enroll/signing-request.ts';
import type { Renewal } from '../enroll/renewal.ts';

/** How an identity proves itself. */
export type Credential =
  | {
      readonly kind: 'certificate';
      /** Chain PEM, leaf first. */
      readonly certPem: string;
      /** Held in memory while the context lives. */
      readonly key: IdentityKey;
      /** Sign in with it, then work with a short-lived certificate of a throw-away key. Always so for hardware keys. */
      readonly justInTime?: boolean;
    }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** A token of an external provider, now or by `provideExternalToken`. */
  | { readonly kind: 'external'; readonly token?: string };

/** Where renewed certificates and keys are kept; every step is durable when it resolves. */
export interface RenewalKeeper {
  /** A new key, for when keys roll. Absent: keys are not rolled. */
  newKey?(): Promise<IdentityKey>;
  /** Keep the new certificate beside the old. */
  staged(renewal: Renewal): Promise<void>;
  /** The old one is worthless now: make the staged one the one. */
  committed(): Promise<void>;
  /** The controller never took the staged one: forget it, and the key that was made for it. */
  abandoned?(): Promise<void>;
}

/** Connects to one router and greets it; rejects with `ziti.channel.*`. */
export type OpenEdgeRouter = (options: EdgeRouterOptions) => Promise<EdgeRouter>;

/** One identity, its network and its host; the context holds `credential` in memory and keeps nothing on disk but by `renewal`. */
export interface ZitiContextOptions {
  /** Local name, for logs only. */
  readonly name: string;
  /** Client API URLs, the preferred first. */
  readonly apis: readonly string[];
  readonly caPem: string;
  readonly credential: Credential;
  /** Of a renewal that was cut short: tried where the controller refuses `credential`, and settled through `renewal` either way. */
  readonly staged?: Credential;
  readonly clock: Clock;
  readonly log: Log;
  /** Version of this program, told to the controller. */
  readonly version: string;
  /** Absent: certificates are not renewed. */
  readonly renewal?: RenewalKeeper;
  /** Default `auto`: by what the release enforces. */
  readonly authentication?: 'auto' | 'oidc' | 'legacy';
  /** Default all. */
  readonly configTypes?: readonly string[];
  /** How often to ask for service changes. Default 5 000. */
  readonly pollPeriodMs?: number;
  /** HTTPS; a native one for hardware keys. */
  readonly open?: OpenTransport;
  readonly openRouter?: OpenEdgeRouter;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}

/** Signing in, whichever way: the sessions it ends in, and the steps that may lie between. */
import type { AuthQuery } from './answers.ts';

/** Where a certificate may or should be renewed. */
export interface RenewalHints {
  readonly authenticatorId: string | undefined;
  readonly extendable: boolean;
  readonly extendRequested: boolean;
  readonly keyRollRequested: boolean;
}

interface Common {
  /** Of the API session; a new one means new service sessions, router channels and binds. */
  readonly id: string;
  readonly identityId: string;
  /** Sent as caller id; absent until `/current-identity` was read (OIDC without an id token). */
  readonly identityName: string | undefined;
  /** What routers and the API are shown. */
  readonly token: string;
  /** From the moment it was granted, on the monotonic clock; wall clocks may differ. */
  readonly lifetimeMs: number;
  readonly renewal: RenewalHints;
  /** External token that must go with every request, where one was a factor of the sign-in. */
  readonly bearer: string | undefined;
}

/** A session of one opaque token, whose expiry slides with its use. */
export interface LegacySession extends Common {
  readonly kind: 'legacy';
}

/** A session of an access token that is refreshed before it runs out, if there is a refresh token. */
export interface OidcSession extends Common {
  readonly kind: 'oidc';
  readonly refreshToken: string | undefined;
  /** Issued for the CSR sent at sign-in, where one was. */
  readonly sessionCertPem: string | undefined;
}

/** An identity signed in, whichever way the controller offers. */
export type ApiSession = LegacySession | OidcSession;

/** First proof of who we are. The certificate itself is in the transport. */
export type PrimaryProof =
  | { readonly kind: 'cert' }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'ext-jwt'; readonly token: string };

/** A sign-in's state: over, or waiting for one more proof. */
export type SignIn =
  | { readonly kind: 'complete'; readonly session: ApiSession }
  | { readonly kind: 'pending'; readonly pending: PendingSignIn };

/** Half signed in. Each answer leads to the next state; the object is then spent. */
export interface PendingSignIn {
  readonly queries: readonly AuthQuery[];
  /** Throws `ziti.controller.mfa_code_wrong`, after which it can be asked again. */
  answerTotp(code: string): Promise<SignIn>;
  /** TOTP is demanded but not set up: begin that. */
  enrollTotp(): Promise<TotpEnrolment>;
  verifyTotpEnrolment(code: string): Promise<SignIn>;
  /** A token of an external provider as second factor. */
  provideExternal(token: string): Promise<SignIn>;
}

/** An `otpauth://` URL for the authenticator, and single-use codes for when it is lost. */
export interface TotpEnrolment {
  readonly provisioningUrl: string;
  readonly recoveryCodes: readonly string[];
}

/** The host as the controller's administrators see it (edge-api: EnvInfo). */
export interface EnvironmentInfo {
  readonly arch: string;
  readonly os: string;
  readonly osRelease: string;
  readonly osVersion: string;
  readonly hostname?: string;
  readonly domain?: string;
}

/** Told to the controller at sign-in, for its administrators. Source: edge-api `envInfo`, `sdkInfo`. */
export interface ClientInfo {
  readonly environment: EnvironmentInfo;
  readonly version: string;
}

/** Body fields common to both ways. */
export function clientInfoFields(info: ClientInfo): { readonly envInfo: EnvironmentInfo; readonly sdkInfo: object } {
  return {
    envInfo: info.environment,
    sdkInfo: {
      type: 'culvert',
      version: info.version,
      appId: 'culvert',
      appVersion: info.version,
      branch: '',
      revision: '',
    },
  };
}

/** Pending queries that TOTP answers: legacy says MFA, OIDC says TOTP. */
export function isTotpQuery(query: AuthQuery): boolean {
  return query.typeId === 'TOTP' || query.typeId === 'MFA' || (query.typeId === undefined && query.provider === 'ziti');
}

/** What the overlay's controller knows: records as kept on disk, and the words of OpenZiti's own model for them. */
import type { PkiRecord } from './pki.ts';

export type PolicyType = 'Dial' | 'Bind';
export type Semantic = 'AnyOf' | 'AllOf';
export type PrecedenceName = 'default' | 'required' | 'failed';
export type PostureKind = 'OS' | 'MAC' | 'DOMAIN' | 'MFA' | 'PROCESS' | 'PROCESS_MULTI';
export type EnrollmentMethod = 'ott' | 'ottca' | 'updb';
/** How the server terminators of a service are chosen among. */
export type TerminatorStrategy = 'smartrouting' | 'weighted' | 'random' | 'sticky';

interface Entity {
  readonly id: string;
  readonly createdAt: number;
  updatedAt: number;
}

export interface MfaRecord {
  readonly id: string;
  secret: string;
  verified: boolean;
  recoveryCodes: string[];
}

export interface IdentityFile extends Entity {
  name: string;
  isAdmin: boolean;
  disabled: boolean;
  roleAttributes: string[];
  externalId: string | undefined;
  authPolicyId: string;
  appData: Record<string, unknown>;
  tags: Record<string, unknown>;
  defaultHostingCost: number;
  defaultHostingPrecedence: PrecedenceName;
  serviceHostingCosts: Record<string, number>;
  serviceHostingPrecedences: Record<string, PrecedenceName>;
  /** By service id and config type id, the config that stands in for the service's own. */
  serviceConfigs: Record<string, Record<string, string>>;
  mfa: MfaRecord | undefined;
}

export interface AuthenticatorRecord extends Entity {
  readonly identityId: string;
  readonly method: 'cert' | 'updb';
  /** cert: lower-hex SHA-1 of the leaf. */
  fingerprint?: string;
  certPem?: string;
  /** cert: signed by the overlay's own authority, hence extendable. */
  issuedByNetwork?: boolean;
  /** cert: renewed but not yet confirmed by the client. */
  pending?: { readonly fingerprint: string; readonly certPem: string } | undefined;
  extendRequested?: boolean;
  keyRollRequested?: boolean;
  username?: string;
  /** updb: scrypt, hex. */
  salt?: string;
  hash?: string;
}

export interface EnrollmentRecord extends Entity {
  readonly identityId: string;
  readonly method: EnrollmentMethod;
  readonly token: string;
  readonly jwt: string;
  readonly expiresAt: number;
  readonly username?: string;
  readonly caId?: string;
}

export interface ConfigTypeRecord extends Entity {
  readonly name: string;
}

export interface ConfigRecord extends Entity {
  name: string;
  readonly configTypeId: string;
  data: Record<string, unknown>;
  tags: Record<string, unknown>;
}

export interface ServiceRecord extends Entity {
  name: string;
  encryptionRequired: boolean;
  terminatorStrategy: TerminatorStrategy;
  maxIdleTimeMillis: number;
  configs: string[];
  roleAttributes: string[];
  tags: Record<string, unknown>;
}

export interface PolicyRecord extends Entity {
  name: string;
  readonly type: PolicyType;
  semantic: Semantic;
  /** `#all`, `#attribute` or `@id`. */
  identityRoles: string[];
  serviceRoles: string[];
  postureCheckRoles: string[];
  tags: Record<string, unknown>;
}

export interface ProcessRequirement {
  readonly path: string;
  readonly osType: string;
  readonly hashes: readonly string[];
  readonly signerFingerprints: readonly string[];
}

export interface PostureCheckRecord extends Entity {
  name: string;
  readonly kind: PostureKind;
  roleAttributes: string[];
  /** OS */
  operatingSystems?: readonly { readonly type: string; readonly versions: readonly string[] }[];
  macAddresses?: readonly string[];
  domains?: readonly string[];
  processes?: readonly ProcessRequirement[];
  /** PROCESS_MULTI */
  semantic?: Semantic;
  /** MFA: seconds an answer lasts, −1 without end. */
  timeoutSeconds?: number;
  promptOnWake?: boolean;
  promptOnUnlock?: boolean;
}

export interface AuthorityRecord extends Entity {
  name: string;
  readonly certPem: string;
  readonly fingerprint: string;
  isVerified: boolean;
  isAutoCaEnrollmentEnabled: boolean;
  isOttCaEnrollmentEnabled: boolean;
  isAuthEnabled: boolean;
  /** Format of the names of identities made by auto enrolment. */
  identityNameFormat: string;
  identityRoles: string[];
}

export interface SignerRecord extends Entity {
  name: string;
  enabled: boolean;
  issuer: string;
  audience: string;
  /** Where its keys are, or the key itself. */
  jwksEndpoint?: string;
  certPem?: string;
  kid?: string;
  claimsProperty: string;
  useExternalId: boolean;
  externalAuthUrl: string | undefined;
  clientId: string | undefined;
  scopes: string[];
  targetToken: 'ACCESS' | 'ID';
  enrollToCertEnabled: boolean;
  enrollToTokenEnabled: boolean;
  enrollNameClaim: string;
  enrollAttributes: string[];
}

export interface AuthPolicyRecord extends Entity {
  name: string;
  certAllowed: boolean;
  certExpiredAllowed: boolean;
  updbAllowed: boolean;
  extJwtAllowed: boolean;
  allowedSigners: string[];
  requireTotp: boolean;
  requireExtJwtSigner: string | undefined;
}

/** A client's authenticated session. Legacy ones are kept; OIDC ones live in their tokens and are re-made from them. */
export interface ApiSessionRecord {
  readonly id: string;
  readonly kind: 'legacy' | 'oidc';
  /** legacy: the value of `zt-session`. */
  readonly token: string | undefined;
  readonly identityId: string;
  readonly authenticatorId: string;
  readonly createdAt: number;
  lastActivityAt: number;
  configTypes: string[];
  /** Certificates that may stand for this session at a router, SHA-1 hex. */
  fingerprints: string[];
  /** Secondary factors still to be shown. */
  totpPending: boolean;
  signerPending: string | undefined;
  totpPassedAt: number | undefined;
  improperClientCertChain: boolean;
}

/** A legacy service session. */
export interface ServiceSessionRecord {
  readonly id: string;
  readonly apiSessionId: string;
  readonly identityId: string;
  readonly serviceId: string;
  readonly type: PolicyType;
  readonly createdAt: number;
}

/** The document on disk. */
export interface StateDocument {
  readonly format: 'culvert.overlay.v1';
  readonly trustDomain: string;
  readonly routerId: string;
  readonly pki: PkiRecord;
  readonly controllerPort: number;
  readonly routerPort: number;
  /** Who enrolled by a seed file, so that a restart does not make them anew. */
  readonly entities: Readonly<Record<string, readonly unknown[]>>;
}

/** Names of the config types every network starts with (openziti/ziti: controller/db/migration_initialize.go). */
export const builtInConfigTypes = [
  'ziti-tunneler-client.v1',
  'ziti-tunneler-server.v1',
  'intercept.v1',
  'host.v1',
  'host.v2',
  'proxy.v1',
  'interfaces.v1',
  'host-interfaces.v1',
  'culvert.contract.v1',
] as const;

export const defaultAuthPolicyId = 'default';

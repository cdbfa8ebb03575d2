/** What the overlay's controller knows: records as kept on disk, and the words of OpenZiti's own model for them. */
import type { Semantic } from '../base/roles.ts';
import type { PkiRecord } from './pki.ts';

/** What a service policy, or a service session, is leave for. */
export type PolicyType = 'Dial' | 'Bind';

/** Of terminators: `required` before `default` before `failed`. */
export type PrecedenceName = 'default' | 'required' | 'failed';

/** What a posture check asks about. */
export type PostureKind = 'OS' | 'MAC' | 'DOMAIN' | 'MFA' | 'PROCESS' | 'PROCESS_MULTI';

/** By one-time token, by one for a certificate of a third-party authority, or by name and password. */
export type EnrollmentMethod = 'ott' | 'ottca' | 'updb';
/** How the server terminators of a service are chosen among. */
export type TerminatorStrategy = 'smartrouting' | 'weighted' | 'random' | 'sticky';

interface Entity {
  readonly id: string;
  readonly createdAt: number;
  updatedAt: number;
}

/** TOTP of an identity; `secret` in base32, and recovery codes leave the list as they are used. */
export interface MfaRecord {
  readonly id: string;
  secret: string;
  verified: boolean;
  recoveryCodes: string[];
}

/** An identity as kept. */
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

/** One way in which an identity proves itself; which fields there are depends on `method`. */
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

/** An enrolment not yet used; gone once it was. */
export interface EnrollmentRecord extends Entity {
  readonly identityId: string;
  readonly method: EnrollmentMethod;
  readonly token: string;
  readonly jwt: string;
  readonly expiresAt: number;
  readonly username?: string;
  readonly caId?: string;
}

/** A name for configs of one shape; the overlay does not check the shape. */
export interface ConfigTypeRecord extends Entity {
  readonly name: string;
}

/** A config, shared by the services that name it. */
export interface ConfigRecord extends Entity {
  name: string;
  readonly configTypeId: string;
  data: Record<string, unknown>;
  tags: Record<string, unknown>;
}

/** A service; `configs` are ids, at most one of a type. */
export interface ServiceRecord extends Entity {
  name: string;
  encryptionRequired: boolean;
  terminatorStrategy: TerminatorStrategy;
  maxIdleTimeMillis: number;
  configs: string[];
  roleAttributes: string[];
  tags: Record<string, unknown>;
}

/** A service policy; posture check roles that select several checks ask all of them. */
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

/** A program that must run; hashes and signers as clients report them, and an empty list asks for none. */
export interface ProcessRequirement {
  readonly path: string;
  readonly osType: string;
  readonly hashes: readonly string[];
  readonly signerFingerprints: readonly string[];
}

/** A posture check; fields beyond the first group belong to the kind named beside them. */
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

/** A third party's certificate authority; `fingerprint` is the lower-hex SHA-1 of its certificate. */
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

/** An external provider whose tokens are taken (OpenZiti: external JWT signer). */
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

/** Which proofs an identity may, and which it must, sign in with. */
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

/** Of the policy that identities without one of their own are under; every network has it. */
export const defaultAuthPolicyId = 'default';

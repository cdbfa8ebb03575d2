/** What the administrator's calls take and give. */
import type { Semantic } from '../base/roles.ts';
import type { EnrollmentMethod, PolicyType, PostureCheckRecord, PrecedenceName, TerminatorStrategy } from './model.ts';

/** How a new identity enrols, and what it is. */
export interface NewIdentityOptions {
  readonly enrollment?: EnrollmentMethod | 'none';
  /** updb: default the identity's name. */
  readonly username?: string;
  /** ottca: the authority whose certificate will be shown. */
  readonly authority?: string;
  readonly expiresInMs?: number;
  readonly isAdmin?: boolean;
  readonly roleAttributes?: readonly string[];
  readonly externalId?: string;
  readonly authPolicy?: string;
  readonly appData?: Readonly<Record<string, unknown>>;
  readonly tags?: Readonly<Record<string, unknown>>;
  readonly defaultHostingCost?: number;
  readonly defaultHostingPrecedence?: PrecedenceName;
  readonly serviceHostingCosts?: Readonly<Record<string, number>>;
  readonly serviceHostingPrecedences?: Readonly<Record<string, PrecedenceName>>;
}

/** An identity just made, and how it may enrol. */
export interface CreatedIdentity {
  readonly id: string;
  /** One-time enrolment token; empty where it enrols by none. */
  readonly jwt: string;
}

/** A service and its configs, each made with it. */
export interface NewService {
  readonly name: string;
  /** Data by config type name; a type not known yet is made. */
  readonly configs?: Readonly<Record<string, unknown>>;
  /** Default true. */
  readonly encryptionRequired?: boolean;
  readonly terminatorStrategy?: TerminatorStrategy;
  readonly roleAttributes?: readonly string[];
  readonly tags?: Readonly<Record<string, unknown>>;
}

/** A service policy; without a name it gets one of its own. */
export interface NewPolicy {
  readonly name?: string;
  readonly type: PolicyType;
  readonly semantic?: Semantic;
  /** Each `#all`, `#attribute`, `@id`, or the id or name itself. */
  readonly identities: readonly string[];
  readonly services: readonly string[];
  readonly postureChecks?: readonly string[];
}

/** A posture check: its kind and what that kind asks (see {@link PostureCheckRecord}). */
export type NewPostureCheck = Pick<
  PostureCheckRecord,
  | 'kind'
  | 'operatingSystems'
  | 'macAddresses'
  | 'domains'
  | 'processes'
  | 'semantic'
  | 'timeoutSeconds'
  | 'promptOnWake'
  | 'promptOnUnlock'
> & { readonly name?: string; readonly roleAttributes?: readonly string[] };

/** An open circuit; `bytes` of both ways together. */
export interface CircuitView {
  readonly id: string;
  readonly serviceId: string;
  readonly dialerId: string;
  readonly hostId: string;
  readonly bytes: number;
}

/**
 * The network's state and its one rule of access. Controller and router both stand on it: whoever changes something
 * here sees live circuits re-judged before the change returns.
 */
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import { rolesSelect } from '../base/roles.ts';
import { newId, newUuid } from './ids.ts';
import {
  builtInConfigTypes,
  defaultAuthPolicyId,
  type ApiSessionRecord,
  type AuthenticatorRecord,
  type AuthorityRecord,
  type AuthPolicyRecord,
  type ConfigRecord,
  type ConfigTypeRecord,
  type EnrollmentRecord,
  type IdentityFile,
  type PolicyRecord,
  type PolicyType,
  type PostureCheckRecord,
  type ServiceRecord,
  type ServiceSessionRecord,
  type SignerRecord,
  type StateDocument,
} from './model.ts';
import { postureSatisfies, type PostureFacts } from './posture.ts';
import { Table } from './table.ts';

/** May this session reach this service, and if not, why. */
export type AccessDecision =
  | { readonly kind: 'granted'; readonly policyId: string }
  | { readonly kind: 'no-policy' }
  | {
      readonly kind: 'posture';
      readonly failing: readonly { readonly policy: PolicyRecord; readonly checks: readonly PostureCheckRecord[] }[];
    };

/** Something changed that may change who may reach what. */
export type NetworkChange =
  { readonly kind: 'access-changed' } | { readonly kind: 'api-session-removed'; readonly apiSessionId: string };

/** What the network was when it was last kept, and how long its sessions last. */
export interface NetworkOptions {
  readonly clock: Clock;
  readonly kept: StateDocument['entities'] | undefined;
  /** A legacy session ends this long after its last use. */
  readonly apiSessionTimeoutMs: number;
  /** An OIDC session is forgotten this long after its last use: no token of it can still hold. */
  readonly refreshTokenMs: number;
  /** Some record changed and wants keeping. */
  onDirty(): void;
}

/** One identity's view of one service. */
export interface VisibleService {
  readonly service: ServiceRecord;
  readonly permissions: readonly PolicyType[];
}

/** Records, sessions and posture, and who may do what; every change is told before the call that made it returns. */
export class Network {
  readonly changes = new Emitter<NetworkChange>();
  readonly clock: Clock;
  readonly identities: Table<IdentityFile>;
  readonly authenticators: Table<AuthenticatorRecord>;
  readonly enrollments: Table<EnrollmentRecord>;
  readonly configTypes: Table<ConfigTypeRecord>;
  readonly configs: Table<ConfigRecord>;
  readonly services: Table<ServiceRecord>;
  readonly policies: Table<PolicyRecord>;
  readonly postureChecks: Table<PostureCheckRecord>;
  readonly authorities: Table<AuthorityRecord>;
  readonly signers: Table<SignerRecord>;
  readonly authPolicies: Table<AuthPolicyRecord>;
  readonly apiSessions: Table<ApiSessionRecord>;
  readonly serviceSessions: Table<ServiceSessionRecord>;
  /** Wall clock of the last change that a client's service list may show. */
  lastChangeAt: number;
  readonly #apiSessionTimeoutMs: number;
  readonly #refreshTokenMs: number;
  readonly #posture = new Map<string, PostureFacts>();
  /** OIDC sessions logged out or removed: their tokens hold no longer. */
  readonly #revoked = new Set<string>();

  constructor(options: NetworkOptions) {
    this.clock = options.clock;
    this.lastChangeAt = options.clock.now();
    this.#apiSessionTimeoutMs = options.apiSessionTimeoutMs;
    this.#refreshTokenMs = options.refreshTokenMs;
    const table = <T extends { readonly id: string }>(name: string): Table<T> =>
      new Table<T>(options.kept?.[name] ?? [], options.onDirty);
    this.identities = table('identities');
    this.authenticators = table('authenticators');
    this.enrollments = table('enrollments');
    this.configTypes = table('configTypes');
    this.configs = table('configs');
    this.services = table('services');
    this.policies = table('policies');
    this.postureChecks = table('postureChecks');
    this.authorities = table('authorities');
    this.signers = table('signers');
    this.authPolicies = table('authPolicies');
    this.apiSessions = table('apiSessions');
    this.serviceSessions = table('serviceSessions');
    for (const revoked of options.kept?.['revokedSessions'] ?? []) this.#revoked.add((revoked as { id: string }).id);
    this.#seedDefaults();
  }

  /** Every table, for keeping. */
  entities(): Record<string, readonly unknown[]> {
    return {
      identities: this.identities.list(),
      authenticators: this.authenticators.list(),
      enrollments: this.enrollments.list(),
      configTypes: this.configTypes.list(),
      configs: this.configs.list(),
      services: this.services.list(),
      policies: this.policies.list(),
      postureChecks: this.postureChecks.list(),
      authorities: this.authorities.list(),
      signers: this.signers.list(),
      authPolicies: this.authPolicies.list(),
      apiSessions: this.apiSessions.list(),
      serviceSessions: this.serviceSessions.list(),
      revokedSessions: [...this.#revoked].map((id) => ({ id })),
    };
  }

  /** Creation and update stamps and an id for a new record. */
  stamp(): { readonly id: string; readonly createdAt: number; updatedAt: number } {
    const now = this.clock.now();
    return { id: newId(), createdAt: now, updatedAt: now };
  }

  /** Say that records changed: sessions no longer allowed end, then everyone re-judges what is live. */
  accessChanged(): void {
    this.lastChangeAt = Math.max(this.clock.now(), this.lastChangeAt + 1);
    this.reconcile();
  }

  /** Take what a session tells of its host. Its service list counts as changed only where a check's outcome did. */
  updatePosture(session: ApiSessionRecord, change: (facts: PostureFacts) => void): void {
    const outcomes = (): string =>
      this.postureChecks
        .list()
        .map((check) => this.checkPasses(session, check))
        .join();
    const before = outcomes();
    change(this.posture(session.id));
    if (outcomes() !== before) this.accessChanged();
    else this.reconcile();
  }

  /** Time has passed: as {@link reconcile}, where that can have changed anything. */
  tick(): void {
    const isExpired = this.apiSessions.find((session) => !this.#apiSessionHolds(session)) !== undefined;
    const hasTimedChecks = this.postureChecks.find((check) => check.kind === 'MFA') !== undefined;
    if (isExpired || hasTimedChecks) this.reconcile();
  }

  /** End what the present facts no longer allow. */
  reconcile(): void {
    for (const session of this.apiSessions.list()) {
      if (!this.#apiSessionHolds(session)) this.removeApiSession(session.id);
    }
    this.serviceSessions.deleteWhere((session) => {
      const apiSession = this.apiSessions.get(session.apiSessionId);
      return apiSession === undefined || this.decide(apiSession, session.serviceId, session.type).kind !== 'granted';
    });
    this.changes.emit({ kind: 'access-changed' });
  }

  /** The rule: some policy of this type selects identity and service, and all its posture checks are satisfied. */
  decide(session: ApiSessionRecord, serviceId: string, type: PolicyType): AccessDecision {
    const identity = this.identities.get(session.identityId);
    const service = this.services.get(serviceId);
    if (identity === undefined || identity.disabled || service === undefined) return { kind: 'no-policy' };
    const failing: { policy: PolicyRecord; checks: PostureCheckRecord[] }[] = [];
    for (const policy of this.policiesFor(identity, service, type)) {
      const checks = this.checksOf(policy).filter((check) => !this.checkPasses(session, check));
      if (checks.length === 0) return { kind: 'granted', policyId: policy.id };
      failing.push({ policy, checks });
    }
    return failing.length === 0 ? { kind: 'no-policy' } : { kind: 'posture', failing };
  }

  policiesFor(identity: IdentityFile, service: ServiceRecord, type?: PolicyType): PolicyRecord[] {
    return this.policies.filter(
      (policy) =>
        (type === undefined || policy.type === type) &&
        rolesSelect(policy.identityRoles, policy.semantic, identity) &&
        rolesSelect(policy.serviceRoles, policy.semantic, service),
    );
  }

  checksOf(policy: PolicyRecord): PostureCheckRecord[] {
    return this.postureChecks.filter((check) => rolesSelect(policy.postureCheckRoles, policy.semantic, check));
  }

  checkPasses(session: ApiSessionRecord, check: PostureCheckRecord): boolean {
    return postureSatisfies(check, this.posture(session.id), this.clock.now());
  }

  /** What a session has told of its host; the object is live. */
  posture(apiSessionId: string): PostureFacts {
    let facts = this.#posture.get(apiSessionId);
    if (facts === undefined) this.#posture.set(apiSessionId, (facts = {}));
    facts.totpPassedAt ??= this.apiSessions.get(apiSessionId)?.totpPassedAt;
    return facts;
  }

  /** Services an identity may dial or host, posture aside. */
  visibleServices(identity: IdentityFile): VisibleService[] {
    return this.services.list().flatMap((service) => {
      const types = new Set(this.policiesFor(identity, service).map((policy) => policy.type));
      const permissions = (['Dial', 'Bind'] as const).filter((type) => types.has(type));
      return permissions.length === 0 ? [] : [{ service, permissions }];
    });
  }

  /** Start a session for who has just authenticated. */
  addApiSession(session: Omit<ApiSessionRecord, 'id' | 'createdAt' | 'lastActivityAt'>): ApiSessionRecord {
    const now = this.clock.now();
    return this.apiSessions.put({ ...session, id: newUuid(), createdAt: now, lastActivityAt: now });
  }

  /** A session seen at work lives on. */
  sessionUsed(session: ApiSessionRecord): void {
    session.lastActivityAt = this.clock.now();
  }

  /** End a session and everything that hangs on it. Idempotent. */
  removeApiSession(id: string): void {
    const session = this.apiSessions.get(id);
    if (session?.kind === 'oidc') this.#revoked.add(id);
    this.apiSessions.delete(id);
    this.#posture.delete(id);
    this.serviceSessions.deleteWhere((serviceSession) => serviceSession.apiSessionId === id);
    if (session !== undefined) this.changes.emit({ kind: 'api-session-removed', apiSessionId: id });
  }

  /** True where tokens of this session hold no longer. */
  isRevoked(apiSessionId: string): boolean {
    return this.#revoked.has(apiSessionId);
  }

  /** Wall clock at which a session ends when it is not used again. */
  expiresAt(session: ApiSessionRecord): number {
    return session.lastActivityAt + (session.kind === 'oidc' ? this.#refreshTokenMs : this.#apiSessionTimeoutMs);
  }

  get apiSessionTimeoutMs(): number {
    return this.#apiSessionTimeoutMs;
  }

  #apiSessionHolds(session: ApiSessionRecord): boolean {
    const identity = this.identities.get(session.identityId);
    if (identity === undefined || identity.disabled) return false;
    return this.expiresAt(session) > this.clock.now();
  }

  #seedDefaults(): void {
    for (const name of builtInConfigTypes) {
      if (this.configTypes.find((type) => type.name === name) === undefined) {
        this.configTypes.put({ ...this.stamp(), name });
      }
    }
    if (this.authPolicies.get(defaultAuthPolicyId) === undefined) {
      this.authPolicies.put({
        ...this.stamp(),
        id: defaultAuthPolicyId,
        name: 'Default',
        certAllowed: true,
        certExpiredAllowed: true,
        updbAllowed: true,
        extJwtAllowed: true,
        allowedSigners: [],
        requireTotp: false,
        requireExtJwtSigner: undefined,
      });
    }
  }
}

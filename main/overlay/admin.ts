/** The administrator's side of the overlay, as typed calls. What refers to something takes its id or its name. */
import { TunnelerError } from '../base/errors.ts';
import { addAuthority, addSigner, type NewAuthority, type NewSigner } from './admin-trust.ts';
import { addEnrollment, addIdentity, addPassword } from './controller/enroll-routes.ts';
import type { ControllerContext, TerminatorView } from './controller/context.ts';
import type {
  ApiSessionRecord,
  AuthPolicyRecord,
  ConfigRecord,
  EnrollmentMethod,
  IdentityRecord,
  PolicyRecord,
  PolicyType,
  PostureCheckRecord,
  PrecedenceName,
  ServiceRecord,
  Semantic,
  TerminatorStrategy,
} from './model.ts';
import type { Table } from './table.ts';

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

export interface CreatedIdentity {
  readonly id: string;
  /** One-time enrolment token; empty where it enrols by none. */
  readonly jwt: string;
}

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

export interface CircuitView {
  readonly id: string;
  readonly serviceId: string;
  readonly dialerId: string;
  readonly hostId: string;
  readonly bytes: number;
}

/** Seen by administrators only through this; kept private to the overlay otherwise. */
export interface AdminDeps {
  readonly context: ControllerContext;
  circuits(): readonly CircuitView[];
  /** Resolves when everything so far is kept. */
  flush(): Promise<void>;
}

/** Every call resolves when its effect holds (live circuits cut included) and, with a directory, lies on disk. */
export class OverlayAdmin {
  readonly #deps: AdminDeps;

  constructor(deps: AdminDeps) {
    this.#deps = deps;
  }

  /** Throws `overlay.exists` where the name is taken. */
  async createIdentity(name: string, options: NewIdentityOptions = {}): Promise<CreatedIdentity> {
    const { context } = this.#deps;
    const { enrollment = 'ott', username, authority, expiresInMs, authPolicy, ...rest } = options;
    this.#free(context.network.identities, name, 'identity');
    const caId =
      authority === undefined ? undefined : this.#find(context.network.authorities, authority, 'authority').id;
    const authPolicyId =
      authPolicy === undefined ? undefined : this.#find(context.network.authPolicies, authPolicy, 'auth policy').id;
    const identity = addIdentity(context, name, {
      ...definedOnly(rest as Partial<IdentityRecord>),
      ...(authPolicyId === undefined ? {} : { authPolicyId }),
    });
    const jwt =
      enrollment === 'none'
        ? ''
        : addEnrollment(context, identity.id, enrollment, definedOnly({ username, caId, expiresInMs })).jwt;
    await this.#deps.flush();
    return { id: identity.id, jwt };
  }

  /** A new one-time token for an identity; those it has not used are void from here on. */
  async createToken(
    identity: string,
    options: { readonly method?: EnrollmentMethod; readonly expiresInMs?: number } = {},
  ): Promise<string> {
    const { context } = this.#deps;
    const record = this.#find(context.network.identities, identity, 'identity');
    context.network.enrollments.deleteWhere((entry) => entry.identityId === record.id);
    const { jwt } = addEnrollment(
      context,
      record.id,
      options.method ?? 'ott',
      definedOnly({ expiresInMs: options.expiresInMs }),
    );
    await this.#deps.flush();
    return jwt;
  }

  /** The one-time token an identity still has, or a fresh one where it has none or the old one has run out. */
  async oneTimeToken(identity: string): Promise<string> {
    const { context } = this.#deps;
    const { network, signer } = context;
    const { id } = this.#find(network.identities, identity, 'identity');
    const valid = network.enrollments.find((entry) => {
      const verified = signer.verify(entry.jwt, network.clock.now());
      // One that names another address is of no use, though it has not run out.
      return (
        entry.identityId === id && entry.method === 'ott' && verified.ok && verified.claims['iss'] === context.url()
      );
    });
    return valid?.jwt ?? (await this.createToken(id));
  }

  /** Let an identity sign in by password, without enrolment. */
  async setPassword(identity: string, username: string, password: string): Promise<void> {
    const { network } = this.#deps.context;
    const record = this.#find(network.identities, identity, 'identity');
    network.authenticators.deleteWhere((entry) => entry.identityId === record.id && entry.method === 'updb');
    addPassword(this.#deps.context, record.id, username, password);
    await this.#deps.flush();
  }

  async updateIdentity(
    identity: string,
    change: Partial<Omit<IdentityRecord, 'id' | 'createdAt' | 'mfa'>>,
  ): Promise<void> {
    const { network } = this.#deps.context;
    this.#update(network.identities, this.#find(network.identities, identity, 'identity'), change);
    await this.#changed();
  }

  /** Its sessions end now and it cannot sign in until enabled. */
  disableIdentity(identity: string): Promise<void> {
    return this.updateIdentity(identity, { disabled: true });
  }

  enableIdentity(identity: string): Promise<void> {
    return this.updateIdentity(identity, { disabled: false });
  }

  async deleteIdentity(identity: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.identities, identity, 'identity');
    network.authenticators.deleteWhere((entry) => entry.identityId === id);
    network.enrollments.deleteWhere((entry) => entry.identityId === id);
    network.identities.delete(id);
    dropRole(network.policies, (policy) => policy.identityRoles, id);
    await this.#changed();
  }

  /** Ask for a renewed certificate at the next sign-in. */
  async requestRenewal(identity: string, options: { readonly rollKeys?: boolean } = {}): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.identities, identity, 'identity');
    for (const entry of network.authenticators.filter((each) => each.identityId === id && each.method === 'cert')) {
      entry.extendRequested = true;
      entry.keyRollRequested = options.rollKeys === true;
    }
    network.authenticators.touched();
    await this.#deps.flush();
  }

  /** SHA-1 (lower hex) of the certificates an identity may sign in with. */
  certificateFingerprints(identity: string): readonly string[] {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.identities, identity, 'identity');
    return network.authenticators
      .filter((entry) => entry.identityId === id && entry.fingerprint !== undefined)
      .map((entry) => entry.fingerprint!);
  }

  /** Throws `overlay.exists` where the name is taken. */
  async createService(service: NewService): Promise<string> {
    const { network } = this.#deps.context;
    this.#free(network.services, service.name, 'service');
    const record = network.services.put({
      ...network.stamp(),
      name: service.name,
      encryptionRequired: service.encryptionRequired ?? true,
      terminatorStrategy: service.terminatorStrategy ?? 'smartrouting',
      maxIdleTimeMillis: 0,
      configs: [],
      roleAttributes: [...(service.roleAttributes ?? [])],
      tags: { ...service.tags },
    });
    for (const [type, data] of Object.entries(service.configs ?? {})) this.#attachConfig(record, type, data);
    await this.#changed();
    return record.id;
  }

  /** Replace the data of one config of a service; made and attached where it lacks. */
  async setServiceConfig(service: string, type: string, data: unknown): Promise<void> {
    const { network } = this.#deps.context;
    const record = this.#find(network.services, service, 'service');
    const typeId = this.#configType(type);
    const existing = record.configs
      .map((id) => network.configs.get(id))
      .find((config) => config?.configTypeId === typeId);
    if (existing === undefined) this.#attachConfig(record, type, data);
    else this.#update(network.configs, existing, { data: asObject(data, type) });
    await this.#changed();
  }

  async updateService(service: string, change: Partial<Omit<ServiceRecord, 'id' | 'createdAt'>>): Promise<void> {
    const { network } = this.#deps.context;
    this.#update(network.services, this.#find(network.services, service, 'service'), change);
    await this.#changed();
  }

  async deleteService(service: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.services, service, 'service');
    network.services.delete(id);
    dropRole(network.policies, (policy) => policy.serviceRoles, id);
    await this.#changed();
  }

  async createConfig(name: string, type: string, data: unknown): Promise<string> {
    const { network } = this.#deps.context;
    this.#free(network.configs, name, 'config');
    const id = this.#newConfig(name, type, data).id;
    await this.#changed();
    return id;
  }

  async updateConfig(
    config: string,
    change: Partial<Omit<ConfigRecord, 'id' | 'createdAt' | 'configTypeId'>>,
  ): Promise<void> {
    const { network } = this.#deps.context;
    this.#update(network.configs, this.#find(network.configs, config, 'config'), change);
    await this.#changed();
  }

  async deleteConfig(config: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.configs, config, 'config');
    network.configs.delete(id);
    for (const service of network.services.list()) service.configs = service.configs.filter((entry) => entry !== id);
    await this.#changed();
  }

  async createPolicy(policy: NewPolicy): Promise<string> {
    const { network } = this.#deps.context;
    const stamp = network.stamp();
    const name = policy.name ?? `${policy.type.toLowerCase()}-${stamp.id}`;
    this.#free(network.policies, name, 'policy');
    network.policies.put({
      ...stamp,
      name,
      type: policy.type,
      semantic: policy.semantic ?? 'AnyOf',
      identityRoles: this.#roles(network.identities, policy.identities, 'identity'),
      serviceRoles: this.#roles(network.services, policy.services, 'service'),
      postureCheckRoles: this.#roles(network.postureChecks, policy.postureChecks ?? [], 'posture check'),
      tags: {},
    });
    await this.#changed();
    return stamp.id;
  }

  async updatePolicy(policy: string, change: Partial<Omit<NewPolicy, 'type'>>): Promise<void> {
    const { network } = this.#deps.context;
    const record = this.#find(network.policies, policy, 'policy');
    const { identities, services, postureChecks, ...rest } = change;
    this.#update(network.policies, record, {
      ...definedOnly(rest),
      ...(identities === undefined ? {} : { identityRoles: this.#roles(network.identities, identities, 'identity') }),
      ...(services === undefined ? {} : { serviceRoles: this.#roles(network.services, services, 'service') }),
      ...(postureChecks === undefined
        ? {}
        : { postureCheckRoles: this.#roles(network.postureChecks, postureChecks, 'posture check') }),
    });
    await this.#changed();
  }

  async deletePolicy(policy: string): Promise<void> {
    const { network } = this.#deps.context;
    network.policies.delete(this.#find(network.policies, policy, 'policy').id);
    await this.#changed();
  }

  async createPostureCheck(check: NewPostureCheck): Promise<string> {
    const { network } = this.#deps.context;
    const stamp = network.stamp();
    const name = check.name ?? `${check.kind.toLowerCase()}-${stamp.id}`;
    this.#free(network.postureChecks, name, 'posture check');
    network.postureChecks.put({ ...check, ...stamp, name, roleAttributes: [...(check.roleAttributes ?? [])] });
    await this.#changed();
    return stamp.id;
  }

  async deletePostureCheck(check: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.postureChecks, check, 'posture check');
    network.postureChecks.delete(id);
    dropRole(network.policies, (policy) => policy.postureCheckRoles, id);
    await this.#changed();
  }

  /** Trust a third party's authority for enrolment (ottca, ca). */
  async createAuthority(authority: NewAuthority): Promise<string> {
    const id = addAuthority(this.#deps.context.network, authority);
    await this.#deps.flush();
    return id;
  }

  /** Trust an external provider's tokens. */
  async createSigner(signer: NewSigner): Promise<string> {
    const id = addSigner(this.#deps.context.network, signer);
    await this.#deps.flush();
    return id;
  }

  async createAuthPolicy(
    name: string,
    rules: Partial<Omit<AuthPolicyRecord, 'id' | 'createdAt' | 'name'>>,
  ): Promise<string> {
    const { network } = this.#deps.context;
    this.#free(network.authPolicies, name, 'auth policy');
    const record = network.authPolicies.put({
      certAllowed: true,
      certExpiredAllowed: true,
      updbAllowed: true,
      extJwtAllowed: true,
      allowedSigners: [],
      requireTotp: false,
      requireExtJwtSigner: undefined,
      ...definedOnly(rules),
      ...network.stamp(),
      name,
    });
    await this.#deps.flush();
    return record.id;
  }

  /** End every API session of an identity; it may sign in again at once. */
  async endSessions(identity: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = this.#find(network.identities, identity, 'identity');
    for (const session of network.apiSessions.filter((entry) => entry.identityId === id)) {
      network.removeApiSession(session.id);
    }
    await this.#changed();
  }

  /** End one API session, or one legacy service session. */
  async deleteSession(id: string): Promise<void> {
    const { network } = this.#deps.context;
    if (!network.serviceSessions.delete(id)) network.removeApiSession(id);
    await this.#changed();
  }

  /** Remove a one-time password, as an administrator may. */
  removeMfa(identity: string): Promise<void> {
    return this.updateIdentity(identity, { mfa: undefined } as Partial<IdentityRecord>);
  }

  listIdentities(): readonly IdentityRecord[] {
    return this.#deps.context.network.identities.list();
  }

  listServices(): readonly ServiceRecord[] {
    return this.#deps.context.network.services.list();
  }

  listConfigs(): readonly ConfigRecord[] {
    return this.#deps.context.network.configs.list();
  }

  listPolicies(): readonly PolicyRecord[] {
    return this.#deps.context.network.policies.list();
  }

  listPostureChecks(): readonly PostureCheckRecord[] {
    return this.#deps.context.network.postureChecks.list();
  }

  listApiSessions(): readonly ApiSessionRecord[] {
    return this.#deps.context.network.apiSessions.list();
  }

  /** Of one service where given. */
  listTerminators(service?: string): readonly TerminatorView[] {
    const { context } = this.#deps;
    const id = service === undefined ? undefined : this.#find(context.network.services, service, 'service').id;
    return context
      .router()
      .terminators()
      .filter((entry) => id === undefined || entry.serviceId === id);
  }

  listCircuits(): readonly CircuitView[] {
    return this.#deps.circuits();
  }

  #changed(): Promise<void> {
    this.#deps.context.network.accessChanged();
    return this.#deps.flush();
  }

  #update<T extends { readonly id: string; updatedAt: number }>(table: Table<T>, record: T, change: Partial<T>): void {
    Object.assign(record, change, { updatedAt: this.#deps.context.network.clock.now() });
    table.touched();
  }

  #find<T extends { readonly id: string; readonly name: string }>(table: Table<T>, idOrName: string, what: string): T {
    const found = table.get(idOrName) ?? table.find((record) => record.name === idOrName);
    if (found !== undefined) return found;
    throw new TunnelerError('overlay.unknown', `there is no ${what} '${idOrName}'`, {
      details: { what, name: idOrName },
    });
  }

  #free<T extends { readonly id: string; readonly name: string }>(table: Table<T>, name: string, what: string): void {
    if (name === '')
      throw new TunnelerError('overlay.invalid', `the name of the ${what} is empty`, { details: { what } });
    if (table.find((record) => record.name === name) === undefined) return;
    throw new TunnelerError('overlay.exists', `there already is a ${what} '${name}'`, { details: { what, name } });
  }

  #roles<T extends { readonly id: string; readonly name: string }>(
    table: Table<T>,
    given: readonly string[],
    what: string,
  ): string[] {
    return given.map((role) =>
      role.startsWith('#') ? role : `@${this.#find(table, role.startsWith('@') ? role.slice(1) : role, what).id}`,
    );
  }

  #configType(name: string): string {
    const { network } = this.#deps.context;
    const known = network.configTypes.get(name) ?? network.configTypes.find((type) => type.name === name);
    return (known ?? network.configTypes.put({ ...network.stamp(), name })).id;
  }

  #newConfig(name: string, type: string, data: unknown): ConfigRecord {
    const { network } = this.#deps.context;
    const configTypeId = this.#configType(type);
    return network.configs.put({ ...network.stamp(), name, configTypeId, data: asObject(data, type), tags: {} });
  }

  #attachConfig(service: ServiceRecord, type: string, data: unknown): void {
    const { network } = this.#deps.context;
    const config = this.#newConfig(`${service.name}.${type}.${network.stamp().id.slice(0, 6)}`, type, data);
    service.configs = [...service.configs, config.id];
    network.services.touched();
  }
}

function asObject(data: unknown, type: string): Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>;
  throw new TunnelerError('overlay.invalid', `the data of a config of type ${type} must be an object`, {
    details: { type },
  });
}

function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function dropRole(policies: Table<PolicyRecord>, rolesOf: (policy: PolicyRecord) => string[], id: string): void {
  for (const policy of policies.list()) {
    const roles = rolesOf(policy);
    const at = roles.indexOf(`@${id}`);
    if (at >= 0) roles.splice(at, 1);
  }
  policies.touched();
}

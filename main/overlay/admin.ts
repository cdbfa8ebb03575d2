/** The administrator's side of the overlay, as typed calls. What refers to something takes its id or its name. */
import { defined } from '../base/defined.ts';
import { asObject, configType, dropRole, find, requireFree, roles, update } from './admin-lookup.ts';
import type {
  CircuitView,
  CreatedIdentity,
  NewIdentityOptions,
  NewPolicy,
  NewPostureCheck,
  NewService,
} from './admin-model.ts';
import { addAuthority, addSigner, type NewAuthority, type NewSigner } from './admin-trust.ts';
import { addEnrollment, addIdentity, addPassword } from './controller/enroll-routes.ts';
import type { ControllerContext, TerminatorView } from './controller/context.ts';
import type {
  ApiSessionRecord,
  AuthPolicyRecord,
  ConfigRecord,
  EnrollmentMethod,
  IdentityFile,
  PolicyRecord,
  PostureCheckRecord,
  ServiceRecord,
} from './model.ts';

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
    requireFree(context.network.identities, name, 'identity');
    const caId = authority === undefined ? undefined : find(context.network.authorities, authority, 'authority').id;
    const authPolicyId =
      authPolicy === undefined ? undefined : find(context.network.authPolicies, authPolicy, 'auth policy').id;
    const identity = addIdentity(context, name, {
      ...defined(rest as Partial<IdentityFile>),
      ...defined({ authPolicyId }),
    });
    const jwt =
      enrollment === 'none'
        ? ''
        : addEnrollment(context, identity.id, enrollment, defined({ username, caId, expiresInMs })).jwt;
    await this.#deps.flush();
    return { id: identity.id, jwt };
  }

  /** A new one-time token for an identity; those it has not used are void from here on. */
  async createToken(
    identity: string,
    options: { readonly method?: EnrollmentMethod; readonly expiresInMs?: number } = {},
  ): Promise<string> {
    const { context } = this.#deps;
    const record = find(context.network.identities, identity, 'identity');
    context.network.enrollments.deleteWhere((entry) => entry.identityId === record.id);
    const { jwt } = addEnrollment(
      context,
      record.id,
      options.method ?? 'ott',
      defined({ expiresInMs: options.expiresInMs }),
    );
    await this.#deps.flush();
    return jwt;
  }

  /** The one-time token an identity still has, or a fresh one where it has none or the old one has run out. */
  async oneTimeToken(identity: string): Promise<string> {
    const { context } = this.#deps;
    const { network, signer } = context;
    const { id } = find(network.identities, identity, 'identity');
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
    const record = find(network.identities, identity, 'identity');
    network.authenticators.deleteWhere((entry) => entry.identityId === record.id && entry.method === 'updb');
    addPassword(this.#deps.context, record.id, username, password);
    await this.#deps.flush();
  }

  async updateIdentity(
    identity: string,
    change: Partial<Omit<IdentityFile, 'id' | 'createdAt' | 'mfa'>>,
  ): Promise<void> {
    const { network } = this.#deps.context;
    update(this.#deps.context.network, network.identities, find(network.identities, identity, 'identity'), change);
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
    const { id } = find(network.identities, identity, 'identity');
    network.authenticators.deleteWhere((entry) => entry.identityId === id);
    network.enrollments.deleteWhere((entry) => entry.identityId === id);
    network.identities.delete(id);
    dropRole(network.policies, (policy) => policy.identityRoles, id);
    await this.#changed();
  }

  /** Ask for a renewed certificate at the next sign-in. */
  async requestRenewal(identity: string, options: { readonly rollKeys?: boolean } = {}): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = find(network.identities, identity, 'identity');
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
    const { id } = find(network.identities, identity, 'identity');
    return network.authenticators
      .filter((entry) => entry.identityId === id)
      .flatMap((entry) => entry.fingerprint ?? []);
  }

  /** Throws `overlay.exists` where the name is taken. */
  async createService(service: NewService): Promise<string> {
    const { network } = this.#deps.context;
    requireFree(network.services, service.name, 'service');
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
    const record = find(network.services, service, 'service');
    const typeId = configType(this.#deps.context.network, type);
    const existing = record.configs
      .map((id) => network.configs.get(id))
      .find((config) => config?.configTypeId === typeId);
    if (existing === undefined) this.#attachConfig(record, type, data);
    else update(this.#deps.context.network, network.configs, existing, { data: asObject(data, type) });
    await this.#changed();
  }

  async updateService(service: string, change: Partial<Omit<ServiceRecord, 'id' | 'createdAt'>>): Promise<void> {
    const { network } = this.#deps.context;
    update(this.#deps.context.network, network.services, find(network.services, service, 'service'), change);
    await this.#changed();
  }

  async deleteService(service: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = find(network.services, service, 'service');
    network.services.delete(id);
    dropRole(network.policies, (policy) => policy.serviceRoles, id);
    await this.#changed();
  }

  async createConfig(name: string, type: string, data: unknown): Promise<string> {
    const { network } = this.#deps.context;
    requireFree(network.configs, name, 'config');
    const id = this.#newConfig(name, type, data).id;
    await this.#changed();
    return id;
  }

  async updateConfig(
    config: string,
    change: Partial<Omit<ConfigRecord, 'id' | 'createdAt' | 'configTypeId'>>,
  ): Promise<void> {
    const { network } = this.#deps.context;
    update(this.#deps.context.network, network.configs, find(network.configs, config, 'config'), change);
    await this.#changed();
  }

  async deleteConfig(config: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = find(network.configs, config, 'config');
    network.configs.delete(id);
    for (const service of network.services.list()) service.configs = service.configs.filter((entry) => entry !== id);
    await this.#changed();
  }

  async createPolicy(policy: NewPolicy): Promise<string> {
    const { network } = this.#deps.context;
    const stamp = network.stamp();
    const name = policy.name ?? `${policy.type.toLowerCase()}-${stamp.id}`;
    requireFree(network.policies, name, 'policy');
    network.policies.put({
      ...stamp,
      name,
      type: policy.type,
      semantic: policy.semantic ?? 'AnyOf',
      identityRoles: roles(network.identities, policy.identities, 'identity'),
      serviceRoles: roles(network.services, policy.services, 'service'),
      postureCheckRoles: roles(network.postureChecks, policy.postureChecks ?? [], 'posture check'),
      tags: {},
    });
    await this.#changed();
    return stamp.id;
  }

  async updatePolicy(policy: string, change: Partial<Omit<NewPolicy, 'type'>>): Promise<void> {
    const { network } = this.#deps.context;
    const record = find(network.policies, policy, 'policy');
    const { identities, services, postureChecks, ...rest } = change;
    update(this.#deps.context.network, network.policies, record, {
      ...defined(rest),
      ...(identities === undefined ? {} : { identityRoles: roles(network.identities, identities, 'identity') }),
      ...(services === undefined ? {} : { serviceRoles: roles(network.services, services, 'service') }),
      ...(postureChecks === undefined
        ? {}
        : { postureCheckRoles: roles(network.postureChecks, postureChecks, 'posture check') }),
    });
    await this.#changed();
  }

  async deletePolicy(policy: string): Promise<void> {
    const { network } = this.#deps.context;
    network.policies.delete(find(network.policies, policy, 'policy').id);
    await this.#changed();
  }

  async createPostureCheck(check: NewPostureCheck): Promise<string> {
    const { network } = this.#deps.context;
    const stamp = network.stamp();
    const name = check.name ?? `${check.kind.toLowerCase()}-${stamp.id}`;
    requireFree(network.postureChecks, name, 'posture check');
    network.postureChecks.put({ ...check, ...stamp, name, roleAttributes: [...(check.roleAttributes ?? [])] });
    await this.#changed();
    return stamp.id;
  }

  async deletePostureCheck(check: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = find(network.postureChecks, check, 'posture check');
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
    requireFree(network.authPolicies, name, 'auth policy');
    const record = network.authPolicies.put({
      certAllowed: true,
      certExpiredAllowed: true,
      updbAllowed: true,
      extJwtAllowed: true,
      allowedSigners: [],
      requireTotp: false,
      requireExtJwtSigner: undefined,
      ...defined(rules),
      ...network.stamp(),
      name,
    });
    await this.#deps.flush();
    return record.id;
  }

  /** End every API session of an identity; it may sign in again at once. */
  async endSessions(identity: string): Promise<void> {
    const { network } = this.#deps.context;
    const { id } = find(network.identities, identity, 'identity');
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
    return this.updateIdentity(identity, { mfa: undefined } as Partial<IdentityFile>);
  }

  listIdentities(): readonly IdentityFile[] {
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
    const id = service === undefined ? undefined : find(context.network.services, service, 'service').id;
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

  #newConfig(name: string, type: string, data: unknown): ConfigRecord {
    const { network } = this.#deps.context;
    const configTypeId = configType(this.#deps.context.network, type);
    return network.configs.put({ ...network.stamp(), name, configTypeId, data: asObject(data, type), tags: {} });
  }

  #attachConfig(service: ServiceRecord, type: string, data: unknown): void {
    const { network } = this.#deps.context;
    const config = this.#newConfig(`${service.name}.${type}.${network.stamp().id.slice(0, 6)}`, type, data);
    service.configs = [...service.configs, config.id];
    network.services.touched();
  }
}

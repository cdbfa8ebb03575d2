/** {@link NetworkAdmin} over OpenZiti's management API. */
import type { ManagementApi } from './management-api.ts';
import { type Json } from './management-api.ts';
import type {
  CreatedIdentity,
  NetworkAdmin,
  NewIdentity,
  NewService,
  NewServicePolicy,
  PostureCheckSpec,
} from './network.ts';

export class RealAdmin implements NetworkAdmin {
  readonly api: ManagementApi;
  #names = 0;

  constructor(api: ManagementApi) {
    this.api = api;
  }

  async createIdentity(name: string, options: NewIdentity = {}): Promise<CreatedIdentity> {
    const id = await this.api.create('identities', {
      name,
      type: 'Default',
      isAdmin: false,
      ...(options.roleAttributes === undefined ? {} : { roleAttributes: options.roleAttributes }),
      ...(options.appData === undefined ? {} : { appData: options.appData }),
      ...(options.externalId === undefined ? {} : { externalId: options.externalId }),
      ...(options.authPolicyId === undefined ? {} : { authPolicyId: options.authPolicyId }),
      ...(options.defaultHostingCost === undefined ? {} : { defaultHostingCost: options.defaultHostingCost }),
      ...(options.serviceHostingCosts === undefined ? {} : { serviceHostingCosts: options.serviceHostingCosts }),
      ...enrolment(options.enrolment ?? 'ott'),
    });
    return { id, jwt: options.enrolment === 'none' ? '' : await this.#jwtOf(id) };
  }

  async createToken(identityId: string, expiresInMs: number): Promise<string> {
    for (const old of await this.#enrolmentsOf(identityId))
      await this.api.call('DELETE', `enrollments/${String(old['id'])}`);
    await this.api.create('enrollments', {
      identityId,
      method: 'ott',
      expiresAt: new Date(Date.now() + expiresInMs).toISOString(),
    });
    return this.#jwtOf(identityId);
  }

  async deleteIdentity(id: string): Promise<void> {
    await this.api.call('DELETE', `identities/${id}`);
  }

  async disableIdentity(id: string): Promise<void> {
    await this.api.call('POST', `identities/${id}/disable`, { durationMinutes: 0 });
  }

  async enableIdentity(id: string): Promise<void> {
    await this.api.call('POST', `identities/${id}/enable`, {});
  }

  async createService(service: NewService): Promise<string> {
    const configs: string[] = [];
    for (const [type, data] of Object.entries(service.configs ?? {}))
      configs.push(await this.#createConfig(type, data));
    return this.api.create('services', {
      name: service.name,
      encryptionRequired: service.encryptionRequired ?? true,
      terminatorStrategy: service.terminatorStrategy ?? 'smartrouting',
      configs,
    });
  }

  async deleteService(id: string): Promise<void> {
    await this.api.call('DELETE', `services/${id}`);
  }

  async setServiceConfig(serviceId: string, type: string, data: unknown): Promise<void> {
    const attached = (await this.api.list(`services/${serviceId}/configs`)).find((config) => typeName(config) === type);
    if (attached !== undefined) {
      await this.api.call('PATCH', `configs/${String(attached['id'])}`, { data });
      return;
    }
    const service = (await this.api.call('GET', `services/${serviceId}`)) as { configs?: string[] };
    const configs = [...(service.configs ?? []), await this.#createConfig(type, data)];
    await this.api.call('PATCH', `services/${serviceId}`, { configs });
  }

  createServicePolicy(policy: NewServicePolicy): Promise<string> {
    return this.api.create('service-policies', {
      name: this.#newName('policy'),
      type: policy.type,
      semantic: 'AnyOf',
      serviceRoles: policy.services.map((id) => `@${id}`),
      identityRoles: policy.identities.map((id) => `@${id}`),
      ...(policy.postureChecks === undefined ? {} : { postureCheckRoles: policy.postureChecks.map((id) => `@${id}`) }),
    });
  }

  async deleteServicePolicy(id: string): Promise<void> {
    await this.api.call('DELETE', `service-policies/${id}`);
  }

  async endSessions(identityId: string): Promise<void> {
    for (const session of await this.api.list('api-sessions', `identity="${identityId}"`)) {
      await this.api.call('DELETE', `api-sessions/${String(session['id'])}`);
    }
  }

  async terminators(serviceId: string): Promise<readonly { readonly id: string; readonly identity: string }[]> {
    const rows = await this.api.list('terminators', `service="${serviceId}"`);
    return rows.map((row) => ({ id: String(row['id']), identity: String(row['identity'] ?? '') }));
  }

  async certificateFingerprints(identityId: string): Promise<readonly string[]> {
    const rows = await this.api.list(`identities/${identityId}/authenticators`);
    return rows.flatMap((row) => (typeof row['fingerprint'] === 'string' ? [row['fingerprint']] : []));
  }

  async requestRenewal(identityId: string, options: { readonly rollKeys?: boolean } = {}): Promise<void> {
    for (const row of await this.api.list(`identities/${identityId}/authenticators`)) {
      if (row['method'] !== 'cert') continue;
      const body = { rollKeys: options.rollKeys ?? false };
      await this.api.call('POST', `authenticators/${String(row['id'])}/request-extend`, body);
    }
  }

  createPostureCheck(check: PostureCheckSpec): Promise<string> {
    return this.api.create('posture-checks', { name: this.#newName('check'), ...postureBody(check) });
  }

  /** What a check asks from now on; its type stays. */
  async setPostureCheck(id: string, check: PostureCheckSpec): Promise<void> {
    await this.api.call('PATCH', `posture-checks/${id}`, postureBody(check));
  }

  async #jwtOf(identityId: string): Promise<string> {
    const enrolments = await this.#enrolmentsOf(identityId);
    const jwt = enrolments.map((row) => row['jwt']).find((value) => typeof value === 'string');
    if (typeof jwt !== 'string') throw new Error(`identity ${identityId} has no open enrolment`);
    return jwt;
  }

  #enrolmentsOf(identityId: string): Promise<Json[]> {
    return this.api.list(`identities/${identityId}/enrollments`);
  }

  async #createConfig(type: string, data: unknown): Promise<string> {
    const known = await this.api.list('config-types', `name="${type}"`);
    const typeId = known[0]?.['id'] ?? (await this.api.create('config-types', { name: type, schema: {} }));
    return this.api.create('configs', { name: this.#newName(type), configTypeId: typeId, data });
  }

  #newName(what: string): string {
    this.#names += 1;
    return `${what}-${Date.now().toString(36)}-${this.#names}`;
  }
}

function enrolment(kind: NonNullable<NewIdentity['enrolment']>): Json {
  if (kind === 'none') return {};
  if (kind === 'ott') return { enrollment: { ott: true } };
  return { enrollment: { updb: kind.slice('updb:'.length) } };
}

function typeName(config: Json): string {
  const type = config['configType'] as { name?: string } | undefined;
  return type?.name ?? '';
}

function postureBody(check: PostureCheckSpec): Json {
  if (check.type === 'MFA') {
    const { timeoutSeconds = -1, promptOnWake = false, promptOnUnlock = false } = check;
    return { typeId: 'MFA', timeoutSeconds, promptOnWake, promptOnUnlock };
  }
  if (check.type === 'PROCESS') {
    const { osType, path, hashes = [], signerFingerprint } = check;
    return {
      typeId: 'PROCESS',
      process: { osType, path, hashes, ...(signerFingerprint === undefined ? {} : { signerFingerprint }) },
    };
  }
  if (check.type === 'DOMAIN') return { typeId: 'DOMAIN', domains: check.domains };
  if (check.type === 'MAC') return { typeId: 'MAC', macAddresses: check.macAddresses };
  return { typeId: 'OS', operatingSystems: [{ type: check.osType, versions: check.versions }] };
}

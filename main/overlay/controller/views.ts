/** Records as the edge API shows them (openziti/edge-api: client.yml, management.yml). */
import { defined } from '../../base/defined.ts';
import type {
  ApiSessionRecord,
  ConfigRecord,
  IdentityFile,
  PolicyRecord,
  PostureCheckRecord,
  ServiceRecord,
  SignerRecord,
} from '../model.ts';
import { mfaRemainingMs } from '../posture.ts';
import type { Network, VisibleService } from '../network.ts';
import type { ControllerContext } from './context.ts';

/** RFC 3339 in UTC with milliseconds. */
export const iso = (atMs: number): string => new Date(atMs).toISOString();

function entity(record: { readonly id: string; readonly createdAt: number; readonly updatedAt: number }, path: string) {
  return {
    id: record.id,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    _links: { self: { href: `./${path}/${record.id}` } },
  };
}

function reference(record: { readonly id: string; readonly name: string }, path: string) {
  return { id: record.id, name: record.name, entity: path, _links: { self: { href: `./${path}/${record.id}` } } };
}

/** The factors a session still has to show. */
export function authQueries(context: ControllerContext, session: ApiSessionRecord): readonly object[] {
  const queries: object[] = [];
  const identity = context.network.identities.get(session.identityId);
  if (session.totpPending) {
    queries.push({
      typeId: session.kind === 'legacy' ? 'MFA' : 'TOTP',
      provider: 'ziti',
      httpMethod: 'POST',
      httpUrl: session.kind === 'legacy' ? './authenticate/mfa' : './oidc/login/totp',
      format: 'alphaNumeric',
      minLength: 4,
      maxLength: 6,
      isTotpEnrolled: identity?.mfa?.verified === true,
    });
  }
  const signer = context.network.signers.get(session.signerPending);
  if (signer !== undefined) {
    queries.push({
      typeId: 'EXT-JWT',
      provider: 'url',
      httpUrl: signer.externalAuthUrl ?? '',
      id: signer.id,
      scopes: signer.scopes,
      clientId: signer.clientId ?? '',
    });
  }
  return queries;
}

/** `GET /current-api-session`. */
export function sessionView(
  context: ControllerContext,
  session: ApiSessionRecord,
  identity: IdentityFile,
  expiresAt: number,
) {
  const authenticator = context.network.authenticators.get(session.authenticatorId);
  return {
    ...entity({ ...session, updatedAt: session.lastActivityAt }, 'current-api-session'),
    token: session.token ?? '',
    identity: reference(identity, 'identities'),
    identityId: identity.id,
    configTypes: session.configTypes,
    ipAddress: '127.0.0.1',
    authQueries: authQueries(context, session),
    authenticatorId: session.authenticatorId,
    cachedLastActivityAt: iso(session.lastActivityAt),
    lastActivityAt: iso(session.lastActivityAt),
    isMfaRequired: identity.mfa?.verified === true,
    isMfaComplete: !session.totpPending,
    isCertExtendable: authenticator?.issuedByNetwork === true,
    ...(authenticator?.extendRequested === true ? { isCertExtendRequested: true } : {}),
    ...(authenticator?.keyRollRequested === true ? { isCertKeyRollRequested: true } : {}),
    ...(session.improperClientCertChain ? { improperClientCertChain: true } : {}),
    expiresAt: iso(expiresAt),
    expirationSeconds: Math.round((expiresAt - context.network.clock.now()) / 1000),
  };
}

/** An identity, for itself and for administrators. */
export function identityView(network: Network, identity: IdentityFile) {
  const authenticators = network.authenticators.filter((entry) => entry.identityId === identity.id);
  const cert = authenticators.find((entry) => entry.method === 'cert');
  const updb = authenticators.find((entry) => entry.method === 'updb');
  const enrollment = Object.fromEntries(
    network.enrollments
      .filter((entry) => entry.identityId === identity.id)
      .map((entry) => [
        entry.method,
        { id: entry.id, jwt: entry.jwt, token: entry.token, expiresAt: iso(entry.expiresAt) },
      ]),
  );
  return {
    ...entity(identity, 'identities'),
    name: identity.name,
    type: {
      id: 'Default',
      name: 'Default',
      entity: 'identity-types',
      _links: { self: { href: './identity-types/Default' } },
    },
    typeId: 'Default',
    isAdmin: identity.isAdmin,
    isDefaultAdmin: false,
    isMfaEnabled: identity.mfa?.verified === true,
    disabled: identity.disabled,
    externalId: identity.externalId ?? null,
    roleAttributes: identity.roleAttributes,
    authPolicyId: identity.authPolicyId,
    appData: identity.appData,
    tags: identity.tags,
    defaultHostingCost: identity.defaultHostingCost,
    defaultHostingPrecedence: identity.defaultHostingPrecedence,
    serviceHostingCosts: identity.serviceHostingCosts,
    serviceHostingPrecedences: identity.serviceHostingPrecedences,
    authenticators: {
      ...defined({ cert: cert && { id: cert.id, fingerprint: cert.fingerprint } }),
      ...defined({ updb: updb && { id: updb.id, username: updb.username } }),
    },
    enrollment,
    envInfo: {},
    sdkInfo: {},
    hasApiSession: network.apiSessions.find((session) => session.identityId === identity.id) !== undefined,
    hasEdgeRouterConnection: false,
    edgeRouterConnectionStatus: 'unknown',
  };
}

/** Config data of a service by type name, identity overrides applied; `all` or listed types only. */
export function configsOf(
  network: Network,
  service: ServiceRecord,
  identity: IdentityFile | undefined,
  types: readonly string[],
): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  const overrides = Object.values(identity?.serviceConfigs[service.id] ?? {});
  for (const id of [...service.configs, ...overrides]) {
    const config = network.configs.get(id);
    const type = network.configTypes.get(config?.configTypeId);
    if (config === undefined || type === undefined) continue;
    if (types.includes('all') || types.includes(type.name) || types.includes(type.id)) shown[type.name] = config.data;
  }
  return shown;
}

/** A service as one identity's session sees it. */
export function serviceView(
  network: Network,
  visible: VisibleService,
  identity: IdentityFile,
  session: ApiSessionRecord,
  configTypes: readonly string[],
) {
  const { service } = visible;
  return {
    ...plainServiceView(network, service),
    permissions: visible.permissions,
    config: configsOf(network, service, identity, configTypes),
    postureQueries: network.policiesFor(identity, service).flatMap((policy) => {
      const checks = network.checksOf(policy);
      if (checks.length === 0) return [];
      return [
        {
          policyId: policy.id,
          policyType: policy.type,
          isPassing: checks.every((check) => network.checkPasses(session, check)),
          postureQueries: checks.map((check) => postureQueryView(network, session, check)),
        },
      ];
    }),
  };
}

function postureQueryView(network: Network, session: ApiSessionRecord, check: PostureCheckRecord) {
  const processes = (check.processes ?? []).map(({ path, osType }) => ({ path, osType }));
  const remainingMs =
    check.kind === 'MFA' ? mfaRemainingMs(check, network.posture(session.id), network.clock.now()) : Infinity;
  return {
    ...entity(check, 'posture-checks'),
    queryType: check.kind,
    isPassing: network.checkPasses(session, check),
    timeout: check.kind === 'MFA' ? (check.timeoutSeconds ?? -1) : -1,
    timeoutRemaining: remainingMs === Infinity ? -1 : Math.floor(remainingMs / 1000),
    ...(check.kind === 'MFA'
      ? { promptOnWake: check.promptOnWake === true, promptOnUnlock: check.promptOnUnlock === true }
      : {}),
    ...(check.kind === 'PROCESS' ? { process: processes[0] } : {}),
    ...(check.kind === 'PROCESS_MULTI' ? { processes } : {}),
  };
}

/** A service for administrators. */
export function plainServiceView(network: Network, service: ServiceRecord) {
  return {
    ...entity(service, 'services'),
    name: service.name,
    encryptionRequired: service.encryptionRequired,
    terminatorStrategy: service.terminatorStrategy,
    maxIdleTimeMillis: service.maxIdleTimeMillis,
    permissions: ['Dial', 'Bind'],
    roleAttributes: service.roleAttributes.length === 0 ? null : service.roleAttributes,
    configs: service.configs,
    config: configsOf(network, service, undefined, ['all']),
    postureQueries: [],
    tags: service.tags,
  };
}

/** The one router as clients see it. */
export function routerView(context: ControllerContext) {
  const router = context.router();
  const created = iso(context.network.lastChangeAt);
  return {
    id: router.id,
    createdAt: created,
    updatedAt: created,
    _links: { self: { href: `./edge-routers/${router.id}` } },
    tags: {},
    name: router.name,
    hostname: new URL(router.address.replace('tls:', 'https:')).hostname,
    isOnline: router.isOnline,
    disabled: false,
    noTraversal: false,
    cost: 0,
    syncStatus: 'SYNC_DONE',
    appData: {},
    supportedProtocols: { tls: router.address },
    urls: { tls: router.address },
  };
}

/** As anybody may see it, without the keys. */
export function signerView(context: ControllerContext, signer: SignerRecord) {
  return {
    ...entity(signer, 'external-jwt-signers'),
    tags: {},
    name: signer.name,
    externalAuthUrl: signer.externalAuthUrl ?? null,
    clientId: signer.clientId ?? null,
    scopes: signer.scopes,
    audience: signer.audience,
    openIdConfigurationUrl: null,
    targetToken: signer.targetToken,
    enrollToCertEnabled: signer.enrollToCertEnabled,
    enrollToTokenEnabled: signer.enrollToTokenEnabled,
    ...(context.authentication === 'legacy' ? {} : { enrollAuthPolicyId: '' }),
  };
}

/** With its type's name, which clients tell configs apart by. */
export function configView(network: Network, config: ConfigRecord) {
  const type = network.configTypes.get(config.configTypeId);
  return {
    ...entity(config, 'configs'),
    name: config.name,
    configTypeId: config.configTypeId,
    configType: type === undefined ? null : reference(type, 'config-types'),
    data: config.data,
    tags: config.tags,
  };
}

/** Roles as they were given, `@id` or `#attribute`. */
export function policyView(policy: PolicyRecord) {
  return {
    ...entity(policy, 'service-policies'),
    name: policy.name,
    type: policy.type,
    semantic: policy.semantic,
    identityRoles: policy.identityRoles,
    serviceRoles: policy.serviceRoles,
    postureCheckRoles: policy.postureCheckRoles,
    tags: policy.tags,
  };
}

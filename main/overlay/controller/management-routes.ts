/** A subset of the management API, for who signs in as an administrator: the common entities, made, changed and deleted. */
import { defined } from '../../base/defined.ts';
import { isTunnelerError } from '../../base/errors.ts';
import type { Semantic } from '../../base/roles.ts';
import { OverlayAdmin } from '../admin.ts';
import type { ControllerContext } from './context.ts';
import { requireCaller, unauthorized } from './context.ts';
import {
  ApiError,
  data,
  jsonBody,
  optionalString,
  page,
  pathPart,
  requiredString,
  stringList,
  type ApiReply,
  type ApiRequest,
  type Routes,
} from './http.ts';
import { nameFilter, notFound } from './session-routes.ts';
import { authenticatorView } from './identity-routes.ts';
import { terminatorView } from './service-routes.ts';
import { configView, identityView, iso, plainServiceView, policyView, routerView } from './views.ts';
import type { EnrollmentMethod, PolicyType, TerminatorStrategy } from '../model.ts';

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Collection<T extends Named> {
  readonly path: string;
  list(): readonly T[];
  view(record: T): object;
  create?(body: Readonly<Record<string, unknown>>): Promise<string>;
  update?(id: string, body: Readonly<Record<string, unknown>>): Promise<void>;
  remove?(id: string): Promise<void>;
}

/** Mount below `base`. */
export function addManagementRoutes(routes: Routes, base: string, context: ControllerContext): void {
  const admin = new OverlayAdmin({ context, circuits: () => [], flush: () => Promise.resolve() });
  const add = (method: string, path: string, handler: (request: ApiRequest) => ApiReply | Promise<ApiReply>): void =>
    routes.add(method, `${base}/${path}`, async (request) => {
      if (!requireCaller(context, request).identity.isAdmin) throw unauthorized();
      return asApiErrors(() => handler(request));
    });
  const mount = <T extends Named>(collection: Collection<T>): void => mountCollection(add, collection);
  mountIdentities(mount, add, admin, context);
  mountServices(mount, admin, context);
  mountPostureChecks(mount, context);
  add('GET', 'edge-routers', (request) => page([routerView(context)], request.query));
  add('GET', 'terminators', (request) => {
    // Filters of the form `service="id"` are what tools ask for.
    const service = /service(?:\.id)?\s*=\s*"([^"]*)"/.exec(request.query.get('filter') ?? '')?.[1];
    const all = context
      .router()
      .terminators()
      .filter((entry) => service === undefined || entry.serviceId === service);
    return page(
      all.map((entry) => terminatorView(context, entry)),
      request.query,
    );
  });
  add('GET', 'api-sessions', (request) =>
    page(
      context.network.apiSessions
        .list()
        .map((session) => ({ id: session.id, identityId: session.identityId, createdAt: iso(session.createdAt) })),
      request.query,
    ),
  );
  add('DELETE', 'api-sessions/{id}', async (request) => {
    const session = context.network.apiSessions.get(request.params['id']);
    if (session?.kind !== 'legacy') throw notFound();
    await admin.deleteSession(session.id);
    return data({});
  });
  add('GET', 'authenticators', (request) =>
    page(context.network.authenticators.list().map(authenticatorView), request.query),
  );
}

function mountCollection<T extends Named>(
  add: (method: string, path: string, handler: (request: ApiRequest) => ApiReply | Promise<ApiReply>) => void,
  collection: Collection<T>,
): void {
  const { path } = collection;
  const find = (request: ApiRequest): T => {
    const record = collection.list().find((entry) => entry.id === request.params['id']);
    if (record === undefined) throw notFound();
    return record;
  };
  add('GET', path, (request) =>
    page(
      collection
        .list()
        .filter(nameFilter(request))
        .map((record) => collection.view(record)),
      request.query,
    ),
  );
  add('GET', `${path}/{id}`, (request) => data(collection.view(find(request))));
  const { create, update, remove } = collection;
  if (create !== undefined) {
    add('POST', path, async (request) => {
      const id = await create(jsonBody(request));
      return data({ id, _links: { self: { href: `./${path}/${id}` } } }, { status: 201 });
    });
  }
  if (update !== undefined) {
    for (const method of ['PATCH', 'PUT']) {
      add(method, `${path}/{id}`, async (request) => {
        await update(find(request).id, jsonBody(request));
        return data({});
      });
    }
  }
  if (remove !== undefined) {
    add('DELETE', `${path}/{id}`, async (request) => {
      await remove(find(request).id);
      return data({});
    });
  }
}

type Mount = <T extends Named>(collection: Collection<T>) => void;
type Add = (method: string, path: string, handler: (request: ApiRequest) => ApiReply | Promise<ApiReply>) => void;

function mountIdentities(mount: Mount, add: Add, admin: OverlayAdmin, context: ControllerContext): void {
  const { network } = context;
  mount({
    path: 'identities',
    list: () => network.identities.list(),
    view: (identity) => identityView(network, identity),
    create: async (body) => {
      const enrollment = (body['enrollment'] ?? {}) as Record<string, unknown>;
      const method: EnrollmentMethod | 'none' =
        enrollment['ott'] === true
          ? 'ott'
          : typeof enrollment['updb'] === 'string'
            ? 'updb'
            : typeof enrollment['ottca'] === 'string'
              ? 'ottca'
              : 'none';
      const externalId = optionalString(body, 'externalId');
      const created = await admin.createIdentity(requiredString(body, 'name'), {
        enrollment: method,
        isAdmin: body['isAdmin'] === true,
        roleAttributes: stringList(body, 'roleAttributes'),
        ...defined({ externalId }),
        ...(method === 'updb' ? { username: String(enrollment['updb']) } : {}),
        ...(method === 'ottca' ? { authority: String(enrollment['ottca']) } : {}),
        appData: (body['appData'] ?? {}) as Record<string, unknown>,
        tags: (body['tags'] ?? {}) as Record<string, unknown>,
      });
      return created.id;
    },
    update: (id, body) =>
      admin.updateIdentity(id, {
        ...given(body, [
          'name',
          'externalId',
          'isAdmin',
          'appData',
          'tags',
          'defaultHostingCost',
          'defaultHostingPrecedence',
          'serviceHostingCosts',
          'serviceHostingPrecedences',
          'authPolicyId',
        ]),
        ...(body['roleAttributes'] === undefined ? {} : { roleAttributes: stringList(body, 'roleAttributes') }),
      }),
    remove: (id) => admin.deleteIdentity(id),
  });
  add('POST', 'identities/{id}/disable', async (request) => {
    await admin.disableIdentity(pathPart(request, 'id'));
    return data({});
  });
  add('POST', 'identities/{id}/enable', async (request) => {
    await admin.enableIdentity(pathPart(request, 'id'));
    return data({});
  });
}

function mountServices(mount: Mount, admin: OverlayAdmin, context: ControllerContext): void {
  const { network } = context;
  mount({
    path: 'config-types',
    list: () => network.configTypes.list(),
    view: (type) => ({
      id: type.id,
      name: type.name,
      createdAt: iso(type.createdAt),
      updatedAt: iso(type.updatedAt),
      schema: {},
      tags: {},
      _links: {},
    }),
    create: (body) =>
      Promise.resolve(network.configTypes.put({ ...network.stamp(), name: requiredString(body, 'name') }).id),
  });
  mount({
    path: 'configs',
    list: () => network.configs.list(),
    view: (config) => configView(network, config),
    create: (body) =>
      admin.createConfig(requiredString(body, 'name'), requiredString(body, 'configTypeId'), body['data']),
    update: (id, body) => admin.updateConfig(id, given(body, ['name', 'data', 'tags'])),
    remove: (id) => admin.deleteConfig(id),
  });
  mount({
    path: 'services',
    list: () => network.services.list(),
    view: (service) => plainServiceView(network, service),
    create: async (body) => {
      const strategy = optionalString(body, 'terminatorStrategy');
      const id = await admin.createService({
        name: requiredString(body, 'name'),
        encryptionRequired: body['encryptionRequired'] !== false,
        roleAttributes: stringList(body, 'roleAttributes'),
        ...(strategy === undefined || strategy === '' ? {} : { terminatorStrategy: strategy as TerminatorStrategy }),
      });
      await admin.updateService(id, { configs: stringList(body, 'configs') });
      return id;
    },
    update: (id, body) =>
      admin.updateService(
        id,
        given(body, ['name', 'encryptionRequired', 'terminatorStrategy', 'configs', 'roleAttributes', 'tags']),
      ),
    remove: (id) => admin.deleteService(id),
  });
  mount({
    path: 'service-policies',
    list: () => network.policies.list(),
    view: policyView,
    create: (body) => {
      const type = requiredString(body, 'type');
      if (type !== 'Dial' && type !== 'Bind')
        throw new ApiError(400, 'COULD_NOT_VALIDATE', 'type should be one of [Dial Bind]');
      return admin.createPolicy({
        name: requiredString(body, 'name'),
        type: type satisfies PolicyType,
        ...rolesOf(body),
      });
    },
    update: (id, body) => admin.updatePolicy(id, { ...given(body, ['name']), ...rolesOf(body, true) }),
    remove: (id) => admin.deletePolicy(id),
  });
}

function mountPostureChecks(mount: Mount, { network }: ControllerContext): void {
  mount({
    path: 'posture-checks',
    list: () => network.postureChecks.list(),
    view: ({ id, name, kind, roleAttributes }) => ({ id, name, typeId: kind, roleAttributes, tags: {}, _links: {} }),
  });
}

function rolesOf(body: Readonly<Record<string, unknown>>, onlyGiven = false) {
  const semantic = optionalString(body, 'semantic');
  const roles = (field: string, name: 'identities' | 'services' | 'postureChecks') =>
    onlyGiven && body[field] === undefined ? {} : { [name]: stringList(body, field) };
  return {
    ...defined({ semantic: semantic as Semantic | undefined }),
    ...roles('identityRoles', 'identities'),
    ...roles('serviceRoles', 'services'),
    ...roles('postureCheckRoles', 'postureChecks'),
  } as { semantic?: Semantic; identities: string[]; services: string[]; postureChecks: string[] };
}

/** The listed fields that a body has. */
function given(body: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, never> {
  return Object.fromEntries(
    fields.filter((field) => body[field] !== undefined).map((field) => [field, body[field]]),
  ) as Record<string, never>;
}

async function asApiErrors(run: () => ApiReply | Promise<ApiReply>): Promise<ApiReply> {
  try {
    return await run();
  } catch (error) {
    if (isTunnelerError(error, 'overlay.unknown')) throw notFound();
    if (isTunnelerError(error, 'overlay.exists') || isTunnelerError(error, 'overlay.invalid')) {
      throw new ApiError(400, 'COULD_NOT_VALIDATE', error.message, { reason: error.details });
    }
    throw error;
  }
}

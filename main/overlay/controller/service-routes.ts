/** Services, service sessions, routers and posture, as a client's session sees them. */
import type { PolicyType, ServiceSessionRecord } from '../model.ts';
import { newUuid } from '../ids.ts';
import type { AccessDecision, VisibleService } from '../network.ts';
import { requireCaller, type Caller, type ControllerContext } from './context.ts';
import {
  ApiError,
  data,
  jsonBody,
  page,
  pathPart,
  requiredString,
  type ApiReply,
  type ApiRequest,
  type Routes,
} from './http.ts';
import { takePosture } from './posture-response.ts';
import { configTypesOf, nameFilter, notFound } from './session-routes.ts';
import { iso, routerView, serviceView } from './views.ts';

const sessionTokenLifeMs = 365 * 86_400_000;

/** Mount below `base`. */
export function addServiceRoutes(routes: Routes, base: string, context: ControllerContext): void {
  const { network } = context;
  routes.add('GET', `${base}/services`, (request) => {
    const caller = requireCaller(context, request);
    const types = configTypesOf(request, caller.session);
    const wanted = nameFilter(request);
    const services = network.visibleServices(caller.identity).filter(({ service }) => wanted(service));
    return page(
      services.map((visible) => serviceView(network, visible, caller.identity, caller.session, types)),
      request.query,
    );
  });
  routes.add('GET', `${base}/services/{id}`, (request) => {
    const caller = requireCaller(context, request);
    const visible = requireVisible(context, caller, pathPart(request, 'id'));
    const types = configTypesOf(request, caller.session);
    return data(serviceView(network, visible, caller.identity, caller.session, types));
  });
  routes.add('GET', `${base}/services/{id}/terminators`, (request) => {
    const caller = requireCaller(context, request);
    const { service } = requireVisible(context, caller, pathPart(request, 'id'));
    const terminators = context
      .router()
      .terminators()
      .filter((entry) => entry.serviceId === service.id);
    return page(
      terminators.map((entry) => terminatorView(context, entry)),
      request.query,
    );
  });
  routes.add('GET', `${base}/services/{id}/edge-routers`, (request) => {
    const caller = requireCaller(context, request);
    requireVisible(context, caller, pathPart(request, 'id'));
    return data({ edgeRouters: [commonRouter(context)] });
  });
  routes.add('GET', `${base}/current-identity/edge-routers`, (request) => {
    requireCaller(context, request);
    return page([routerView(context)], request.query);
  });
  routes.add('POST', `${base}/sessions`, (request) => {
    const caller = requireCaller(context, request);
    const body = jsonBody(request);
    const type = body['type'] === undefined ? 'Dial' : requiredString(body, 'type');
    if (type !== 'Dial' && type !== 'Bind')
      throw couldNotValidate('type', 'type in body should be one of [Dial Bind]', type);
    return data(createSession(context, caller, requiredString(body, 'serviceId'), type), { status: 201 });
  });
  routes.add('GET', `${base}/sessions`, (request) => {
    const caller = requireCaller(context, request);
    const own = network.serviceSessions.filter((session) => session.apiSessionId === caller.session.id);
    return page(
      own.map((session) => sessionDetail(context, caller, session)),
      request.query,
    );
  });
  routes.add('GET', `${base}/sessions/{id}`, (request) => {
    const caller = requireCaller(context, request);
    return data(sessionDetail(context, caller, ownSession(context, caller, pathPart(request, 'id'))));
  });
  routes.add('DELETE', `${base}/sessions/{id}`, (request) => {
    const caller = requireCaller(context, request);
    network.serviceSessions.delete(ownSession(context, caller, pathPart(request, 'id')).id);
    network.changes.emit({ kind: 'access-changed' });
    return data({});
  });
  routes.add('POST', `${base}/posture-response`, (request) => {
    const caller = requireCaller(context, request);
    return postureReply(context, caller, [jsonBody(request)], 201);
  });
  routes.add('POST', `${base}/posture-response-bulk`, (request) => {
    const caller = requireCaller(context, request);
    return postureReply(context, caller, jsonList(request), 200);
  });
}

function requireVisible(context: ControllerContext, caller: Caller, serviceId: string): VisibleService {
  const visible = context.network.visibleServices(caller.identity).find(({ service }) => service.id === serviceId);
  if (visible === undefined) throw notFound();
  return visible;
}

function couldNotValidate(field: string, reason: string, value: unknown): ApiError {
  return new ApiError(
    400,
    'COULD_NOT_VALIDATE',
    'The supplied request contains an invalid document or no valid accept content were available, see cause',
    {
      reason: { field, reason, value },
    },
  );
}

function createSession(context: ControllerContext, caller: Caller, serviceId: string, type: PolicyType): object {
  const { network } = context;
  const visible = requireVisible(context, caller, serviceId);
  if (!visible.permissions.includes(type)) throw couldNotValidate('ServiceId', 'service not found', serviceId);
  if (!context.router().isOnline) {
    throw new ApiError(
      400,
      'NO_EDGE_ROUTERS_AVAILABLE',
      'No edge routers are assigned and online to handle the requested connection',
    );
  }
  const fresh = { apiSessionId: caller.session.id, identityId: caller.identity.id, serviceId, type };
  if (caller.session.kind === 'oidc') {
    return sessionDetail(context, caller, { ...fresh, id: newUuid(), createdAt: network.clock.now() });
  }
  const decision = network.decide(caller.session, serviceId, type);
  if (decision.kind === 'posture') throw postureFailed(decision);
  const existing = network.serviceSessions.find(
    (session) => session.apiSessionId === caller.session.id && session.serviceId === serviceId && session.type === type,
  );
  const session = existing ?? network.serviceSessions.put({ ...fresh, id: newUuid(), createdAt: network.clock.now() });
  return sessionDetail(context, caller, session);
}

function postureFailed(decision: Extract<AccessDecision, { kind: 'posture' }>): ApiError {
  return new ApiError(409, 'INVALID_POSTURE', 'Posture response data is missing or wrong', {
    reason: Object.fromEntries(
      decision.failing.map(({ policy, checks }) => [
        policy.id,
        {
          policyId: policy.id,
          policyName: policy.name,
          checks: checks.map((check) => ({
            postureCheckId: check.id,
            postureCheckName: check.name,
            postureCheckType: check.kind,
          })),
        },
      ]),
    ),
  });
}

function sessionDetail(context: ControllerContext, caller: Caller, session: ServiceSessionRecord): object {
  const created = iso(session.createdAt);
  // Stamped with the session's own time, so that asking again gives the very same token.
  const issued = Math.floor(session.createdAt / 1000);
  const token = context.signer.sign({
    iss: `${context.url()}/oidc`,
    sub: session.serviceId,
    jti: session.id,
    iat: issued,
    exp: issued + sessionTokenLifeMs / 1000,
    z_asid: session.apiSessionId,
    z_iid: session.identityId,
    z_t: 's',
    z_st: session.type,
    z_leg: caller.session.kind === 'legacy',
  });
  return {
    id: session.id,
    createdAt: created,
    updatedAt: created,
    _links: { self: { href: `./sessions/${session.id}` } },
    tags: {},
    token,
    type: session.type,
    service: { id: session.serviceId, entity: 'services', _links: {} },
    serviceId: session.serviceId,
    identityId: session.identityId,
    apiSession: { id: session.apiSessionId, entity: 'api-sessions', _links: {} },
    apiSessionId: session.apiSessionId,
    edgeRouters: [commonRouter(context)],
  };
}

function ownSession(context: ControllerContext, caller: Caller, id: string): ServiceSessionRecord {
  const session = context.network.serviceSessions.get(id);
  if (session?.apiSessionId !== caller.session.id) throw notFound();
  return session;
}

function commonRouter(context: ControllerContext): object {
  const { name, hostname, isOnline, disabled, noTraversal, cost, syncStatus, appData, supportedProtocols, urls } =
    routerView(context);
  return { name, hostname, isOnline, disabled, noTraversal, cost, syncStatus, appData, supportedProtocols, urls };
}

/** A terminator as clients and administrators see it. */
export function terminatorView(
  context: ControllerContext,
  terminator: ReturnType<ReturnType<ControllerContext['router']>['terminators']>[number],
): object {
  const created = iso(context.network.lastChangeAt);
  return {
    id: terminator.id,
    createdAt: created,
    updatedAt: created,
    _links: { self: { href: `./terminators/${terminator.id}` } },
    tags: {},
    identity: terminator.instanceId,
    routerId: terminator.routerId,
    router: { id: terminator.routerId, name: context.router().name, entity: 'routers', _links: {} },
    serviceId: terminator.serviceId,
    service: { id: terminator.serviceId, entity: 'services', _links: {} },
    binding: 'edge',
    address: `hosted:${terminator.id}`,
    cost: terminator.cost,
    dynamicCost: 0,
    precedence: terminator.precedence,
    hostId: terminator.identityId,
  };
}

function jsonList(request: ApiRequest): Record<string, unknown>[] {
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString('utf8'));
  } catch {
    // Not JSON at all: refused as not being a list.
    value = undefined;
  }
  if (!Array.isArray(value))
    throw new ApiError(400, 'COULD_NOT_PARSE_BODY', 'The body of the request could not be parsed');
  return value.filter((entry): entry is Record<string, unknown> => typeof entry === 'object' && entry !== null);
}

function postureReply(
  context: ControllerContext,
  caller: Caller,
  responses: readonly Record<string, unknown>[],
  status: number,
): ApiReply {
  takePosture(context, caller.session, responses);
  return data({ services: [] }, { status });
}

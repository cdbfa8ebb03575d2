/** The controller: every route of its APIs on one HTTPS listener. */
import { addEnrollRoutes } from './enroll-routes.ts';
import type { ControllerContext } from './context.ts';
import { openHttps, Routes, type HttpsListener } from './http.ts';
import { addIdentityRoutes } from './identity-routes.ts';
import { addInfoRoutes } from './info-routes.ts';
import { addManagementRoutes } from './management-routes.ts';
import { addOidcRoutes } from './oidc-routes.ts';
import { addServiceRoutes } from './service-routes.ts';
import { addSessionRoutes } from './session-routes.ts';

const clientApi = '/edge/client/v1';
const managementApi = '/edge/management/v1';

/** Listen. Rejects with `net.address_in_use` or `net.listen_failed`; closing ends its connections. */
export function openController(context: ControllerContext, host: string, port: number): Promise<HttpsListener> {
  const routes = new Routes();
  addInfoRoutes(routes, [clientApi, managementApi], context);
  addEnrollRoutes(routes, clientApi, context);
  addSessionRoutes(routes, clientApi, context);
  addSessionRoutes(routes, managementApi, context);
  addIdentityRoutes(routes, clientApi, context);
  addServiceRoutes(routes, clientApi, context);
  addManagementRoutes(routes, managementApi, context);
  if (context.authentication !== 'legacy') addOidcRoutes(routes, context);
  return openHttps({
    host,
    port,
    cert: context.pki.serverChain('controller'),
    key: context.pki.record.controller.key,
    routes,
    onFailure: (error, path) => {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      context.log.error('overlay.request_failed', { path, reason });
    },
  });
}

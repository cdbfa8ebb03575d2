/**
 * A controller's answers in memory, as an {@link OpenTransport}: for tests of time and failure that a real one cannot be made to show.
 * Both ways of signing in; everything else is a list that tests change.
 */
import { randomUUID } from 'node:crypto';
import type { HttpAnswer, HttpRequest, OpenTransport } from '../../main/ziti/controller/transport.ts';
import { TunnelerError } from '../../main/base/errors.ts';

export interface ScriptedService {
  readonly id: string;
  readonly name: string;
  readonly permissions: readonly string[];
  readonly config?: Readonly<Record<string, object>>;
}

type Handler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer> | undefined;

export class ScriptedController {
  readonly capabilities: string[];
  lifetimeSeconds = 1800;
  services: ScriptedService[] = [];
  routers: string[] = ['router-1'];
  controllers: string[] = [];
  lastChangeAt = '2026-01-01T00:00:00Z';
  /** Origins that cannot be reached. */
  readonly unreachable = new Set<string>();
  /** Asked first; what it answers goes out. */
  override: Handler = () => undefined;
  /** `METHOD /path` of every request, query dropped. */
  readonly seen: string[] = [];
  #token = '';
  /** Of the authorization request under way. */
  #state = '';

  constructor(kind: 'legacy' | 'oidc') {
    this.capabilities = kind === 'oidc' ? ['OIDC_AUTH', 'OIDC_AUTH_WITH_CSR'] : [];
  }

  readonly open: OpenTransport = (origin) => ({
    origin,
    send: async (request) => {
      if (this.unreachable.has(origin) || this.unreachable.has('*')) {
        throw new TunnelerError('ziti.controller.unreachable', `nothing listens at ${origin}`, {
          details: { sent: false },
        });
      }
      const path = request.path.split('?')[0] ?? '';
      this.seen.push(`${request.method} ${path}`);
      return (await this.override(request)) ?? this.#answer(request, path);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });

  count(call: string): number {
    return this.seen.filter((seen) => seen === call).length;
  }

  /** Everything changed: the marker moves. */
  touch(): void {
    this.lastChangeAt = randomUUID();
  }

  /** The session is over, as the controller sees it. */
  endSession(): void {
    this.#token = 'none';
  }

  #answer(request: HttpRequest, path: string): HttpAnswer {
    const short = path.replace('/edge/client/v1', '');
    if (short === '/version') return data(this.#version());
    if (short === '/authenticate') return data(this.#signIn());
    if (short.startsWith('/oidc')) return this.#oidc(request, short);
    const { headers = {} } = request;
    const given = headers['zt-session'] ?? String(headers['authorization']).replace('Bearer ', '');
    if (given !== this.#token) return refusal(401, 'UNAUTHORIZED');
    if (short === '/current-api-session') {
      return request.method === 'DELETE' ? data({}) : data(this.#session(this.#token));
    }
    if (short === '/current-api-session/service-updates') return data({ lastChangeAt: this.lastChangeAt });
    if (short === '/current-identity') return data({ id: 'me', name: 'my name' });
    if (short === '/current-identity/edge-routers') return data(this.#routers());
    if (short === '/controllers') return data(this.controllers.map((url, id) => controllerRow(url, id)));
    if (short === '/services') return data(this.#services(request.path));
    if (short === '/sessions') {
      const { serviceId } = JSON.parse(request.body ?? '{}') as { serviceId: string };
      return data({ id: randomUUID(), token: `a.${randomUUID()}.c`, serviceId, edgeRouters: this.#routers() }, 201);
    }
    return refusal(404, 'NOT_FOUND');
  }

  /** Knows the filter `id in ["x","y"]`. */
  #services(path: string): object[] {
    const filter = new URLSearchParams(path.split('?')[1]).get('filter');
    const ids = filter === null ? undefined : (JSON.parse(filter.replace(/^id in /, '')) as string[]);
    return this.services
      .filter(({ id }) => ids?.includes(id) !== false)
      .map((service) => ({ ...service, encryptionRequired: false }));
  }

  #version(): object {
    const oidc = this.capabilities.length > 0 ? { 'edge-oidc': { v1: { path: '/oidc' } } } : {};
    return { version: 'v9.9.9', capabilities: this.capabilities, apiVersions: oidc };
  }

  #signIn(): object {
    this.#token = randomUUID();
    return this.#session(this.#token);
  }

  #session(token: string): object {
    const identity = { id: 'me', name: 'my name' };
    return { id: `session-of-${token}`, token, identityId: 'me', identity, expirationSeconds: this.lifetimeSeconds };
  }

  #oidc(request: HttpRequest, path: string): HttpAnswer {
    if (path === '/oidc/authorize') {
      this.#state = new URLSearchParams(request.path.split('?')[1]).get('state') ?? '';
      return redirect('/oidc/login/cert?authRequestID=1');
    }
    if (path === '/oidc/login/cert') return redirect('/oidc/authorize/callback?id=1');
    if (path === '/oidc/authorize/callback') return redirect(`http://localhost/cb?code=1&state=${this.#state}`);
    if (path === '/oidc/oauth/token') {
      const claims = { sub: 'me', z_asid: 'session-1', n: randomUUID() };
      this.#token = ['e30', Buffer.from(JSON.stringify(claims)).toString('base64url'), 'sig'].join('.');
      const tokens = { access_token: this.#token, refresh_token: randomUUID(), expires_in: this.lifetimeSeconds };
      return { status: 200, header: () => undefined, text: JSON.stringify(tokens) };
    }
    return data({});
  }

  #routers(): object[] {
    return this.routers.map((name) => ({ name, supportedProtocols: { tls: `tls://127.0.0.1:1/${name}` } }));
  }
}

function controllerRow(url: string, id: number): object {
  return { id: String(id), apiAddresses: { 'edge-client': [{ url, version: 'v1' }] } };
}

export function data(value: unknown, status = 200): HttpAnswer {
  const totalCount = Array.isArray(value) ? value.length : 0;
  const body = { data: value, meta: { pagination: { totalCount } } };
  return { status, header: () => undefined, text: JSON.stringify(body) };
}

export function refusal(status: number, code: string): HttpAnswer {
  return { status, header: () => undefined, text: JSON.stringify({ error: { code, message: code } }) };
}

function redirect(location: string): HttpAnswer {
  return { status: 302, header: (name) => (name === 'location' ? location : undefined), text: '' };
}

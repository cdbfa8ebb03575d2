/** The controller as OpenID provider: authorization code with PKCE, headless login, refresh (openziti/ziti: controller/oidc_auth). */
import { defined } from '../../base/defined.ts';
import { authQueries } from './views.ts';
import { bearerTokens, type ControllerContext } from './context.ts';
import { authenticate } from './credentials.ts';
import { startMfa, provisioningUrl } from './identity-routes.ts';
import {
  ApiError,
  jsonBody,
  optionalString,
  stringList,
  type ApiReply,
  type ApiRequest,
  type Handler,
  type Routes,
} from './http.ts';
import { clientIds, OauthError, OidcFlows, type Login, type Tokens } from './oidc-flows.ts';
import { markTotpPassed, notFound, sessionOf, takeCode, takeSecondaryToken } from './session-routes.ts';

const redirects = [/^openziti:\/\/auth\/callback$/, /^https?:\/\/(127\.0\.0\.1|localhost)(:\d+)?\/auth\/callback$/];
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const tokenTypes = 'urn:ietf:params:oauth:token-type:';

/** Mount `/oidc`. */
export function addOidcRoutes(routes: Routes, context: ControllerContext): void {
  const flows = new OidcFlows(context);
  const add = (method: string, path: string, handler: Handler): void =>
    routes.add(method, `/oidc${path}`, async (request) => {
      requireIssuerHost(context, request);
      try {
        return await handler(request);
      } catch (error) {
        if (error instanceof OauthError) {
          return { status: 400, json: { error: error.error, error_description: error.message } };
        }
        // Release 2.0 answers here without the envelope of the other APIs.
        if (error instanceof ApiError)
          return { status: error.status, headers: error.headers, json: { code: error.code, message: error.message } };
        throw error;
      }
    });
  add('GET', '/.well-known/openid-configuration', () => ({ json: discovery(context) }));
  add('GET', '/keys', () => ({ json: context.signer.keySet() }));
  add('GET', '/authorize', (request) => beginLogin(flows, request.query, request));
  add('POST', '/authorize', (request) =>
    beginLogin(flows, new URLSearchParams(request.body.toString('utf8')), request),
  );
  add('GET', '/authorize/callback', (request) => finishLogin(flows, request));
  add('POST', '/oauth/token', (request) => issueTokens(context, flows, request));
  add('POST', '/revoke', (request) => revoke(context, request));
  add('GET', '/userinfo', (request) => userInfo(context, request));
  add('GET', '/end_session', () => ({ json: {} }));
  for (const method of ['cert', 'password', 'username', 'ext-jwt']) {
    add('GET', `/login/${method}`, (request) => {
      const login = flows.login(request.query.get('authRequestID') ?? request.query.get('id') ?? undefined);
      return { text: 'continue by POST', headers: { 'auth-request-id': login.id } };
    });
    add('POST', `/login/${method}`, (request) => logIn(context, flows, method, request));
  }
  addFactorRoutes(add, context, flows);
}

/** As real providers do: a name or port that is no issuer of ours is not served. */
function requireIssuerHost(context: ControllerContext, request: ApiRequest): void {
  const { port } = new URL(context.url());
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(request.headers.host ?? '');
  const host = match?.[1] ?? match?.[2] ?? '';
  if (match?.[3] !== port || !context.pki.record.hosts.includes(host)) throw notFound();
}

function discovery(context: ControllerContext): object {
  const base = `${context.url()}/oidc`;
  return {
    issuer: base,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/oauth/token`,
    userinfo_endpoint: `${base}/userinfo`,
    revocation_endpoint: `${base}/revoke`,
    end_session_endpoint: `${base}/end_session`,
    jwks_uri: `${base}/keys`,
    scopes_supported: ['openid', 'offline_access'],
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token', exchangeGrant],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    openziti_endpoints: {
      password: `${base}/login/password`,
      cert: `${base}/login/cert`,
      ext_jwt: `${base}/login/ext-jwt`,
      totp: `${base}/login/totp`,
      totp_enroll: `${base}/login/totp/enroll`,
      totp_enroll_verify: `${base}/login/totp/enroll/verify`,
      auth_queries: `${base}/login/auth-queries`,
    },
  };
}

function beginLogin(flows: OidcFlows, query: URLSearchParams, request: ApiRequest): ApiReply {
  const clientId = query.get('client_id') ?? '';
  const redirectUri = query.get('redirect_uri') ?? '';
  const challenge = query.get('code_challenge') ?? '';
  if (
    !clientIds.includes(clientId as (typeof clientIds)[number]) ||
    !redirects.some((allowed) => allowed.test(redirectUri))
  ) {
    throw new OauthError('invalid_request', 'the requested redirect_uri or client_id is not allowed');
  }
  if (query.get('response_type') !== 'code' || challenge === '' || query.get('code_challenge_method') !== 'S256') {
    throw new OauthError('invalid_request', 'a code with an S256 code_challenge is required');
  }
  const login = flows.begin({
    clientId,
    redirectUri,
    state: query.get('state') ?? undefined,
    nonce: query.get('nonce') ?? undefined,
    challenge,
    configTypes: query.getAll('configTypes'),
  });
  const method = query.get('method') ?? (request.clientCertificates.length > 0 ? 'cert' : 'username');
  const path = method === 'password' ? 'username' : method;
  return redirect(`/oidc/login/${path}?authRequestID=${login.id}`);
}

function redirect(location: string): ApiReply {
  return { status: 302, text: '', headers: { location } };
}

/** Body of a login step, JSON or form; the login's id may stand in the query. */
function loginBody(request: ApiRequest): Record<string, unknown> {
  const type = request.headers['content-type'] ?? '';
  if (type.includes('application/json') || request.body.length === 0) return jsonBody(request);
  if (!type.includes('application/x-www-form-urlencoded')) {
    throw new ApiError(415, 'UNSUPPORTED_MEDIA_TYPE', 'the content type is not supported');
  }
  const form = new URLSearchParams(request.body.toString('utf8'));
  return { ...Object.fromEntries(form), configTypes: form.getAll('configTypes') };
}

function loginOf(flows: OidcFlows, request: ApiRequest, body: Readonly<Record<string, unknown>>): Login {
  const { query } = request;
  return flows.login(optionalString(body, 'id') ?? query.get('id') ?? query.get('authRequestID') ?? undefined);
}

async function logIn(
  context: ControllerContext,
  flows: OidcFlows,
  method: string,
  request: ApiRequest,
): Promise<ApiReply> {
  const body = loginBody(request);
  const login = loginOf(flows, request, body);
  if (login.session === undefined) {
    const who = await authenticate(context, method, request, body);
    const asked = stringList(body, 'configTypes');
    login.session = context.network.addApiSession({
      ...sessionOf(who, asked.length > 0 ? asked : login.configTypes),
      kind: 'oidc',
      token: undefined,
    });
    const csrPem = optionalString(body, 'csrPem');
    if (csrPem !== undefined && csrPem !== '') {
      login.signedCertificate = await flows.signSessionCertificate(login.session, csrPem);
    }
  }
  await takeSecondaryToken(context, request, login.session);
  return nextStep(context, flows, login);
}

/** On to the callback, or what is still to be shown. */
function nextStep(context: ControllerContext, flows: OidcFlows, login: Login): ApiReply {
  if (flows.isComplete(login)) return redirect(`${context.url()}/oidc/authorize/callback?id=${login.id}`);
  const queries = login.session === undefined ? [] : authQueries(context, login.session);
  const isTotp = login.session?.totpPending === true;
  return { json: { authQueries: queries }, headers: isTotp ? { 'totp-required': 'true' } : {} };
}

function finishLogin(flows: OidcFlows, request: ApiRequest): ApiReply {
  const login = flows.login(request.query.get('id') ?? undefined);
  if (!flows.isComplete(login)) throw new OauthError('interaction_required', 'the login is not complete');
  const target = new URL(login.redirectUri);
  target.searchParams.set('code', flows.finish(login));
  if (login.state !== undefined) target.searchParams.set('state', login.state);
  return redirect(target.toString());
}

function addFactorRoutes(
  add: (method: string, path: string, handler: Handler) => void,
  context: ControllerContext,
  flows: OidcFlows,
): void {
  const { network } = context;
  const pending = (request: ApiRequest) => {
    const body = loginBody(request);
    const login = loginOf(flows, request, body);
    const identity = network.identities.get(login.session?.identityId);
    if (login.session === undefined || identity === undefined)
      throw new ApiError(401, 'UNAUTHORIZED', 'not authenticated');
    return { login, session: login.session, identity, code: optionalString(body, 'code') ?? '' };
  };
  const wrongTotp = (): ApiError => new ApiError(400, 'INVALID TOTP CODE', 'an invalid TOTP code was supplied');
  add('GET', '/login/auth-queries', (request) => {
    const { session } = pending(request);
    return { json: { authQueries: authQueries(context, session) } };
  });
  add('POST', '/login/totp', (request) => {
    const { login, session, identity, code } = pending(request);
    if (identity.mfa?.verified !== true || !takeCode(context, identity, code)) throw wrongTotp();
    markTotpPassed(context, session);
    return nextStep(context, flows, login);
  });
  add('POST', '/login/totp/enroll', (request) => {
    const { identity } = pending(request);
    if (identity.mfa !== undefined)
      throw new ApiError(409, 'MFA_EXISTS', 'An MFA record already exists, try removing it');
    const mfa = startMfa(context, identity);
    return {
      status: 201,
      json: {
        id: mfa.id,
        isVerified: false,
        provisioningUrl: provisioningUrl(identity, mfa),
        recoveryCodes: mfa.recoveryCodes,
      },
    };
  });
  add('POST', '/login/totp/enroll/verify', (request) => {
    const { login, session, identity, code } = pending(request);
    if (identity.mfa === undefined || !takeCode(context, identity, code)) throw wrongTotp();
    identity.mfa.verified = true;
    network.identities.touched();
    markTotpPassed(context, session);
    return nextStep(context, flows, login);
  });
  add('DELETE', '/login/totp/enroll', (request) => {
    const { identity, code } = pending(request);
    if (identity.mfa === undefined) throw notFound();
    if (identity.mfa.verified && !takeCode(context, identity, code)) throw wrongTotp();
    identity.mfa = undefined;
    network.identities.touched();
    return { json: {} };
  });
}

async function issueTokens(context: ControllerContext, flows: OidcFlows, request: ApiRequest): Promise<ApiReply> {
  const form = new URLSearchParams(request.body.toString('utf8'));
  const grant = form.get('grant_type');
  const clientId = form.get('client_id') ?? basicClient(request);
  if (grant === 'authorization_code') {
    const { tokens, login } = flows.redeem(
      form.get('code') ?? '',
      clientId ?? '',
      form.get('redirect_uri') ?? '',
      form.get('code_verifier') ?? '',
    );
    return { json: tokenReply(context, tokens, login.signedCertificate) };
  }
  if (grant === 'refresh_token') {
    const csrPem = form.get('csr_pem') ?? undefined;
    const refreshed = await flows.refresh(form.get('refresh_token') ?? '', clientId ?? '', request, csrPem);
    return { json: tokenReply(context, refreshed.tokens, refreshed.certificate) };
  }
  if (grant === exchangeGrant) return { json: await exchange(context, flows, form, request) };
  throw new OauthError('unsupported_grant_type', `grant_type ${grant ?? ''} is not supported`);
}

/** Client id of an `Authorization: Basic` header (RFC 6749 section 2.3.1). */
function basicClient(request: ApiRequest): string | undefined {
  const encoded = /^Basic\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8').split(':')[0];
}

function expiresIn(context: ControllerContext): number {
  return Math.max(1, Math.floor(context.lifetimes.accessTokenMs / 1000) - 1);
}

function tokenReply(context: ControllerContext, tokens: Tokens, certificate: string | undefined): object {
  return {
    access_token: tokens.access,
    token_type: 'Bearer',
    refresh_token: tokens.refresh,
    id_token: tokens.id,
    expires_in: expiresIn(context),
    scope: 'openid offline_access',
    ...defined({ session_cert: certificate }),
  };
}

/** RFC 8693, as OpenZiti's Go SDK refreshes. */
async function exchange(
  context: ControllerContext,
  flows: OidcFlows,
  form: URLSearchParams,
  request: ApiRequest,
): Promise<object> {
  const subject = form.get('subject_token') ?? '';
  const wanted = form.get('requested_token_type') ?? `${tokenTypes}access_token`;
  if (form.get('subject_token_type') !== `${tokenTypes}refresh_token`) {
    throw new OauthError('invalid_request', 'only refresh tokens can be exchanged');
  }
  const common = {
    token_type: 'Bearer',
    issued_token_type: wanted,
    expires_in: expiresIn(context),
    scope: 'openid offline_access',
  };
  if (wanted === `${tokenTypes}id_token`) {
    const { session } = flows.checkRefresh(subject, undefined, request);
    return { ...common, token_type: 'N_A', access_token: flows.idToken(session, 'native', undefined) };
  }
  const { tokens } = await flows.refresh(subject, undefined, request, undefined);
  return { ...common, access_token: tokens.access, refresh_token: tokens.refresh };
}

function revoke(context: ControllerContext, request: ApiRequest): ApiReply {
  const token = new URLSearchParams(request.body.toString('utf8')).get('token') ?? '';
  const verified = context.signer.verify(token, context.network.clock.now());
  const id = verified.ok ? verified.claims['z_asid'] : undefined;
  if (typeof id === 'string') {
    context.network.removeApiSession(id);
    context.network.accessChanged();
  }
  return { json: {} };
}

function userInfo(context: ControllerContext, request: ApiRequest): ApiReply {
  const verified = context.signer.verify(bearerTokens(request)[0] ?? '', context.network.clock.now());
  const identity = verified.ok ? context.network.identities.get(String(verified.claims['sub'])) : undefined;
  if (identity === undefined) throw new ApiError(401, 'UNAUTHORIZED', 'not authenticated');
  return { json: { sub: identity.id, name: identity.name } };
}

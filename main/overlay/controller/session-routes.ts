/** API sessions of the older kind: authenticate, look, extend, add certificates, log out. */
import { newUuid } from '../ids.ts';
import type { ApiSessionRecord, IdentityFile } from '../model.ts';
import { fingerprintOfPem } from '../pki.ts';
import { totpMatches } from '../totp.ts';
import { bearerTokens, requireCaller, requirePartialCaller, type Caller, type ControllerContext } from './context.ts';
import { authenticate, claimText, type Authenticated, verifyExternalToken } from './credentials.ts';
import {
  ApiError,
  data,
  jsonBody,
  requiredString,
  stringList,
  type ApiReply,
  type ApiRequest,
  type Routes,
} from './http.ts';
import { iso, sessionView } from './views.ts';

const sessionCertificateMs = 12 * 3_600_000;

/** Mount below `base` (client or management API). */
export function addSessionRoutes(routes: Routes, base: string, context: ControllerContext): void {
  routes.add('POST', `${base}/authenticate`, (request) => {
    // The offer is for clients; administration has this one way only.
    if (context.authentication === 'oidc' && base.includes('/client/')) {
      throw new ApiError(400, 'INVALID_AUTH_METHOD', 'The supplied authentication method is not valid');
    }
    return signIn(context, request);
  });
  routes.add('POST', `${base}/authenticate/mfa`, (request) => {
    const caller = requirePartialCaller(context, request);
    takeTotp(context, caller, requiredString(jsonBody(request), 'code'));
    return data({});
  });
  routes.add('GET', `${base}/current-api-session`, async (request) => {
    const caller = requirePartialCaller(context, request);
    await takeSecondaryToken(context, request, caller.session);
    return data(currentView(context, caller));
  });
  routes.add('DELETE', `${base}/current-api-session`, (request) => {
    const caller = requirePartialCaller(context, request);
    if (caller.session.kind === 'oidc') throw notFound();
    context.network.removeApiSession(caller.session.id);
    return data({});
  });
  routes.add('GET', `${base}/current-api-session/service-updates`, (request) => {
    requireCaller(context, request);
    return data({ lastChangeAt: iso(context.network.lastChangeAt) });
  });
  routes.add('POST', `${base}/current-api-session/certificates`, async (request) => {
    const caller = requireCaller(context, request);
    return data(await certificateFor(context, caller, requiredString(jsonBody(request), 'csr')), { status: 201 });
  });
  routes.add('POST', `${base}/current-api-session/totp-token`, (request) => {
    const caller = requireCaller(context, request);
    if (caller.session.kind === 'legacy') {
      throw new ApiError(400, 'INVALID_BACKING_TOKEN_TYPE', 'The backing token type is invalid');
    }
    takeTotp(context, caller, requiredString(jsonBody(request), 'code'));
    const now = context.network.clock.now();
    const token = context.signer.sign({
      iss: `${context.url()}/oidc`,
      sub: caller.identity.id,
      jti: newUuid(),
      iat: Math.floor(now / 1000),
      z_asid: caller.session.id,
      z_t: 't',
    });
    return data({ token, issuedAt: iso(now) }, { status: 201 });
  });
}

/** The refusal for what is not there. */
export function notFound(): ApiError {
  return new ApiError(404, 'NOT_FOUND', 'The resource requested was not found or is no longer available');
}

/** The refusal of a wrong one-time password. */
export function wrongCode(): ApiError {
  return new ApiError(400, 'MFA_INVALID_TOKEN', 'An invalid token/code was provided');
}

async function signIn(context: ControllerContext, request: ApiRequest): Promise<ApiReply> {
  const body = request.body.length === 0 ? {} : jsonBody(request);
  const who = await authenticate(context, request.query.get('method') ?? '', request, body);
  const session = context.network.addApiSession({
    ...sessionOf(who, stringList(body, 'configTypes')),
    kind: 'legacy',
    token: newUuid(),
  });
  await takeSecondaryToken(context, request, session);
  const view = currentView(context, { session, identity: who.identity, claims: undefined });
  const authenticator = context.network.authenticators.get(who.authenticatorId);
  return data(view, {
    headers: {
      'expiration-seconds': String(view.expirationSeconds),
      'expires-at': view.expiresAt,
      ...(authenticator?.extendRequested === true ? { 'ziti-authenticator-extend-requested': 'true' } : {}),
    },
  });
}

/** The common part of a new session: what was shown and what still has to be. */
export function sessionOf(who: Authenticated, configTypes: readonly string[]) {
  const { policy, identity } = who;
  return {
    identityId: identity.id,
    authenticatorId: who.authenticatorId,
    configTypes: [...configTypes],
    fingerprints: [...who.fingerprints],
    totpPending: policy.requireTotp || identity.mfa?.verified === true,
    signerPending: policy.requireExtJwtSigner === who.signerId ? undefined : policy.requireExtJwtSigner,
    totpPassedAt: undefined,
    improperClientCertChain: who.improperClientCertChain,
  };
}

/** Look for the token of the external provider a session still has to show. */
export async function takeSecondaryToken(
  context: ControllerContext,
  request: ApiRequest,
  session: ApiSessionRecord,
): Promise<void> {
  if (session.signerPending === undefined) return;
  const found = await verifyExternalToken(context.network, bearerTokens(request));
  const identity = context.network.identities.get(session.identityId);
  if (found === undefined || identity === undefined || found.signer.id !== session.signerPending) return;
  const own = found.signer.useExternalId ? identity.externalId : identity.id;
  if (claimText(found.claims, found.signer.claimsProperty) === own) session.signerPending = undefined;
}

/** Take a code: from the app or, once each, from the recovery codes. Throws MFA_INVALID_TOKEN or MFA_NOT_ENROLLED. */
export function takeTotp(context: ControllerContext, caller: Pick<Caller, 'session' | 'identity'>, code: string): void {
  const { session, identity } = caller;
  if (identity.mfa?.verified !== true) {
    throw new ApiError(409, 'MFA_NOT_ENROLLED', 'The current identity is not enrolled in MFA');
  }
  if (!takeCode(context, identity, code)) throw wrongCode();
  markTotpPassed(context, session);
}

/** True where the code is right; a recovery code is then spent. */
export function takeCode(context: ControllerContext, identity: IdentityFile, code: string): boolean {
  const mfa = identity.mfa;
  if (mfa === undefined) return false;
  if (totpMatches(mfa.secret, code, context.network.clock.now())) return true;
  const spent = mfa.verified ? mfa.recoveryCodes.indexOf(code) : -1;
  if (spent < 0) return false;
  mfa.recoveryCodes.splice(spent, 1);
  context.network.identities.touched();
  return true;
}

/** The session has shown its one-time password just now. */
export function markTotpPassed(context: ControllerContext, session: ApiSessionRecord): void {
  const now = context.network.clock.now();
  session.totpPending = false;
  context.network.updatePosture(session, (facts) => (facts.totpPassedAt = now));
  session.totpPassedAt = now;
  context.network.apiSessions.touched();
}

function currentView(context: ControllerContext, caller: Caller) {
  const expires = caller.claims?.['exp'];
  const expiresAt = typeof expires === 'number' ? expires * 1000 : context.network.expiresAt(caller.session);
  return sessionView(context, caller.session, caller.identity, expiresAt);
}

async function certificateFor(context: ControllerContext, caller: Caller, csrPem: string): Promise<object> {
  const id = newUuid();
  const certificate = await context.pki
    .signClient({
      csrPem,
      spiffeId: `spiffe://${context.trustDomain}/identity/${caller.identity.id}/apiSession/${caller.session.id}/apiSessionCertificate/${id}`,
      ...(context.authentication === 'legacy' ? {} : { subject: `CN=${caller.identity.id}` }),
      notAfter: new Date(context.network.clock.now() + sessionCertificateMs),
    })
    .catch(() => {
      throw new ApiError(400, 'COULD_NOT_PROCESS_CSR', 'The supplied csr could not be processed');
    });
  caller.session.fingerprints.push(fingerprintOfPem(certificate));
  context.network.apiSessions.touched();
  return { id, certificate, cas: context.pki.bundle, _links: {} };
}

/** The optional config types of a request: `configTypes` may be given several times. */
export function configTypesOf(request: ApiRequest, session: ApiSessionRecord): readonly string[] {
  const asked = request.query.getAll('configTypes').flatMap((value) => value.split(','));
  return asked.length > 0 ? asked : session.configTypes;
}

/** The filters `name="x"`, `id="x"` and `id in ["x","y"]`, the only ones understood; anything else selects everything. */
export function nameFilter(request: ApiRequest): (record: { readonly id: string; readonly name: string }) => boolean {
  const filter = request.query.get('filter') ?? '';
  const several = /^\s*id\s+in\s*\[((?:\s*"[^"]*"\s*,?)*)\]/.exec(filter)?.[1];
  if (several !== undefined) {
    const ids = new Set([...several.matchAll(/"([^"]*)"/g)].map(([, id]) => id));
    return (record) => ids.has(record.id);
  }
  const match = /^\s*(name|id)\s*=\s*"([^"]*)"/.exec(filter);
  if (match === null) return () => true;
  return (record) => (match[1] === 'name' ? record.name : record.id) === match[2];
}

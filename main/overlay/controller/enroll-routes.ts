/** Enrolment: a one-time token, a third-party certificate or a password becomes a way to authenticate. */
import { randomBytes, X509Certificate } from 'node:crypto';
import { defined } from '../../base/defined.ts';
import { isTunnelerError } from '../../base/errors.ts';
import { newUuid } from '../ids.ts';
import { defaultAuthPolicyId, type AuthorityRecord, type EnrollmentRecord, type IdentityFile } from '../model.ts';
import { fingerprintOf, fingerprintOfPem } from '../pki.ts';
import { bearerTokens, type ControllerContext } from './context.ts';
import { controllerView } from './info-routes.ts';
import { claimText, hashPassword, verifyExternalToken } from './credentials.ts';
import {
  ApiError,
  data,
  jsonBody,
  optionalString,
  requiredString,
  stringList,
  type ApiReply,
  type ApiRequest,
  type Routes,
} from './http.ts';

/** Mount `/enroll` and its typed siblings below `base`. */
export function addEnrollRoutes(routes: Routes, base: string, context: ControllerContext): void {
  routes.add('POST', `${base}/enroll`, (request) => {
    const method = request.query.get('method') ?? 'ott';
    const token = request.query.get('token') ?? '';
    if (method === 'ott') return enrollOneTime(context, token, csrOf(request));
    if (method === 'ottca') return enrollThirdParty(context, token, request);
    if (method === 'ca') return enrollAutomatically(context, request);
    if (method === 'updb') return enrollPassword(context, token, jsonBody(request));
    throw new ApiError(400, 'INVALID_ENROLL_METHOD', 'The supplied enrollment method is not valid');
  });
  routes.add('POST', `${base}/enroll/ott`, (request) => {
    const body = jsonBody(request);
    return enrollOneTime(context, requiredString(body, 'token'), optionalString(body, 'clientCsr') ?? '');
  });
  routes.add('POST', `${base}/enroll/ottca`, (request) =>
    enrollThirdParty(context, optionalString(jsonBody(request), 'token') ?? '', request),
  );
  routes.add('POST', `${base}/enroll/ca`, (request) => enrollAutomatically(context, request));
  routes.add('POST', `${base}/enroll/updb`, (request) => {
    const body = jsonBody(request);
    return enrollPassword(context, requiredString(body, 'token'), body);
  });
  routes.add('POST', `${base}/enroll/token`, (request) => enrollByExternalToken(context, request));
}

/** The certificate request: the body itself, or the field `clientCsr` of a JSON one. */
function csrOf(request: ApiRequest): string {
  const isJson = (request.headers['content-type'] ?? '').includes('application/json');
  return isJson ? (optionalString(jsonBody(request), 'clientCsr') ?? '') : request.body.toString('utf8');
}

function openEnrollment(
  context: ControllerContext,
  token: string,
  method: EnrollmentRecord['method'],
): [EnrollmentRecord, IdentityFile] {
  const { network } = context;
  const enrollment = network.enrollments.find((entry) => entry.token === token && entry.method === method);
  const identity = network.identities.get(enrollment?.identityId);
  if (enrollment === undefined || identity === undefined) {
    throw new ApiError(400, 'INVALID_ENROLLMENT_TOKEN', 'The supplied token is not valid');
  }
  if (enrollment.expiresAt <= network.clock.now()) {
    throw new ApiError(400, 'ENROLLMENT_EXPIRED', 'The window for this enrollment has expired');
  }
  return [enrollment, identity];
}

async function enrollOneTime(context: ControllerContext, token: string, csrPem: string): Promise<ApiReply> {
  const [enrollment, identity] = openEnrollment(context, token, 'ott');
  const certPem = await signFor(context, identity.id, csrPem);
  // Signing took a turn: whoever came first has the token.
  if (!context.network.enrollments.delete(enrollment.id)) {
    throw new ApiError(400, 'INVALID_ENROLLMENT_TOKEN', 'The supplied token is not valid');
  }
  addCertificate(context, identity.id, certPem, true);
  context.log.info('overlay.identity_enrolled', { identity: identity.name, method: 'ott' });
  return data({ cert: certPem, ...controllersOf(context) });
}

/** From release 2.1 on an enrolment tells of every controller of the network. */
function controllersOf(context: ControllerContext): { controllers?: readonly object[] } {
  if (context.release !== '2.1') return {};
  const { id, certPem, apiAddresses } = controllerView(context);
  return { controllers: [{ id, certPem, apiAddresses }] };
}

/** Sign a client's request for its identity. Throws COULD_NOT_PROCESS_CSR. */
export async function signFor(context: ControllerContext, identityId: string, csrPem: string): Promise<string> {
  const imitatesSecondRelease = context.authentication !== 'legacy';
  try {
    return await context.pki.signClient({
      csrPem,
      // Release 1.7 writes no such name.
      ...(imitatesSecondRelease ? { spiffeId: `spiffe://${context.trustDomain}/identity/${identityId}` } : {}),
      notAfter: new Date(context.network.clock.now() + context.lifetimes.clientCertificateMs),
    });
  } catch (error) {
    if (!isTunnelerError(error, 'overlay.invalid')) throw error;
    throw new ApiError(400, 'COULD_NOT_PROCESS_CSR', 'The supplied csr could not be processed', {
      reason: { message: error.message },
    });
  }
}

/** Make a certificate a way to authenticate. */
export function addCertificate(
  context: ControllerContext,
  identityId: string,
  certPem: string,
  issuedByNetwork: boolean,
): void {
  context.network.authenticators.put({
    ...context.network.stamp(),
    identityId,
    method: 'cert',
    fingerprint: fingerprintOfPem(certPem),
    certPem,
    issuedByNetwork,
  });
}

/** The client's certificate and the verified authority that signed it. */
function thirdPartyCertificate(
  context: ControllerContext,
  request: ApiRequest,
  allowed: (authority: AuthorityRecord) => boolean,
): [X509Certificate, AuthorityRecord] {
  const leaf = request.clientCertificates[0];
  if (leaf === undefined)
    throw new ApiError(400, 'CERT_FAILED_VALIDATION', 'certificate failed to validate against CA');
  const certificate = new X509Certificate(leaf);
  const authorities = context.network.authorities.filter((entry) => entry.isVerified && allowed(entry));
  if (authorities.length === 0) throw new ApiError(400, 'ENROLLMENT_NO_VALID_CAS', 'No CAs are valid for this request');
  const authority = authorities.find((entry) => certificate.verify(new X509Certificate(entry.certPem).publicKey));
  if (authority === undefined) {
    throw new ApiError(400, 'CERT_FAILED_VALIDATION', 'certificate failed to validate against CA');
  }
  const fingerprint = fingerprintOf(leaf);
  if (context.network.authenticators.find((entry) => entry.fingerprint === fingerprint) !== undefined) {
    throw new ApiError(409, 'CERT_IN_USE', 'The certificate supplied is already associated with another identity');
  }
  return [certificate, authority];
}

function enrollThirdParty(context: ControllerContext, token: string, request: ApiRequest): ApiReply {
  const [enrollment, identity] = openEnrollment(context, token, 'ottca');
  const [certificate] = thirdPartyCertificate(
    context,
    request,
    (entry) => entry.id === enrollment.caId && entry.isOttCaEnrollmentEnabled,
  );
  context.network.enrollments.delete(enrollment.id);
  addCertificate(context, identity.id, certificate.toString(), false);
  return data(controllersOf(context));
}

function enrollAutomatically(context: ControllerContext, request: ApiRequest): ApiReply {
  const [certificate, authority] = thirdPartyCertificate(context, request, (entry) => entry.isAutoCaEnrollmentEnabled);
  const wanted = request.body.length === 0 ? undefined : optionalString(jsonBody(request), 'name');
  const commonName = /CN=([^\n,]+)/.exec(certificate.subject)?.[1] ?? 'unnamed';
  const name =
    wanted ??
    authority.identityNameFormat.replaceAll('[caName]', authority.name).replaceAll('[commonName]', commonName);
  const identity = addIdentity(context, name, { roleAttributes: [...authority.identityRoles] });
  addCertificate(context, identity.id, certificate.toString(), false);
  return data({});
}

function enrollPassword(context: ControllerContext, token: string, body: Readonly<Record<string, unknown>>): ApiReply {
  const [enrollment, identity] = openEnrollment(context, token, 'updb');
  const password = requiredString(body, 'password');
  context.network.enrollments.delete(enrollment.id);
  addPassword(context, identity.id, enrollment.username ?? identity.name, password);
  return data({ username: enrollment.username ?? identity.name, ...controllersOf(context) });
}

/** Make a password a way to authenticate. */
export function addPassword(context: ControllerContext, identityId: string, username: string, password: string): void {
  const salt = randomBytes(16).toString('hex');
  context.network.authenticators.put({
    ...context.network.stamp(),
    identityId,
    method: 'updb',
    username,
    salt,
    hash: hashPassword(password, salt).toString('hex'),
  });
}

async function enrollByExternalToken(context: ControllerContext, request: ApiRequest): Promise<ApiReply> {
  const found = await verifyExternalToken(context.network, bearerTokens(request));
  const csrPem = optionalString(jsonBody(request), 'clientCsr');
  const isAllowed = csrPem === undefined ? found?.signer.enrollToTokenEnabled : found?.signer.enrollToCertEnabled;
  if (found === undefined || isAllowed !== true) {
    throw new ApiError(409, 'INVALID_ENROLLMENT_NOT_ALLOWED', 'The enrollment is not allowed');
  }
  const { signer, claims } = found;
  const externalId = claimText(claims, signer.claimsProperty);
  if (externalId === undefined) throw new ApiError(400, 'INVALID_ENROLLMENT_TOKEN', 'The supplied token is not valid');
  if (context.network.identities.find((entry) => entry.externalId === externalId) !== undefined) {
    throw new ApiError(409, 'ENROLLMENT_IDENTITY_ALREADY_ENROLLED', 'The identity is already enrolled');
  }
  const identity = addIdentity(context, claimText(claims, signer.enrollNameClaim) ?? externalId, {
    externalId,
    roleAttributes: signer.enrollAttributes.flatMap((name) => stringList({ ...claims }, name)),
  });
  if (csrPem === undefined) return data(controllersOf(context));
  const cert = await signFor(context, identity.id, csrPem);
  addCertificate(context, identity.id, cert, true);
  return data({ cert, ca: context.pki.bundle, ...controllersOf(context) });
}

/** Add an identity with everything default but what is given. */
export function addIdentity(
  context: Pick<ControllerContext, 'network'>,
  name: string,
  given: Partial<Omit<IdentityFile, 'id' | 'createdAt' | 'name'>> = {},
): IdentityFile {
  const identity = context.network.identities.put({
    ...context.network.stamp(),
    name,
    isAdmin: false,
    disabled: false,
    roleAttributes: [],
    externalId: undefined,
    authPolicyId: defaultAuthPolicyId,
    appData: {},
    tags: {},
    defaultHostingCost: 0,
    defaultHostingPrecedence: 'default',
    serviceHostingCosts: {},
    serviceHostingPrecedences: {},
    serviceConfigs: {},
    mfa: undefined,
    ...given,
  });
  context.network.accessChanged();
  return identity;
}

/** Make a one-time token; `claims.exp` and the record agree. */
export function addEnrollment(
  context: ControllerContext,
  identityId: string,
  method: EnrollmentRecord['method'],
  options: { readonly username?: string; readonly caId?: string; readonly expiresInMs?: number } = {},
): EnrollmentRecord {
  const token = newUuid();
  const expiresAt = context.network.clock.now() + (options.expiresInMs ?? context.lifetimes.enrollmentMs);
  const jwt = context.signer.sign({
    iss: context.url(),
    sub: identityId,
    aud: [''],
    exp: Math.floor(expiresAt / 1000),
    jti: token,
    em: method,
    ctrls: null,
  });
  return context.network.enrollments.put({
    ...context.network.stamp(),
    identityId,
    method,
    token,
    jwt,
    expiresAt,
    ...defined({ username: options.username, caId: options.caId }),
  });
}

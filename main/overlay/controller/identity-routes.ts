/** One's own identity: what it is, its certificates and their renewal, its one-time passwords. */
import { X509Certificate } from 'node:crypto';
import { newId } from '../ids.ts';
import type { AuthenticatorRecord, IdentityFile, MfaRecord } from '../model.ts';
import { fingerprintOf, fingerprintOfPem } from '../pki.ts';
import { newRecoveryCodes, newTotpSecret } from '../totp.ts';
import { requireCaller, requirePartialCaller, type Caller, type ControllerContext } from './context.ts';
import { signFor } from './enroll-routes.ts';
import { ApiError, data, jsonBody, page, requiredString, type ApiRequest, type Routes } from './http.ts';
import { markTotpPassed, notFound, takeCode, wrongCode } from './session-routes.ts';
import { identityView, iso } from './views.ts';

/** Mount below `base`. */
export function addIdentityRoutes(routes: Routes, base: string, context: ControllerContext): void {
  const own = `${base}/current-identity`;
  routes.add('GET', own, (request) =>
    data(identityView(context.network, requirePartialCaller(context, request).identity)),
  );
  routes.add('GET', `${own}/authenticators`, (request) => {
    const caller = requireCaller(context, request);
    return page(authenticatorsOf(context, caller).map(authenticatorView), request.query);
  });
  routes.add('GET', `${own}/authenticators/{id}`, (request) =>
    data(authenticatorView(ownAuthenticator(context, requireCaller(context, request), request))),
  );
  routes.add('POST', `${own}/authenticators/{id}/extend`, (request) => extend(context, request));
  routes.add('POST', `${own}/authenticators/{id}/extend-verify`, (request) => confirmExtension(context, request));
  addMfaRoutes(routes, `${own}/mfa`, context);
}

function authenticatorsOf(context: ControllerContext, caller: Caller): AuthenticatorRecord[] {
  return context.network.authenticators.filter((entry) => entry.identityId === caller.identity.id);
}

/** An authenticator without its secrets. */
export function authenticatorView(record: AuthenticatorRecord): object {
  return {
    id: record.id,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    _links: { self: { href: `./authenticators/${record.id}` } },
    tags: {},
    method: record.method,
    identityId: record.identityId,
    identity: { id: record.identityId, entity: 'identities', _links: {} },
    ...(record.method === 'cert'
      ? {
          fingerprint: record.fingerprint,
          certPem: record.certPem ?? '',
          isIssuedByNetwork: record.issuedByNetwork === true,
          isExtendRequested: record.extendRequested === true,
          isKeyRollRequested: record.keyRollRequested === true,
        }
      : { username: record.username }),
  };
}

function ownAuthenticator(context: ControllerContext, caller: Caller, request: ApiRequest): AuthenticatorRecord {
  const record = context.network.authenticators.get(request.params['id']);
  if (record?.identityId !== caller.identity.id) throw notFound();
  return record;
}

/** The authenticator, where the connection shows its present certificate. */
function extendable(context: ControllerContext, request: ApiRequest): [AuthenticatorRecord, Caller] {
  const caller = requireCaller(context, request);
  const record = ownAuthenticator(context, caller, request);
  const leaf = request.clientCertificates[0];
  if (record.method !== 'cert' || record.issuedByNetwork !== true) {
    throw new ApiError(409, 'CAN_NOT_UPDATE_AUTHENTICATOR', 'The authenticator cannot be updated in this fashion');
  }
  if (leaf === undefined || fingerprintOf(leaf) !== record.fingerprint) {
    throw new ApiError(400, 'INVALID_CLIENT_CERT', 'The provided client certificate is invalid');
  }
  return [record, caller];
}

async function extend(context: ControllerContext, request: ApiRequest) {
  const [record] = extendable(context, request);
  const certPem = await signFor(context, record.identityId, requiredString(jsonBody(request), 'clientCertCsr'));
  record.pending = { fingerprint: fingerprintOfPem(certPem), certPem };
  context.network.authenticators.touched();
  return data({ clientCert: certPem, ca: context.pki.bundle });
}

function confirmExtension(context: ControllerContext, request: ApiRequest) {
  const [record, caller] = extendable(context, request);
  const shown = fingerprintShown(requiredString(jsonBody(request), 'clientCert'));
  if (record.pending === undefined || shown !== record.pending.fingerprint) {
    throw new ApiError(400, 'INVALID_CLIENT_CERT', 'The provided client certificate is invalid');
  }
  const old = record.fingerprint;
  record.fingerprint = record.pending.fingerprint;
  record.certPem = record.pending.certPem;
  record.pending = undefined;
  record.extendRequested = false;
  record.keyRollRequested = false;
  record.updatedAt = context.network.clock.now();
  if (caller.session.kind === 'legacy') {
    caller.session.fingerprints = [...caller.session.fingerprints.filter((entry) => entry !== old), record.fingerprint];
  }
  context.network.authenticators.touched();
  return data({});
}

function fingerprintShown(pem: string): string | undefined {
  try {
    return fingerprintOf(new X509Certificate(pem).raw);
  } catch {
    // No certificate: refused as the wrong one.
    return undefined;
  }
}

function addMfaRoutes(routes: Routes, path: string, context: ControllerContext): void {
  routes.add('POST', path, (request) => {
    const { identity } = requirePartialCaller(context, request);
    if (identity.mfa !== undefined) {
      throw new ApiError(409, 'MFA_EXISTS', 'An MFA record already exists, try removing it');
    }
    const mfa = startMfa(context, identity);
    return data({ id: mfa.id, _links: { self: { href: './current-identity/mfa' } } }, { status: 201 });
  });
  routes.add('GET', path, (request) => {
    const { identity } = requirePartialCaller(context, request);
    return data(mfaView(identity, startedMfa(identity)));
  });
  routes.add('GET', `${path}/qr-code`, (request) => {
    startedMfa(requirePartialCaller(context, request).identity);
    throw new ApiError(404, 'NOT_FOUND', 'The embedded overlay draws no QR codes; use provisioningUrl');
  });
  routes.add('POST', `${path}/verify`, (request) => {
    const { identity, session } = requirePartialCaller(context, request);
    const mfa = startedMfa(identity);
    if (!takeCode(context, identity, requiredString(jsonBody(request), 'code'))) throw wrongCode();
    mfa.verified = true;
    context.network.identities.touched();
    markTotpPassed(context, session);
    return data({});
  });
  routes.add('DELETE', path, (request) => {
    const { identity, session } = requirePartialCaller(context, request);
    const mfa = startedMfa(identity);
    if (mfa.verified && !takeCode(context, identity, codeHeader(request))) throw wrongCode();
    identity.mfa = undefined;
    session.totpPassedAt = undefined;
    context.network.identities.touched();
    context.network.updatePosture(session, (facts) => (facts.totpPassedAt = undefined));
    return data({});
  });
  routes.add('GET', `${path}/recovery-codes`, (request) => {
    const { identity } = requireCaller(context, request);
    const mfa = enrolledMfa(identity);
    if (!takeCode(context, identity, codeHeader(request))) throw wrongCode();
    return data({ recoveryCodes: mfa.recoveryCodes });
  });
  routes.add('POST', `${path}/recovery-codes`, (request) => {
    const { identity } = requireCaller(context, request);
    const mfa = enrolledMfa(identity);
    if (!takeCode(context, identity, requiredString(jsonBody(request), 'code'))) throw wrongCode();
    mfa.recoveryCodes = newRecoveryCodes();
    context.network.identities.touched();
    return data({});
  });
}

/** Begin one-time passwords for an identity; they count once a first code was shown. */
export function startMfa(context: ControllerContext, identity: IdentityFile): MfaRecord {
  identity.mfa = { id: newId(), secret: newTotpSecret(), verified: false, recoveryCodes: newRecoveryCodes() };
  context.network.identities.touched();
  return identity.mfa;
}

/** `otpauth:` URL of a begun enrolment. */
export function provisioningUrl(identity: IdentityFile, mfa: MfaRecord): string {
  return `otpauth://totp/ziti.dev:${encodeURIComponent(identity.name)}?issuer=ziti.dev&secret=${mfa.secret}`;
}

function mfaView(identity: IdentityFile, mfa: MfaRecord): object {
  return {
    ...{ id: mfa.id, createdAt: iso(identity.createdAt), updatedAt: iso(identity.updatedAt), tags: {}, _links: {} },
    isVerified: mfa.verified,
    // Shown only until the enrolment is confirmed (openziti/ziti: controller/internal/routes/current_identity_mfa_model).
    ...(mfa.verified ? {} : { provisioningUrl: provisioningUrl(identity, mfa), recoveryCodes: mfa.recoveryCodes }),
  };
}

function startedMfa(identity: IdentityFile): MfaRecord {
  if (identity.mfa === undefined) throw notFound();
  return identity.mfa;
}

function enrolledMfa(identity: IdentityFile): MfaRecord {
  if (identity.mfa?.verified !== true) {
    throw new ApiError(409, 'MFA_NOT_ENROLLED', 'The current identity is not enrolled in MFA');
  }
  return identity.mfa;
}

function codeHeader(request: ApiRequest): string {
  const code = request.headers['mfa-validation-code'];
  return typeof code === 'string' ? code : '';
}

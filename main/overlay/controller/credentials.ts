/** Primary authentication: a client certificate, a password, or a token of an external provider → an identity. */
import { scryptSync, timingSafeEqual, X509Certificate } from 'node:crypto';
import { createRemoteJWKSet, decodeJwt, importX509, jwtVerify, type JWTPayload } from 'jose';
import type { AuthPolicyRecord, IdentityFile, SignerRecord } from '../model.ts';
import { fingerprintOf } from '../pki.ts';
import type { Network } from '../network.ts';
import { bearerTokens, type ControllerContext } from './context.ts';
import { ApiError, optionalString, type ApiRequest } from './http.ts';

/** Who authenticated and how. */
export interface Authenticated {
  readonly identity: IdentityFile;
  readonly policy: AuthPolicyRecord;
  /** Empty for external tokens. */
  readonly authenticatorId: string;
  /** Fingerprint of the client certificate shown, where it counts. */
  readonly fingerprints: readonly string[];
  readonly improperClientCertChain: boolean;
  /** Signer whose token was the primary factor. */
  readonly signerId: string | undefined;
}

/** OpenZiti's one vague refusal of credentials. */
export function invalidAuth(): ApiError {
  return new ApiError(401, 'INVALID_AUTH', 'The authentication request failed');
}

/** Authenticate by `method`. Throws INVALID_AUTH, or INVALID_AUTH_METHOD for a method there is not. */
export async function authenticate(
  context: ControllerContext,
  method: string,
  request: ApiRequest,
  body: Readonly<Record<string, unknown>>,
): Promise<Authenticated> {
  if (method === 'cert') return byCertificate(context, request);
  if (method === 'password' || method === 'username') return byPassword(context, request, body);
  if (method === 'ext-jwt') return byExternalToken(context, request);
  throw new ApiError(400, 'INVALID_AUTH_METHOD', 'The supplied authentication method is not valid');
}

function policyOf(network: Network, identity: IdentityFile | undefined): [IdentityFile, AuthPolicyRecord] {
  const policy = network.authPolicies.get(identity?.authPolicyId);
  if (identity === undefined || identity.disabled || policy === undefined) throw invalidAuth();
  return [identity, policy];
}

function byCertificate(context: ControllerContext, request: ApiRequest): Authenticated {
  const { network, pki } = context;
  const leaf = request.clientCertificates[0];
  if (leaf === undefined) throw invalidAuth();
  const fingerprint = fingerprintOf(leaf);
  const authenticator = network.authenticators.find(
    (entry) => entry.method === 'cert' && entry.fingerprint === fingerprint,
  );
  const [identity, policy] = policyOf(network, network.identities.get(authenticator?.identityId));
  const certificate = new X509Certificate(leaf);
  const expired = Date.parse(certificate.validTo) < network.clock.now();
  if (authenticator === undefined || !policy.certAllowed || (expired && !policy.certExpiredAllowed))
    throw invalidAuth();
  const own = authenticator.issuedByNetwork === true;
  if (own && !pki.issued(certificate)) throw invalidAuth();
  return {
    identity,
    policy,
    authenticatorId: authenticator.id,
    fingerprints: [fingerprint],
    improperClientCertChain: own && request.clientCertificates.length < 2,
    signerId: undefined,
  };
}

function byPassword(
  context: ControllerContext,
  request: ApiRequest,
  body: Readonly<Record<string, unknown>>,
): Authenticated {
  const { network } = context;
  const username = optionalString(body, 'username') ?? '';
  const authenticator = network.authenticators.find((entry) => entry.method === 'updb' && entry.username === username);
  const [identity, policy] = policyOf(network, network.identities.get(authenticator?.identityId));
  if (authenticator === undefined || !policy.updbAllowed) throw invalidAuth();
  const expected = Buffer.from(authenticator.hash ?? '', 'hex');
  const given = hashPassword(optionalString(body, 'password') ?? '', authenticator.salt ?? '');
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw invalidAuth();
  const leaf = request.clientCertificates[0];
  return {
    identity,
    policy,
    authenticatorId: authenticator.id,
    fingerprints: leaf === undefined ? [] : [fingerprintOf(leaf)],
    improperClientCertChain: false,
    signerId: undefined,
  };
}

/** scrypt of a password. */
export function hashPassword(password: string, saltHex: string): Buffer {
  return scryptSync(password, Buffer.from(saltHex, 'hex'), 32, { N: 4096 });
}

async function byExternalToken(context: ControllerContext, request: ApiRequest): Promise<Authenticated> {
  const { network } = context;
  const found = await verifyExternalToken(network, bearerTokens(request));
  if (found === undefined) throw invalidAuth();
  const subject = claimText(found.claims, found.signer.claimsProperty);
  const [identity, policy] = policyOf(
    network,
    network.identities.find((entry) => (found.signer.useExternalId ? entry.externalId : entry.id) === subject),
  );
  const allowed = policy.allowedSigners.length === 0 || policy.allowedSigners.includes(found.signer.id);
  if (!policy.extJwtAllowed || !allowed) throw invalidAuth();
  const leaf = request.clientCertificates[0];
  return {
    identity,
    policy,
    authenticatorId: '',
    fingerprints: leaf === undefined ? [] : [fingerprintOf(leaf)],
    improperClientCertChain: false,
    signerId: found.signer.id,
  };
}

/** The first of `tokens` that an enabled signer vouches for. */
export async function verifyExternalToken(
  network: Network,
  tokens: readonly string[],
): Promise<{ readonly signer: SignerRecord; readonly claims: JWTPayload } | undefined> {
  for (const token of tokens) {
    const issuer = issuerOf(token);
    const signer = network.signers.find((entry) => entry.enabled && entry.issuer === issuer);
    if (signer === undefined) continue;
    try {
      const options = { issuer: signer.issuer, ...(signer.audience === '' ? {} : { audience: signer.audience }) };
      if (signer.jwksEndpoint !== undefined) {
        const keys = createRemoteJWKSet(new URL(signer.jwksEndpoint), { timeoutDuration: 5000 });
        return { signer, claims: (await jwtVerify(token, keys, options)).payload };
      }
      return { signer, claims: (await jwtVerify(token, await signerKey(signer, token), options)).payload };
    } catch {
      // Another of the tokens may still be good; if none is, the caller refuses without saying which.
    }
  }
  return undefined;
}

async function signerKey(signer: SignerRecord, token: string): Promise<CryptoKey> {
  const pem = signer.certPem ?? '';
  const algorithm = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { alg?: string };
  return importX509(pem, algorithm.alg ?? 'RS256');
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    // Not a JWT: no signer vouches for it.
    return undefined;
  }
}

/** A claim as text; arrays and objects are no subject. */
export function claimText(claims: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = claims[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

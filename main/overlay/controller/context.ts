/** What every group of the controller's routes stands on, and who is asking. */
import { defined } from '../../base/defined.ts';
import type { Log } from '../../base/log.ts';
import type { ApiSessionRecord, IdentityFile, TerminatorStrategy } from '../model.ts';
import type { Network } from '../network.ts';
import type { OverlayRelease } from '../release.ts';
import { fingerprintOf, type Pki } from '../pki.ts';
import { stringClaim, stringsClaim, type Claims, type TokenSigner } from '../token.ts';
import { ApiError, type ApiRequest } from './http.ts';

/** How long things last, milliseconds. */
export interface Lifetimes {
  readonly accessTokenMs: number;
  readonly refreshTokenMs: number;
  readonly enrollmentMs: number;
  readonly clientCertificateMs: number;
}

/** Which ways of authentication clients are offered. */
export type AuthenticationOffer = 'legacy' | 'oidc' | 'both';

/** A terminator as the controller lists it. */
export interface TerminatorView {
  readonly id: string;
  readonly serviceId: string;
  readonly routerId: string;
  /** Terminator identity, empty where it has none. */
  readonly instanceId: string;
  readonly identityId: string;
  readonly cost: number;
  readonly precedence: 'default' | 'required' | 'failed';
  readonly strategy: TerminatorStrategy;
}

/** The one router, as far as the controller asks about it. */
export interface RouterFacts {
  readonly id: string;
  readonly name: string;
  /** `tls://host:port`. */
  readonly address: string;
  readonly isOnline: boolean;
  terminators(): readonly TerminatorView[];
}

/** What the routes may ask: records, keys, the router, and how long what they issue lasts. */
export interface ControllerContext {
  readonly network: Network;
  readonly pki: Pki;
  readonly signer: TokenSigner;
  readonly log: Log;
  readonly authentication: AuthenticationOffer;
  readonly release: OverlayRelease;
  readonly version: string;
  readonly trustDomain: string;
  readonly lifetimes: Lifetimes;
  /** `https://host:port`, no path. */
  url(): string;
  router(): RouterFacts;
}

/** Who asks. */
export interface Caller {
  readonly session: ApiSessionRecord;
  readonly identity: IdentityFile;
  /** Present for OIDC sessions. */
  readonly claims: Claims | undefined;
}

const unauthorizedText =
  'The request could not be completed. The session is not authorized or the credentials are invalid';

/** The refusal for who is not, or not fully, authenticated. */
export function unauthorized(challenge?: string): ApiError {
  return new ApiError(401, 'UNAUTHORIZED', unauthorizedText, {
    headers: defined({ 'www-authenticate': challenge }),
  });
}

/** The caller, every factor shown. Throws UNAUTHORIZED. */
export function requireCaller(context: ControllerContext, request: ApiRequest): Caller {
  const caller = requirePartialCaller(context, request);
  if (caller.session.totpPending || caller.session.signerPending !== undefined) throw unauthorized();
  return caller;
}

/** The caller, secondary factors perhaps still to be shown. Throws UNAUTHORIZED. */
export function requirePartialCaller(context: ControllerContext, request: ApiRequest): Caller {
  const token = request.headers['zt-session'];
  if (typeof token === 'string') return legacyCaller(context, token);
  const bearers = bearerTokens(request);
  for (const bearer of bearers) {
    const caller = oidcCaller(context, request, bearer);
    if (caller !== undefined) return caller;
  }
  if (bearers.length > 0)
    throw unauthorized(
      'Bearer realm="openziti-oidc" error="invalid" error_description="the token is invalid or expired"',
    );
  throw unauthorized(
    'zt-session realm="zt-session" error="missing" error_description="no matching token was provided"',
  );
}

/** Every `Authorization: Bearer` value. */
export function bearerTokens(request: ApiRequest): string[] {
  const header = request.headers.authorization ?? '';
  // Node joins repeated Authorization headers only where asked; several bearers may also come comma-separated.
  return header
    .split(',')
    .map((part) => /^\s*Bearer\s+(\S+)\s*$/i.exec(part)?.[1])
    .filter((token): token is string => token !== undefined);
}

function legacyCaller(context: ControllerContext, token: string): Caller {
  const { network } = context;
  const session = network.apiSessions.find((candidate) => candidate.kind === 'legacy' && candidate.token === token);
  const identity = network.identities.get(session?.identityId);
  if (session === undefined || identity === undefined || identity.disabled) {
    throw unauthorized('zt-session realm="zt-session" error="invalid" error_description="token is invalid"');
  }
  if (network.expiresAt(session) <= network.clock.now()) {
    network.removeApiSession(session.id);
    throw unauthorized('zt-session realm="zt-session" error="expired" error_description="token is expired"');
  }
  network.sessionUsed(session);
  return { session, identity, claims: undefined };
}

function oidcCaller(context: ControllerContext, request: ApiRequest, token: string): Caller | undefined {
  const { network } = context;
  const verified = context.signer.verify(token, network.clock.now());
  if (!verified.ok) {
    if (verified.refusal !== 'expired') return undefined;
    throw unauthorized('Bearer realm="openziti-oidc" error="expired" error_description="token is expired"');
  }
  const found = sessionOfClaims(network, verified.claims);
  if (found === undefined) return undefined;
  const bound = stringsClaim(verified.claims, 'z_cfs');
  const leaf = request.clientCertificates[0];
  if (bound.length > 0 && (leaf === undefined || !bound.includes(fingerprintOf(leaf)))) throw unauthorized();
  network.sessionUsed(found.session);
  return { ...found, claims: verified.claims };
}

/**
 * The session an access token stands for; re-made where this process does not know it (tokens outlive a restart).
 * Undefined where the token is of another kind, revoked, or its identity is gone or disabled.
 */
export function sessionOfClaims(
  network: Network,
  claims: Claims,
): { readonly session: ApiSessionRecord; readonly identity: IdentityFile } | undefined {
  const id = stringClaim(claims, 'z_asid');
  const identity = network.identities.get(stringClaim(claims, 'sub'));
  if (claims['z_t'] !== 'a' || id === undefined || identity === undefined || identity.disabled) return undefined;
  if (network.isRevoked(id)) return undefined;
  const known = network.apiSessions.get(id);
  if (known !== undefined) return { session: known, identity };
  const now = network.clock.now();
  const session = network.apiSessions.put({
    id,
    kind: 'oidc',
    token: undefined,
    identityId: identity.id,
    authenticatorId: stringClaim(claims, 'z_authid') ?? '',
    createdAt: now,
    lastActivityAt: now,
    configTypes: [...stringsClaim(claims, 'z_ct')],
    fingerprints: [...stringsClaim(claims, 'z_cfs')],
    totpPending: false,
    signerPending: undefined,
    totpPassedAt: undefined,
    improperClientCertChain: false,
  });
  return { session, identity };
}

/** The state of logins under way at the controller's OpenID provider, and the tokens that come of them. */
import { createHash } from 'node:crypto';
import { defined } from '../../base/defined.ts';
import { newUuid } from '../ids.ts';
import type { ApiSessionRecord, IdentityFile } from '../model.ts';
import { fingerprintOf, fingerprintOfPem } from '../pki.ts';
import { stringClaim, stringsClaim, type Claims } from '../token.ts';
import type { ControllerContext } from './context.ts';
import { ApiError, type ApiRequest } from './http.ts';

const loginLifeMs = 10 * 60_000;
const sessionCertificateMs = 365 * 86_400_000;
/** A refresh token used once still counts this long, because revocations are batched (openziti/ziti: controller/oidc_auth/storage.go). */
const usedTokenGraceMs = 5000;
/** OpenZiti's own audience, and the older one its SDKs still use as client id (openziti/ziti: common/oidc_tokens.go). */
export const clientIds = ['openziti', 'native'] as const;

/** One login under way. */
export interface Login {
  readonly id: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly nonce: string | undefined;
  readonly challenge: string;
  readonly createdAt: number;
  configTypes: string[];
  /** Once the primary factor was shown. */
  session: ApiSessionRecord | undefined;
  signedCertificate: string | undefined;
}

/** What a login or a refresh ends in, each a JWT. */
export interface Tokens {
  readonly access: string;
  readonly refresh: string;
  readonly id: string;
}

/** RFC 6749 section 5.2. */
export class OauthError extends Error {
  readonly error: string;

  constructor(error: string, description: string) {
    super(description);
    this.error = error;
  }
}

/** Logins and tokens under way, in memory alone: a restart ends logins, while tokens stand by their signature. */
export class OidcFlows {
  readonly #context: ControllerContext;
  readonly #logins = new Map<string, Login>();
  /** Authorization codes not yet redeemed. */
  readonly #codes = new Map<string, Login>();
  /** Refresh tokens used, by their id, with the moment. */
  readonly #used = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Begin a login. */
  begin(request: Pick<Login, 'clientId' | 'redirectUri' | 'state' | 'nonce' | 'challenge' | 'configTypes'>): Login {
    const now = this.#context.network.clock.now();
    for (const login of this.#logins.values()) if (login.createdAt + loginLifeMs < now) this.#logins.delete(login.id);
    const login: Login = {
      ...request,
      id: newUuid(),
      createdAt: now,
      session: undefined,
      signedCertificate: undefined,
    };
    this.#logins.set(login.id, login);
    return login;
  }

  /** A login under way. Throws INVALID_AUTH for one there is not, or no longer. */
  login(id: string | undefined): Login {
    const login = id === undefined ? undefined : this.#logins.get(id);
    if (login === undefined || login.createdAt + loginLifeMs < this.#context.network.clock.now()) {
      throw new ApiError(400, 'INVALID_AUTH', 'invalid auth request id');
    }
    return login;
  }

  isComplete(login: Login): boolean {
    return login.session !== undefined && !login.session.totpPending && login.session.signerPending === undefined;
  }

  /** The code of a complete login; the login is then over. */
  finish(login: Login): string {
    const code = newUuid();
    this.#logins.delete(login.id);
    this.#codes.set(code, login);
    return code;
  }

  /** Sign the certificate a client asked for at its login; it then stands for the session. */
  async signSessionCertificate(session: ApiSessionRecord, csrPem: string): Promise<string> {
    const { pki, trustDomain, network } = this.#context;
    const path = `identity/${session.identityId}/apiSession/${session.id}/apiSessionCertificate/${newUuid()}`;
    const certificate = await pki
      .signClient({
        csrPem,
        subject: `CN=${session.identityId}`,
        spiffeId: `spiffe://${trustDomain}/${path}`,
        notAfter: new Date(network.clock.now() + sessionCertificateMs),
      })
      .catch(() => {
        throw new ApiError(400, 'COULD_NOT_PROCESS_CSR', 'The supplied csr could not be processed');
      });
    session.fingerprints.push(fingerprintOfPem(certificate));
    network.apiSessions.touched();
    return certificate;
  }

  /** Redeem a code (PKCE, RFC 7636 section 4.6). Throws `invalid_grant`. */
  redeem(
    code: string,
    clientId: string,
    redirectUri: string,
    verifier: string,
  ): { readonly tokens: Tokens; readonly login: Login } {
    const login = this.#codes.get(code);
    this.#codes.delete(code);
    const session = login?.session;
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (
      login === undefined ||
      session === undefined ||
      login.clientId !== clientId ||
      login.redirectUri !== redirectUri
    ) {
      throw new OauthError('invalid_grant', 'invalid code');
    }
    if (login.challenge !== challenge) throw new OauthError('invalid_grant', 'invalid code challenge');
    return { tokens: this.#issue(session, clientId, login.nonce), login };
  }

  /** Take a refresh token in trade for new ones. Throws `invalid_grant` or `access_denied`. */
  async refresh(
    token: string,
    clientId: string | undefined,
    request: ApiRequest,
    csrPem: string | undefined,
  ): Promise<{ readonly tokens: Tokens; readonly certificate: string | undefined }> {
    const { session, claims } = this.checkRefresh(token, clientId, request);
    this.#context.network.sessionUsed(session);
    const id = stringClaim(claims, 'jti') ?? '';
    if (!this.#used.has(id)) this.#used.set(id, this.#context.network.clock.now());
    const isBound = stringsClaim(claims, 'z_cfs').length > 0;
    const certificate =
      csrPem !== undefined && isBound ? await this.signSessionCertificate(session, csrPem) : undefined;
    return { tokens: this.#issue(session, stringClaim(claims, 'client_id') ?? 'openziti', undefined), certificate };
  }

  /** The session of a refresh token that still counts. Throws `invalid_grant` or `access_denied`. */
  checkRefresh(
    token: string,
    clientId: string | undefined,
    request: ApiRequest,
  ): { readonly session: ApiSessionRecord; readonly claims: Claims } {
    const { network, signer } = this.#context;
    const verified = signer.verify(token, network.clock.now());
    if (!verified.ok || verified.claims['z_t'] !== 'r') throw new OauthError('invalid_grant', 'invalid refresh token');
    const { claims } = verified;
    const usedAt = this.#used.get(stringClaim(claims, 'jti') ?? '');
    const session = this.#sessionOf(claims);
    const isSpent = usedAt !== undefined && usedAt + usedTokenGraceMs < network.clock.now();
    if (session === undefined || isSpent || (clientId !== undefined && claims['client_id'] !== clientId)) {
      throw new OauthError('invalid_grant', 'invalid refresh token');
    }
    const bound = stringsClaim(claims, 'z_cfs');
    const leaf = request.clientCertificates[0];
    if (bound.length > 0 && (leaf === undefined || !bound.includes(fingerprintOf(leaf)))) {
      throw new OauthError('access_denied', 'peer certificate fingerprint does not match token');
    }
    return { session, claims };
  }

  /** `name` and the like, for who holds an access token. */
  idToken(session: ApiSessionRecord, clientId: string, nonce: string | undefined): string {
    const { signer, network, lifetimes } = this.#context;
    const seconds = Math.floor(network.clock.now() / 1000);
    return signer.sign({
      ...this.#common(session, clientId),
      exp: seconds + Math.floor(lifetimes.accessTokenMs / 1000),
      auth_time: Math.floor(session.createdAt / 1000),
      name: this.#identityOf(session)?.name ?? '',
      ...defined({ nonce }),
    });
  }

  #issue(session: ApiSessionRecord, clientId: string, nonce: string | undefined): Tokens {
    const { signer, network, lifetimes } = this.#context;
    const seconds = Math.floor(network.clock.now() / 1000);
    const identity = this.#identityOf(session);
    const authenticator = network.authenticators.get(session.authenticatorId);
    const shared = {
      ...this.#common(session, clientId),
      z_asid: session.id,
      z_cfs: session.fingerprints,
      z_ct: session.configTypes,
      z_ia: identity?.isAdmin === true,
      z_authid: session.authenticatorId,
      z_ice: authenticator?.issuedByNetwork === true,
      z_cer: authenticator?.extendRequested === true,
      z_ckrr: authenticator?.keyRollRequested === true,
      z_cae: true,
      z_iccc: session.improperClientCertChain,
      z_eid: identity?.externalId ?? '',
      scopes: ['openid', 'offline_access'],
    };
    return {
      access: signer.sign({
        ...shared,
        jti: newUuid(),
        exp: seconds + Math.floor(lifetimes.accessTokenMs / 1000),
        z_t: 'a',
      }),
      refresh: signer.sign({
        ...shared,
        jti: newUuid(),
        exp: seconds + Math.floor(lifetimes.refreshTokenMs / 1000),
        client_id: clientId,
        z_t: 'r',
      }),
      id: this.idToken(session, clientId, nonce),
    };
  }

  #common(session: ApiSessionRecord, clientId: string): Claims {
    const seconds = Math.floor(this.#context.network.clock.now() / 1000);
    const audience = [...new Set([clientId, 'openziti'])];
    return {
      iss: `${this.#context.url()}/oidc`,
      sub: session.identityId,
      aud: audience,
      iat: seconds,
      nbf: seconds,
      azp: clientId,
    };
  }

  #identityOf(session: ApiSessionRecord): IdentityFile | undefined {
    return this.#context.network.identities.get(session.identityId);
  }

  #sessionOf(claims: Claims): ApiSessionRecord | undefined {
    const { network } = this.#context;
    const id = stringClaim(claims, 'z_asid');
    const identity = network.identities.get(stringClaim(claims, 'sub'));
    if (id === undefined || identity === undefined || identity.disabled || network.isRevoked(id)) return undefined;
    return network.apiSessions.get(id);
  }
}

/**
 * Signing in with the controller as OpenID provider: authorization code with PKCE (RFC 7636), headless. Redirects are read,
 * never followed. The whole flow stays on one controller, for its state lives there. Source: ziti `controller/oidc_auth`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import {
  oidcLoginAnswer,
  readJson,
  requireSuccess,
  tokenAnswer,
  totpEnrolmentAnswer,
  type AuthQuery,
} from './answers.ts';
import { apiError, readFailure } from './api-error.ts';
import { requireCodeAccepted } from './legacy-sign-in.ts';
import { formBody, oidcClientId, toOidcSession } from './oidc-token.ts';
import type { HttpAnswer, HttpHeaders, HttpTransport } from './transport.ts';
import {
  clientInfoFields,
  type ClientInfo,
  type PendingSignIn,
  type PrimaryProof,
  type SignIn,
  type TotpEnrolment,
} from './sign-in.ts';

/** In the controller's allow-list; nothing listens there, the code is read from the redirect. */
const redirectUri = 'http://localhost:20314/auth/callback';
const scope = 'openid offline_access';

/** Who signs in, with what, and which config types services are to be told with. */
export interface OidcSignInOptions {
  /** From the controller's version answer. */
  readonly oidcPath: string;
  readonly proof: PrimaryProof;
  readonly configTypes: readonly string[];
  readonly info: ClientInfo;
  readonly secondaryToken?: string;
  /** PKCS#10 PEM for a session certificate; only where OIDC_AUTH_WITH_CSR is offered. */
  readonly csrPem?: string;
  readonly signal?: AbortSignal;
}

/** Throws `ziti.controller.*`. */
export async function signInOidc(http: HttpTransport, options: OidcSignInOptions): Promise<SignIn> {
  const login = new OidcLogin(http, options);
  await login.begin();
  return login.prove(options.secondaryToken);
}

/** One authorization request on its way to a token. The controller keeps it for ten minutes. */
class OidcLogin {
  readonly #http: HttpTransport;
  readonly #options: OidcSignInOptions;
  readonly #verifier = randomBytes(40).toString('base64url');
  readonly #state = randomBytes(16).toString('base64url');
  #requestId = '';
  #secondaryToken: string | undefined;

  constructor(http: HttpTransport, options: OidcSignInOptions) {
    this.#http = http;
    this.#options = options;
  }

  async begin(): Promise<void> {
    const query = new URLSearchParams({
      client_id: oidcClientId,
      response_type: 'code',
      scope,
      redirect_uri: redirectUri,
      state: this.#state,
      nonce: randomBytes(16).toString('base64url'),
      code_challenge: createHash('sha256').update(this.#verifier).digest('base64url'),
      code_challenge_method: 'S256',
      method: this.#options.proof.kind,
    });
    const answer = await this.#send('GET', `${this.#options.oidcPath}/authorize?${query.toString()}`);
    const target = this.#redirect(answer, 'starting to sign in');
    this.#requestId = target.searchParams.get('authRequestID') ?? target.searchParams.get('id') ?? '';
    if (this.#requestId === '') throw malformed('starting to sign in: the redirect names no request');
  }

  /** The primary proof, and with it an external token as second factor where there is one. */
  async prove(secondaryToken: string | undefined): Promise<SignIn> {
    const { proof, info, configTypes, csrPem } = this.#options;
    this.#secondaryToken = secondaryToken;
    const bearer = [proof.kind === 'ext-jwt' ? proof.token : undefined, secondaryToken].filter(
      (token) => token !== undefined,
    );
    const body = {
      id: this.#requestId,
      ...(proof.kind === 'password' ? { username: proof.username, password: proof.password } : {}),
      configTypes,
      ...clientInfoFields(info),
      ...defined({ csrPem }),
    };
    const headers = bearer.length === 0 ? {} : { authorization: bearer.map((token) => `Bearer ${token}`) };
    const path = `${this.#options.oidcPath}/login/${proof.kind}`;
    const answer = await this.#send('POST', path, { ...jsonBody, ...headers }, JSON.stringify(body));
    if (answer.status === 401) throw apiError(asInvalidAuth(answer), 'signing in');
    return this.#next(answer);
  }

  async answerTotp(code: string): Promise<SignIn> {
    const answer = await this.#post('/login/totp', { id: this.#requestId, code });
    if (answer.status >= 400) requireCodeAccepted(answer, 'checking the code');
    return this.#next(answer);
  }

  async enrollTotp(): Promise<TotpEnrolment> {
    const doing = 'setting up multi-factor authentication';
    const data = readJson(await this.#post('/login/totp/enroll', { id: this.#requestId }), totpEnrolmentAnswer, doing);
    return { provisioningUrl: data.provisioningUrl ?? '', recoveryCodes: data.recoveryCodes };
  }

  async verifyTotpEnrolment(code: string): Promise<SignIn> {
    const answer = await this.#post('/login/totp/enroll/verify', { id: this.#requestId, code });
    if (answer.status >= 400) requireCodeAccepted(answer, 'verifying the code');
    return this.#next(answer);
  }

  /** 302: on to the code. 200: more is asked. */
  async #next(answer: HttpAnswer): Promise<SignIn> {
    if (answer.status >= 300 && answer.status < 400) return this.#redeem(this.#redirect(answer, 'signing in'));
    requireSuccess(answer, 'signing in');
    const { authQueries } = readJson(answer, oidcLoginAnswer, 'signing in');
    return { kind: 'pending', pending: new OidcPending(this, authQueries) };
  }

  async #redeem(callback: URL): Promise<SignIn> {
    const answer = await this.#send('GET', `${callback.pathname}${callback.search}`);
    const target = this.#redirect(answer, 'signing in');
    const code = target.searchParams.get('code');
    if (code === null) {
      const why = target.searchParams.get('error_description') ?? target.searchParams.get('error') ?? 'no code';
      throw new TunnelerError('ziti.controller.unauthenticated', `signing in: the controller gave no code (${why})`);
    }
    if (target.searchParams.get('state') !== this.#state)
      throw malformed('signing in: the redirect carries another state');
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: oidcClientId,
      code,
      code_verifier: this.#verifier,
      redirect_uri: redirectUri,
    });
    const token = await this.#send('POST', `${this.#options.oidcPath}/oauth/token`, formBody, form.toString());
    const data = readJson(token, tokenAnswer, 'fetching the token');
    return { kind: 'complete', session: toOidcSession(data, this.#secondaryToken) };
  }

  #post(path: string, body: object): Promise<HttpAnswer> {
    return this.#send('POST', `${this.#options.oidcPath}${path}`, jsonBody, JSON.stringify(body));
  }

  #send(
    method: 'GET' | 'POST',
    path: string,
    headers: HttpHeaders = { accept: 'application/json' },
    body?: string,
  ): Promise<HttpAnswer> {
    return this.#http.send({
      method,
      path,
      headers,
      ...defined({ body, signal: this.#options.signal }),
    });
  }

  /** Where a redirect points; our own controller's paths and the unserved redirect URI alike are only read. */
  #redirect(answer: HttpAnswer, doing: string): URL {
    const location = answer.header('location');
    if (answer.status < 300 || answer.status > 399 || location === undefined) {
      if (answer.status >= 400) throw apiError(answer, doing);
      throw malformed(`${doing}: expected a redirect, got HTTP ${answer.status}`);
    }
    if (!URL.canParse(location, this.#http.origin)) throw malformed(`${doing}: the redirect is no URL`);
    return new URL(location, this.#http.origin);
  }
}

class OidcPending implements PendingSignIn {
  readonly queries: readonly AuthQuery[];
  readonly #login: OidcLogin;

  constructor(login: OidcLogin, queries: readonly AuthQuery[]) {
    this.#login = login;
    this.queries = queries;
  }

  answerTotp(code: string): Promise<SignIn> {
    return this.#login.answerTotp(code);
  }

  enrollTotp(): Promise<TotpEnrolment> {
    return this.#login.enrollTotp();
  }

  verifyTotpEnrolment(code: string): Promise<SignIn> {
    return this.#login.verifyTotpEnrolment(code);
  }

  provideExternal(token: string): Promise<SignIn> {
    return this.#login.prove(token);
  }
}

const jsonBody = { accept: 'application/json', 'content-type': 'application/json' } as const;

/** A 401 at login always means the proof, whatever its words; some releases answer it in plain text. */
function asInvalidAuth(answer: HttpAnswer): HttpAnswer {
  const text = JSON.stringify({ code: 'INVALID_AUTH', message: readFailure(answer).message });
  return { status: answer.status, header: (name) => answer.header(name), text };
}

function malformed(sentence: string): TunnelerError {
  return new TunnelerError('ziti.controller.malformed', sentence);
}

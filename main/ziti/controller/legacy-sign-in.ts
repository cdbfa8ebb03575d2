/** The older API session: one POST, a token, a sliding expiry. Source: edge-api client.yml `/authenticate`. */
import { defined, whenDefined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { apiSessionAnswer, readData, requireSuccess, totpEnrolmentAnswer, type ApiSessionAnswer } from './answers.ts';
import type { HttpAnswer, HttpTransport } from './transport.ts';
import {
  clientInfoFields,
  type ClientInfo,
  type LegacySession,
  type PendingSignIn,
  type PrimaryProof,
  type SignIn,
  type TotpEnrolment,
} from './sign-in.ts';
import { clientApiPath } from './version.ts';

/** Half an hour, the controller's default; only where it does not say. */
const defaultLifetimeSeconds = 1800;

/** Who signs in, with what, and which config types services are to be told with. */
export interface LegacySignInOptions {
  readonly proof: PrimaryProof;
  readonly configTypes: readonly string[];
  readonly info: ClientInfo;
  /** External token as second factor, where one is at hand. */
  readonly secondaryToken?: string;
  readonly signal?: AbortSignal;
}

/** Throws `ziti.controller.*`. */
export async function signInLegacy(http: HttpTransport, options: LegacySignInOptions): Promise<SignIn> {
  const { proof } = options;
  const bearer = proof.kind === 'ext-jwt' ? proof.token : options.secondaryToken;
  const credentials = proof.kind === 'password' ? { username: proof.username, password: proof.password } : {};
  const answer = await http.send({
    method: 'POST',
    path: `${clientApiPath}/authenticate?method=${proof.kind}`,
    headers: { ...jsonHeaders, ...defined({ authorization: whenDefined(bearer, (token) => `Bearer ${token}`) }) },
    body: JSON.stringify({ ...credentials, configTypes: options.configTypes, ...clientInfoFields(options.info) }),
    ...defined({ signal: options.signal }),
  });
  const data = readData(answer, apiSessionAnswer, 'signing in');
  return toSignIn(http, options, data, answer, bearer);
}

/** Read the session again: extends it, and tells what changed. Throws `ziti.controller.session_expired`. */
export async function readLegacySession(
  http: HttpTransport,
  session: Pick<LegacySession, 'token' | 'bearer'>,
  signal?: AbortSignal,
): Promise<{ readonly session: LegacySession; readonly pendingQueries: ApiSessionAnswer['authQueries'] }> {
  const answer = await http.send({
    method: 'GET',
    path: `${clientApiPath}/current-api-session`,
    headers: sessionHeaders(session),
    ...defined({ signal }),
  });
  const data = readData(answer, apiSessionAnswer, 'refreshing the session');
  return { session: toSession(data, answer, session.bearer), pendingQueries: data.authQueries };
}

function toSignIn(
  http: HttpTransport,
  options: LegacySignInOptions,
  data: ApiSessionAnswer,
  answer: HttpAnswer,
  bearer: string | undefined,
): SignIn {
  const session = toSession(data, answer, bearer);
  if (data.authQueries.length === 0) return { kind: 'complete', session };
  return { kind: 'pending', pending: new LegacyPending(http, options, session, data.authQueries) };
}

class LegacyPending implements PendingSignIn {
  readonly queries: ApiSessionAnswer['authQueries'];
  readonly #http: HttpTransport;
  readonly #options: LegacySignInOptions;
  readonly #session: LegacySession;

  constructor(
    http: HttpTransport,
    options: LegacySignInOptions,
    session: LegacySession,
    queries: ApiSessionAnswer['authQueries'],
  ) {
    this.#http = http;
    this.#options = options;
    this.#session = session;
    this.queries = queries;
  }

  async answerTotp(code: string): Promise<SignIn> {
    await answerLegacyTotp(this.#http, this.#session, code);
    return this.#reread();
  }

  async enrollTotp(): Promise<TotpEnrolment> {
    const headers = sessionHeaders(this.#session);
    const started = await this.#http.send({
      method: 'POST',
      path: `${clientApiPath}/current-identity/mfa`,
      headers,
      body: '{}',
    });
    requireSuccess(started, 'setting up multi-factor authentication');
    const answer = await this.#http.send({ method: 'GET', path: `${clientApiPath}/current-identity/mfa`, headers });
    const data = readData(answer, totpEnrolmentAnswer, 'setting up multi-factor authentication');
    return { provisioningUrl: data.provisioningUrl ?? '', recoveryCodes: data.recoveryCodes };
  }

  async verifyTotpEnrolment(code: string): Promise<SignIn> {
    const answer = await this.#http.send({
      method: 'POST',
      path: `${clientApiPath}/current-identity/mfa/verify`,
      headers: sessionHeaders(this.#session),
      body: JSON.stringify({ code }),
    });
    requireCodeAccepted(answer, 'verifying the code');
    return this.#reread();
  }

  /** The token belongs to the sign-in itself, so it is made anew with it. */
  provideExternal(token: string): Promise<SignIn> {
    return signInLegacy(this.#http, { ...this.#options, secondaryToken: token });
  }

  async #reread(): Promise<SignIn> {
    const { session, pendingQueries } = await readLegacySession(this.#http, this.#session);
    if (pendingQueries.length === 0) return { kind: 'complete', session };
    return { kind: 'pending', pending: new LegacyPending(this.#http, this.#options, session, pendingQueries) };
  }
}

/** Answer the pending or periodic question of a legacy session. Throws `ziti.controller.mfa_code_wrong`. */
export async function answerLegacyTotp(
  http: HttpTransport,
  session: Pick<LegacySession, 'token' | 'bearer'>,
  code: string,
): Promise<void> {
  const answer = await http.send({
    method: 'POST',
    path: `${clientApiPath}/authenticate/mfa`,
    headers: sessionHeaders(session),
    body: JSON.stringify({ code }),
  });
  requireCodeAccepted(answer, 'checking the code');
}

/** A wrong code is 400 or 401 by release; with a session known to be good, both mean the code. */
export function requireCodeAccepted(answer: HttpAnswer, doing: string): void {
  if (answer.status === 400 || answer.status === 401) {
    throw new TunnelerError('ziti.controller.mfa_code_wrong', `${doing}: the code is wrong`, {
      details: { httpStatus: answer.status, next: 'enter a fresh code, or a recovery code' },
    });
  }
  requireSuccess(answer, doing);
}

/** Headers of a request under a legacy session; `zt-session` is its token, the bearer an external provider's. */
export function sessionHeaders(session: Pick<LegacySession, 'token' | 'bearer'>): Record<string, string> {
  return {
    ...jsonHeaders,
    'zt-session': session.token,
    ...defined({ authorization: whenDefined(session.bearer, (token) => `Bearer ${token}`) }),
  };
}

/** Headers of a request with a JSON body. */
export const jsonHeaders = { accept: 'application/json', 'content-type': 'application/json' } as const;

function toSession(data: ApiSessionAnswer, answer: HttpAnswer, bearer: string | undefined): LegacySession {
  return {
    kind: 'legacy',
    id: data.id,
    token: data.token,
    bearer,
    identityId: data.identityId,
    identityName: data.identity?.name,
    lifetimeMs: (data.expirationSeconds ?? defaultLifetimeSeconds) * 1000,
    renewal: {
      authenticatorId: data.authenticatorId ?? undefined,
      extendable: data.isCertExtendable === true,
      extendRequested:
        data.isCertExtendRequested === true || answer.header('ziti-authenticator-extend-requested') === 'true',
      keyRollRequested: data.isCertKeyRollRequested === true,
    },
  };
}

/** Calls of one signed-in identity: services, sessions, routers, posture, MFA. Plain requests; no state but the session. */
import type * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { sleep } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { isTunnelerError } from '../../base/errors.ts';
import {
  controllerListAnswer,
  edgeRouterListAnswer,
  identityAnswer,
  readData,
  readTotal,
  recoveryCodesAnswer,
  requireSuccess,
  serviceEdgeRoutersAnswer,
  serviceListAnswer,
  serviceUpdatesAnswer,
  sessionAnswer,
  sessionCertificateAnswer,
  terminatorListAnswer,
  totpEnrolmentAnswer,
  totpTokenAnswer,
  type EdgeRouterAnswer,
  type ServiceAnswer,
} from './answers.ts';
import { apiError } from './api-error.ts';
import { Backoff } from './backoff.ts';
import type { Endpoints } from './endpoints.ts';
import { answerLegacyTotp, jsonHeaders, requireCodeAccepted, sessionHeaders } from './legacy-sign-in.ts';
import type { ApiSession, TotpEnrolment } from './sign-in.ts';
import { surelyUnsent } from './transport-error.ts';
import type { HttpAnswer, HttpHeaders, HttpRequest } from './transport.ts';
import { clientApiPath } from './version.ts';

/** Page size the Go SDK uses. Source: sdk-golang `edge-apis`. */
const pageSize = 500;
const readAttempts = 3;

/** Leave to dial or bind one service, and the routers it may be done over. */
export interface ServiceSession {
  readonly id: string;
  /** The JWT that Connect and Bind carry. */
  readonly token: string;
  readonly edgeRouters: readonly EdgeRouterAnswer[];
}

/** Where the calls go, and as whom. */
export interface ControllerClientOptions {
  readonly endpoints: Endpoints;
  /** The session in use; asked anew for each request. */
  readonly session: () => ApiSession;
  readonly clock: Clock;
}

type Call = Omit<HttpRequest, 'path' | 'headers'> & {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A write that may be made twice. */
  readonly repeatable?: boolean;
};

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly urgent?: boolean | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * Every call throws `ziti.controller.*`: `.session_expired` asks for a new sign-in. Reads are repeated a few times with
 * jittered back-off where the network or a busy controller failed; writes only where the request surely never left.
 */
export class ControllerClient {
  readonly #options: ControllerClientOptions;

  constructor(options: ControllerClientOptions) {
    this.#options = options;
  }

  /** Every service this identity sees, all pages; of `ids`, those it sees, unless the controller does not know the question. */
  async services(
    configTypes: readonly string[],
    options: ReadOptions & { readonly ids?: readonly string[] } = {},
  ): Promise<ServiceAnswer[]> {
    const types = configTypes.map((type) => `&configTypes=${encodeURIComponent(type)}`).join('');
    const { ids } = options;
    const filter = ids === undefined ? '' : `&filter=${encodeURIComponent(`id in ${JSON.stringify(ids)}`)}`;
    const found: ServiceAnswer[] = [];
    for (;;) {
      const path = `/services?limit=${pageSize}&offset=${found.length}${types}${filter}`;
      const answer = await this.#read(path, options);
      const page = readData(answer, serviceListAnswer, 'listing services');
      found.push(...page);
      if (page.length === 0 || found.length >= (readTotal(answer) ?? 0)) return found;
    }
  }

  /** A marker that differs from the last one where services may have changed. */
  async lastServiceChange(options: ReadOptions = {}): Promise<string> {
    const answer = await this.#read('/current-api-session/service-updates', options);
    return readData(answer, serviceUpdatesAnswer, 'asking for service changes').lastChangeAt;
  }

  async identity(signal?: AbortSignal): Promise<v.InferOutput<typeof identityAnswer>> {
    return readData(await this.#read('/current-identity', { signal }), identityAnswer, 'reading the identity');
  }

  /** Routers this identity may use, of any service. */
  async edgeRouters(signal?: AbortSignal): Promise<readonly EdgeRouterAnswer[]> {
    const answer = await this.#read('/current-identity/edge-routers', { signal });
    return readData(answer, edgeRouterListAnswer, 'listing edge routers');
  }

  async createSession(serviceId: string, type: 'Dial' | 'Bind', signal?: AbortSignal): Promise<ServiceSession> {
    const body = { serviceId, type };
    // An OIDC session's is a token and nothing kept: asking twice does no harm.
    const repeatable = this.#options.session().kind === 'oidc';
    const answer = await this.#write('POST', '/sessions', body, signal, repeatable);
    const data = readData(answer, sessionAnswer, `opening a ${type} session`);
    return { id: data.id, token: data.token, edgeRouters: data.edgeRouters };
  }

  /** Routers a service may be dialled by, now. */
  async serviceEdgeRouters(serviceId: string, signal?: AbortSignal): Promise<readonly EdgeRouterAnswer[]> {
    const path = `/services/${encodeURIComponent(serviceId)}/edge-routers`;
    const answer = await this.#read(path, { signal });
    return readData(answer, serviceEdgeRoutersAnswer, 'listing edge routers of a service').edgeRouters;
  }

  /** All of them, or those that listen as `terminatorIdentity`. */
  async terminatorCount(serviceId: string, terminatorIdentity?: string, signal?: AbortSignal): Promise<number> {
    const limit = terminatorIdentity === undefined ? 1 : pageSize;
    const path = `/services/${encodeURIComponent(serviceId)}/terminators?limit=${limit}`;
    const answer = await this.#read(path, { signal });
    const rows = readData(answer, terminatorListAnswer, 'counting terminators');
    if (terminatorIdentity === undefined) return readTotal(answer) ?? rows.length;
    return rows.filter(({ identity }) => identity === terminatorIdentity).length;
  }

  /** API URLs of the controllers of a cluster; empty where there is but one. */
  async controllers(signal?: AbortSignal): Promise<string[]> {
    const answer = await this.#read('/controllers', { signal });
    return readData(answer, controllerListAnswer, 'listing controllers')
      .flatMap((controller) => controller.apiAddresses['edge-client'] ?? [])
      .filter((address) => address.version === undefined || address.version === 'v1')
      .map((address) => address.url);
  }

  /** A short-lived certificate bound to this session. Source: edge-api `createCurrentApiSessionCertificate`. */
  async createSessionCertificate(csrPem: string, signal?: AbortSignal): Promise<{ certPem: string; caPem: string }> {
    const answer = await this.#write('POST', '/current-api-session/certificates', { csr: csrPem }, signal);
    const data = readData(answer, sessionCertificateAnswer, 'fetching a session certificate');
    return { certPem: data.certificate, caPem: data.cas ?? '' };
  }

  /** Posture answers of a legacy session, which the controller judges. Source: edge-api `createPostureResponseBulk`. */
  async sendPosture(responses: readonly object[], signal?: AbortSignal): Promise<void> {
    requireSuccess(await this.#write('POST', '/posture-response-bulk', responses, signal), 'sending posture');
  }

  /** End a legacy session. Others are ended by revoking their tokens. */
  async logOut(): Promise<void> {
    const answer = await this.#send({ method: 'DELETE', path: '/current-api-session', timeoutMs: 3000 });
    requireSuccess(answer, 'signing out');
  }

  /** The enrolment's state; undefined where none was begun. */
  async mfa(): Promise<v.InferOutput<typeof totpEnrolmentAnswer> | undefined> {
    const answer = await this.#read('/current-identity/mfa');
    if (answer.status === 404) return undefined;
    return readData(answer, totpEnrolmentAnswer, 'reading multi-factor authentication');
  }

  async enrollMfa(): Promise<TotpEnrolment> {
    const doing = 'setting up multi-factor authentication';
    requireSuccess(await this.#write('POST', '/current-identity/mfa', {}), doing);
    const data = readData(await this.#read('/current-identity/mfa'), totpEnrolmentAnswer, doing);
    return { provisioningUrl: data.provisioningUrl ?? '', recoveryCodes: data.recoveryCodes };
  }

  async verifyMfaEnrolment(code: string): Promise<void> {
    requireCodeAccepted(await this.#write('POST', '/current-identity/mfa/verify', { code }), 'verifying the code');
  }

  async removeMfa(code: string): Promise<void> {
    const headers = { 'mfa-validation-code': code };
    const answer = await this.#send({ method: 'DELETE', path: '/current-identity/mfa', headers });
    requireCodeAccepted(answer, 'removing multi-factor authentication');
  }

  async recoveryCodes(code: string, regenerate: boolean): Promise<readonly string[]> {
    const path = '/current-identity/mfa/recovery-codes';
    const doing = 'reading recovery codes';
    if (regenerate) requireCodeAccepted(await this.#write('POST', path, { code }), 'making new recovery codes');
    const answer = await this.#read(path, { headers: { 'mfa-validation-code': code } });
    requireCodeAccepted(answer, doing);
    return readData(answer, recoveryCodesAnswer, doing).recoveryCodes;
  }

  /** Answer the periodic question of a legacy session. */
  answerMfa(code: string): Promise<void> {
    const session = this.#options.session();
    return answerLegacyTotp(this.#options.endpoints.transport(), session, code);
  }

  /** Answer the periodic question of an OIDC session: the token goes to the routers. */
  async totpToken(code: string): Promise<string> {
    const answer = await this.#write('POST', '/current-api-session/totp-token', { code });
    requireCodeAccepted(answer, 'checking the code');
    return readData(answer, totpTokenAnswer, 'checking the code').token;
  }

  /** Any further authenticated POST (certificate renewal); repeated only where it surely never left. */
  post(path: string, body: object, signal?: AbortSignal): Promise<HttpAnswer> {
    return this.#write('POST', path, body, signal);
  }

  async #read(path: string, { signal, urgent, headers }: ReadOptions = {}): Promise<HttpAnswer> {
    const { clock } = this.#options;
    const backoff = new Backoff({ firstMs: 200, maxMs: 2000, minMs: 50 });
    const call: Call = {
      method: 'GET',
      path,
      ...defined({ headers, signal }),
      ...(urgent === true ? { urgent } : {}),
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await this.#send(call);
        if (attempt === readAttempts || !(answer.status === 429 || answer.status >= 500)) return answer;
      } catch (error) {
        if (attempt === readAttempts || !isTunnelerError(error, 'ziti.controller.unreachable')) throw error;
      }
      await sleep(clock, backoff.next(), signal);
    }
  }

  async #write(
    method: 'POST',
    path: string,
    body: object,
    signal?: AbortSignal,
    repeatable = false,
  ): Promise<HttpAnswer> {
    const call: Call = { method, path, body: JSON.stringify(body), repeatable, ...defined({ signal }) };
    try {
      return await this.#send(call);
    } catch (error) {
      if (neverLeft(error)) return this.#send(call);
      throw error;
    }
  }

  /** A legacy session lives on one controller; an OIDC token works on each, so those calls may fail over. */
  #send(call: Call): Promise<HttpAnswer> {
    const { endpoints } = this.#options;
    const session = this.#options.session();
    const request = {
      ...call,
      path: `${clientApiPath}${call.path}`,
      headers: { ...authorization(session), ...call.headers },
    };
    if (session.kind === 'legacy') return endpoints.transport().send(request);
    if (call.method !== 'GET')
      return endpoints.run((http) => http.send(request), call.repeatable ? undefined : neverLeft);
    return endpoints.run(async (http) => {
      const answer = await http.send(request);
      if (answer.status === 503 && endpoints.origins.length > 1) throw apiError(answer, 'asking the controller');
      return answer;
    });
  }
}

/** Nothing of the request went out: it may go to another controller, or again. */
function neverLeft(error: unknown): boolean {
  return isTunnelerError(error, 'ziti.controller.unreachable') && surelyUnsent(error);
}

function authorization(session: ApiSession): HttpHeaders {
  if (session.kind === 'legacy') return sessionHeaders(session);
  const tokens = [session.token, ...(session.bearer === undefined ? [] : [session.bearer])];
  return { ...jsonHeaders, authorization: tokens.map((token) => `Bearer ${token}`) };
}

/** From a token to an identity's certificate. Nothing is kept here: the caller persists, and decides where the key lives. */
import type * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { enrolledAnswer, readData } from '../controller/answers.ts';
import { openHttpsTransport } from '../controller/https-transport.ts';
import type { HttpHeaders, OpenTransport, TransportCredential } from '../controller/transport.ts';
import { clientApiPath } from '../controller/version.ts';
import { createSigningRequest, type IdentityKey } from './signing-request.ts';
import { listSigners, type ExternalSigner } from './signers.ts';
import { parseEnrolmentToken, type EnrolmentMethod, type EnrolmentToken } from './token.ts';
import { trustByToken, type Trust } from './trust.ts';

/** What enrolment yields: plain data, no secret but by reference of the key that the caller made. */
export interface Enrolment {
  readonly method: EnrolmentMethod | 'token';
  /** How this identity will prove itself from now on. */
  readonly signIn: 'certificate' | 'password' | 'external';
  /** Client API URLs, the issuing controller first. */
  readonly apis: readonly string[];
  readonly caPem: string;
  /** Chain, leaf first, as the controller gave it. */
  readonly certPem?: string;
  /** Identity id, where known. */
  readonly controllerId?: string;
  /** Identity's name at the controller, where the enrolment tells it. */
  readonly name?: string;
  readonly username?: string;
  /** Who can vouch for this identity at sign-in; for `external`. */
  readonly signers?: readonly ExternalSigner[];
}

/** Known once the token is proved, before it is spent. */
export interface ProvenToken {
  readonly token: EnrolmentToken;
  readonly apis: readonly string[];
  readonly caPem: string;
}

/** A token, and how the key it will be spent on is made. */
export interface EnrolRequest {
  /** The token as text. */
  readonly jwt: string;
  readonly clock: Clock;
  /**
   * Make the key, or open the one made for an earlier attempt. Called once, after the token is proved and before it is spent; the
   * key must be durable when this resolves, for a token spent on a lost key is lost.
   */
  prepareKey(proven: ProvenToken): Promise<IdentityKey>;
  /** Certificate of a third-party authority with its key: the credential for `ottca` and `ca`. */
  readonly thirdParty?: { readonly certPem: string; readonly keyPem: string };
  /** Name wanted, for `ca`. */
  readonly name?: string;
  /** Asked for with `updb`. */
  readonly password?: string;
  readonly open?: OpenTransport;
}

/**
 * Enrol by token. Throws what {@link parseEnrolmentToken} and {@link trustByToken} throw, `ziti.enroll.token_reused`,
 * `.token_expired`, `.refused`, or whatever `prepareKey` throws; only the last request spends the token.
 */
export async function enroll(
  request: EnrolRequest,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Enrolment> {
  const open = request.open ?? openHttpsTransport;
  const token = parseEnrolmentToken(request.jwt);
  const deps = { open, clock: request.clock, ...options };
  const trust = await trustByToken(token, deps);
  const proven: ProvenToken = { token, apis: clientApis(trust), caPem: trust.caPem };
  const common = { method: token.method, apis: proven.apis, caPem: trust.caPem };
  const exchange = new Exchange(trust, open, options.signal);
  switch (token.method) {
    case 'ott': {
      const key = await request.prepareKey(proven);
      const csrPem = await createSigningRequest(key, token.subject);
      const data = await exchange.post('/enroll/ott', { token: tokenId(token), clientCsr: csrPem });
      const certPem = requireCertificate(data.cert);
      return { ...withControllers(common, data), signIn: 'certificate', certPem, controllerId: token.subject };
    }
    case 'ottca':
    case 'ca': {
      const credential = requireThirdParty(request, token.method);
      const oneTime = token.method === 'ottca' ? `&token=${encodeURIComponent(tokenId(token))}` : '';
      const body = token.method === 'ca' && request.name !== undefined ? { name: request.name } : {};
      const data = await exchange.post(`/enroll?method=${token.method}${oneTime}`, body, {}, credential);
      const known = token.method === 'ottca' ? { controllerId: token.subject } : {};
      return { ...withControllers(common, data), ...known, signIn: 'certificate', certPem: credential.certPem };
    }
    case 'updb': {
      if (request.password === undefined) {
        throw new TunnelerError('ziti.enroll.refused', 'this token sets a password, but none was given', {
          details: { next: 'give the new password with the token' },
        });
      }
      const path = `/enroll?method=updb&token=${encodeURIComponent(tokenId(token))}`;
      const data = await exchange.post(path, { password: request.password });
      const username = defined({ username: data.username });
      return { ...withControllers(common, data), ...username, signIn: 'password', controllerId: token.subject };
    }
    case 'network':
      return { ...common, signIn: 'external', signers: await listSigners(exchange.origin, trust.caPem, deps) };
  }
}

/** Enrolment by an external provider's word instead of a token of the network. */
export interface TokenEnrolRequest {
  /** From an earlier look at the network. */
  readonly apis: readonly string[];
  readonly caPem: string;
  /** What the external provider issued. */
  readonly externalToken: string;
  /** `cert`: a certificate of our own from now on; `token`: the provider vouches at each sign-in. */
  readonly want: 'cert' | 'token';
  /** As {@link EnrolRequest.prepareKey}; for `cert` only. */
  prepareKey(): Promise<IdentityKey>;
  readonly open?: OpenTransport;
}

/** Enrol by the token of an external provider, where its signer allows that. Throws as {@link enroll}. */
export async function enrollByExternalToken(
  request: TokenEnrolRequest,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Enrolment> {
  const open = request.open ?? openHttpsTransport;
  const origin = new URL(request.apis[0] ?? '').origin;
  const exchange = new Exchange({ origin, caPem: request.caPem }, open, options.signal);
  const common = { method: 'token', apis: request.apis, caPem: request.caPem } as const;
  // The controller finds the signer by the token's key and issuer. Naming it (`ziti-token-issuer-id`) makes release 2.0 lose the
  // identity's name (ziti `controller/model/token_provider_cache.go`, VerifyToken).
  const headers = { authorization: `Bearer ${request.externalToken}` };
  if (request.want === 'token') {
    return { ...withControllers(common, await exchange.post('/enroll/token', {}, headers)), signIn: 'external' };
  }
  const csrPem = await createSigningRequest(await request.prepareKey(), 'culvert');
  const data = await exchange.post('/enroll/token', { clientCsr: csrPem }, headers);
  const caPem = data.ca === undefined || data.ca === '' ? request.caPem : data.ca;
  return { ...withControllers(common, data), caPem, signIn: 'certificate', certPem: requireCertificate(data.cert) };
}

/** The requests that spend a token: never repeated, for a second would find it spent. */
class Exchange {
  readonly origin: string;
  readonly #caPem: string;
  readonly #open: OpenTransport;
  readonly #signal: AbortSignal | undefined;

  constructor(trust: Pick<Trust, 'origin' | 'caPem'>, open: OpenTransport, signal: AbortSignal | undefined) {
    this.origin = trust.origin;
    this.#caPem = trust.caPem;
    this.#open = open;
    this.#signal = signal;
  }

  async post(
    path: string,
    body: object,
    headers: HttpHeaders = {},
    client: Pick<TransportCredential, 'certPem' | 'keyPem'> = {},
  ): Promise<v.InferOutput<typeof enrolledAnswer>> {
    await using http = this.#open(this.origin, { caPem: this.#caPem, ...client });
    const answer = await http.send({
      method: 'POST',
      path: `${clientApiPath}${path}`,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      ...defined({ signal: this.#signal }),
    });
    try {
      return readData(answer, enrolledAnswer, 'enrolling');
    } catch (error) {
      throw asRefusal(error);
    }
  }
}

/** Refusals without a code of their own in this room. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof TunnelerError)) return error;
  const general = ['ziti.controller.refused', 'ziti.controller.unauthenticated', 'ziti.controller.not_found'];
  if (!general.includes(error.code)) return error;
  return new TunnelerError('ziti.enroll.refused', error.message, { cause: error, details: error.details });
}

/** Where the answer names every controller of the network (2.1), all are known before the first sign-in; the one enrolled at stays first. */
function withControllers<T extends { readonly apis: readonly string[] }>(
  common: T,
  answer: v.InferOutput<typeof enrolledAnswer>,
): T {
  const named = answer.controllers
    .flatMap(({ apiAddresses }) => apiAddresses['edge-client'] ?? [])
    .filter(({ url, version }) => (version ?? 'v1') === 'v1' && URL.canParse(url) && new URL(url).protocol === 'https:')
    .map(({ url }) => url);
  return { ...common, apis: [...new Set([...common.apis, ...named])] };
}

/** The issuer first, then what it names for clients. */
function clientApis(trust: Trust): string[] {
  const own = `${trust.origin}${clientApiPath}`;
  const named = trust.version.clientApis.filter((api) => URL.canParse(api) && new URL(api).protocol === 'https:');
  return [...new Set([own, ...named])];
}

function tokenId(token: EnrolmentToken): string {
  if (token.id !== undefined) return token.id;
  throw new TunnelerError('ziti.enroll.token_invalid', 'the token lacks its one-time part (jti)');
}

function requireCertificate(pem: string | null | undefined): string {
  if (typeof pem === 'string' && pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new TunnelerError('ziti.controller.malformed', 'enrolling: the controller gave no certificate');
}

function requireThirdParty(
  request: EnrolRequest,
  method: string,
): { readonly certPem: string; readonly keyPem: string } {
  if (request.thirdParty !== undefined) return request.thirdParty;
  throw new TunnelerError(
    'ziti.enroll.refused',
    `enrolment by "${method}" needs a certificate of the other authority and its key`,
    {
      details: { method, next: 'give that certificate and key along with the token' },
    },
  );
}

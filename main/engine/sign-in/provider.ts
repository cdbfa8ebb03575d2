/**
 * One external OpenID provider, as a public native client sees it. Sources: OpenID Connect Discovery 1.0; RFC 6749 and RFC 7636 (code with
 * PKCE); RFC 8252 (loopback redirect); RFC 8628 (device authorization).
 */
import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import * as v from 'valibot';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { ExternalSigner } from '../../ziti/ziti.ts';

const requestMs = 15_000;

const discovery = v.object({
  authorization_endpoint: v.pipe(v.string(), v.url()),
  token_endpoint: v.pipe(v.string(), v.url()),
  device_authorization_endpoint: v.optional(v.pipe(v.string(), v.url())),
});
const tokens = v.object({
  access_token: v.optional(v.string()),
  id_token: v.optional(v.string()),
  refresh_token: v.optional(v.string()),
});
const deviceAnswer = v.object({
  device_code: v.string(),
  user_code: v.string(),
  verification_uri: v.string(),
  verification_uri_complete: v.optional(v.string()),
  expires_in: v.number(),
  interval: v.optional(v.number(), 5),
});
const refusal = v.object({ error: v.string(), error_description: v.optional(v.string()) });

/** What a sign-in yields: the token the controller wants, and one to get the next with. In memory only. */
export interface ProviderTokens {
  readonly token: string;
  readonly refreshToken: string | undefined;
}

/** A provider's answer to the start of a device code flow (RFC 8628 section 3.2). */
export type DeviceStart = v.InferOutput<typeof deviceAnswer>;

/** A code request under way: where the person goes, and what proves the answer ours. */
export interface CodeRequest {
  readonly url: string;
  readonly state: string;
  /** What the identity token has to carry back (OpenID Connect Core section 3.1.3.7). */
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** One provider whose discovery document was read. */
export class Provider {
  readonly #signer: ExternalSigner;
  readonly #clientId: string;
  readonly #endpoints: v.InferOutput<typeof discovery>;

  private constructor(signer: ExternalSigner, clientId: string, endpoints: v.InferOutput<typeof discovery>) {
    this.#signer = signer;
    this.#clientId = clientId;
    this.#endpoints = endpoints;
  }

  /** Find its endpoints. Throws `ziti.controller.external_login_required` with what is missing or unreachable. */
  static async discover(signer: ExternalSigner, signal: AbortSignal): Promise<Provider> {
    const base = signer.configurationUrl ?? signer.authorizationUrl;
    if (base === undefined || signer.clientId === undefined) {
      throw failed(`${signer.name} names no address or client to sign in with; its administrator has to set them`);
    }
    const suffix = '/.well-known/openid-configuration';
    const url = base.endsWith(suffix) ? base : base.replace(/\/$/, '') + suffix;
    requireSafe(url);
    const endpoints = await ask(url, undefined, discovery, signal);
    for (const endpoint of [endpoints.authorization_endpoint, endpoints.token_endpoint]) requireSafe(endpoint);
    return new Provider(signer, signer.clientId, endpoints);
  }

  beginCode(redirectUri: string): CodeRequest {
    const state = randomBytes(24).toString('base64url');
    const verifier = randomBytes(48).toString('base64url');
    const nonce = randomBytes(16).toString('base64url');
    const url = new URL(this.#endpoints.authorization_endpoint);
    const query = {
      response_type: 'code',
      client_id: this.#clientId,
      redirect_uri: redirectUri,
      scope: this.#scope(),
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...defined({ audience: this.#signer.audience }),
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return { url: url.href, state, nonce, verifier, redirectUri };
  }

  finishCode(request: CodeRequest, code: string, signal: AbortSignal): Promise<ProviderTokens> {
    return this.#exchange(
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: request.redirectUri,
        code_verifier: request.verifier,
      },
      signal,
      request.nonce,
    );
  }

  refresh(refreshToken: string, signal: AbortSignal): Promise<ProviderTokens> {
    return this.#exchange({ grant_type: 'refresh_token', refresh_token: refreshToken }, signal);
  }

  /** Throws `base.unsupported` where the provider offers no device flow. */
  async beginDevice(signal: AbortSignal): Promise<DeviceStart> {
    const endpoint = this.#endpoints.device_authorization_endpoint;
    if (endpoint === undefined) {
      throw new TunnelerError('base.unsupported', `${this.#signer.name} offers no sign-in by device code`);
    }
    requireSafe(endpoint);
    return ask(endpoint, { client_id: this.#clientId, scope: this.#scope() }, deviceAnswer, signal);
  }

  /** One look whether the person is done; `slow` asks for longer pauses. */
  async pollDevice(start: DeviceStart, signal: AbortSignal): Promise<ProviderTokens | 'pending' | 'slow'> {
    try {
      return await this.#exchange(
        { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: start.device_code },
        signal,
      );
    } catch (error) {
      const reason = error instanceof TunnelerError ? error.details['error'] : undefined;
      if (reason === 'authorization_pending') return 'pending';
      if (reason === 'slow_down') return 'slow';
      throw error;
    }
  }

  /** `nonce`: what an identity token must have been made for; a token of another sign-in is nobody's word on this one. */
  async #exchange(
    body: Readonly<Record<string, string>>,
    signal: AbortSignal,
    nonce?: string,
  ): Promise<ProviderTokens> {
    const answer = await ask(this.#endpoints.token_endpoint, { ...body, client_id: this.#clientId }, tokens, signal);
    if (nonce !== undefined && answer.id_token !== undefined && nonceOf(answer.id_token) !== nonce) {
      throw failed(`${this.#signer.name} gave a token that was not made for this sign-in: its nonce is another`);
    }
    const token = this.#signer.targetToken === 'id' ? answer.id_token : answer.access_token;
    if (token === undefined) throw failed(`${this.#signer.name} gave no ${this.#signer.targetToken} token`);
    return { token, refreshToken: answer.refresh_token };
  }

  #scope(): string {
    return [...new Set(['openid', ...this.#signer.scopes, 'offline_access'])].join(' ');
  }
}

/** Undefined for what is no JWT, or carries none. */
function nonceOf(idToken: string): unknown {
  try {
    return decodeJwt(idToken)['nonce'];
  } catch {
    // Encrypted or opaque: then nothing says that it belongs to this sign-in.
    return undefined;
  }
}

/** https, but for a provider on this very machine. */
function requireSafe(url: string): void {
  const { protocol, hostname } = new URL(url);
  const local = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  if (protocol !== 'https:' && !local) throw failed(`the provider's address ${url} is not https`);
}

async function ask<S extends v.GenericSchema>(
  url: string,
  form: Readonly<Record<string, string>> | undefined,
  schema: S,
  signal: AbortSignal,
): Promise<v.InferOutput<S>> {
  let status: number;
  let raw: unknown;
  try {
    const response = await fetch(url, {
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
      headers: { accept: 'application/json' },
      redirect: form === undefined ? 'follow' : 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestMs)]),
    });
    status = response.status;
    raw = await response.json();
  } catch (error) {
    throw failed(`the provider at ${new URL(url).host} did not answer: ${(error as Error).message}`, { cause: error });
  }
  if (status !== 200) {
    const said = v.safeParse(refusal, raw);
    const reason = said.success ? said.output : { error: `HTTP ${status}`, error_description: undefined };
    throw failed(`the provider refused: ${reason.error_description ?? reason.error}`, {
      details: { error: reason.error },
    });
  }
  const parsed = v.safeParse(schema, raw);
  if (parsed.success) return parsed.output;
  throw failed(`the provider's answer lacks ${v.getDotPath(parsed.issues[0]) ?? 'everything'}`);
}

function failed(
  sentence: string,
  options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
): TunnelerError {
  return new TunnelerError('ziti.controller.external_login_required', sentence, options);
}

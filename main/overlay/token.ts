/** JSON web tokens of the overlay's own controller: made and checked synchronously with one key (RFC 7515, RS256). */
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

/** Of a verified token; what a claim holds is for its reader to check. */
export type Claims = Readonly<Record<string, unknown>>;

/** Why a token was not taken. */
export type TokenRefusal = 'malformed' | 'signature' | 'expired';

/** The claims, or why the token is not taken. */
export type TokenResult =
  { readonly ok: true; readonly claims: Claims } | { readonly ok: false; readonly refusal: TokenRefusal };

/** Signs with the controller's key; `keyId` is the lower-hex SHA-1 of its certificate, as OpenZiti's controller has it. */
export class TokenSigner {
  readonly keyId: string;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;

  constructor(key: KeyObject, keyId: string) {
    this.keyId = keyId;
    this.#key = key;
    this.#publicKey = createPublicKey(key);
  }

  sign(claims: Claims): string {
    const head = encodePart({ alg: 'RS256', kid: this.keyId, typ: 'JWT' });
    const signed = `${head}.${encodePart(claims)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), this.#key).toString('base64url')}`;
  }

  /** Check signature and expiry. `nowMs` is the wall clock. */
  verify(token: string, nowMs: number): TokenResult {
    const parts = token.split('.');
    const [head, body, signature] = parts;
    if (parts.length !== 3 || head === undefined || body === undefined || signature === undefined) {
      return { ok: false, refusal: 'malformed' };
    }
    const algorithm = decodePart(head)?.['alg'];
    const claims = decodePart(body);
    if (algorithm !== 'RS256' || claims === undefined) return { ok: false, refusal: 'malformed' };
    const signed = Buffer.from(`${head}.${body}`);
    if (!verify('sha256', signed, this.#publicKey, Buffer.from(signature, 'base64url'))) {
      return { ok: false, refusal: 'signature' };
    }
    const expires = claims['exp'];
    if (typeof expires === 'number' && expires * 1000 <= nowMs) return { ok: false, refusal: 'expired' };
    return { ok: true, claims };
  }

  /** The public key as a JSON web key set (RFC 7517). */
  keySet(): { readonly keys: readonly Claims[] } {
    const jwk = this.#publicKey.export({ format: 'jwk' }) as Claims;
    return { keys: [{ ...jwk, kid: this.keyId, alg: 'RS256', use: 'sig' }] };
  }
}

/** A claim that must be a string. */
export function stringClaim(claims: Claims, name: string): string | undefined {
  const value = claims[name];
  return typeof value === 'string' ? value : undefined;
}

/** A claim that is a list of strings; anything else reads as empty. */
export function stringsClaim(claims: Claims, name: string): readonly string[] {
  const value = claims[name];
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];
}

function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decodePart(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    // Not JSON: not a token. The caller answers "malformed".
    return undefined;
  }
}

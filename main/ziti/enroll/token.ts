/** Enrolment tokens (JWT): what they claim, and whether the controller they name really signed them. */
import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import { bareToken } from '../../base/token-text.ts';

/** Values of a token's `em` claim. Source: openziti/sdk-golang `ziti/enroll.go`. */
export const enrolmentMethods = ['ott', 'ottca', 'ca', 'updb', 'network'] as const;

/** One of {@link enrolmentMethods}. */
export type EnrolmentMethod = (typeof enrolmentMethods)[number];

/** A token as read; nothing in it is proved until {@link verifyTokenSignature} says so. */
export interface EnrolmentToken {
  readonly jwt: string;
  /** `https://host:port` of the controller that issued it. */
  readonly issuer: string;
  /** Identity id; the controller's URL for a network token. */
  readonly subject: string;
  readonly method: EnrolmentMethod;
  /** One-time part; absent for `ca` and `network`. */
  readonly id: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined;
  /** SHA-1 of the signing certificate, lower hex. */
  readonly keyId: string | undefined;
}

/** Signature algorithms of controllers. Source: ziti `controller/jwtsigner/jwt.go`. */
const algorithms = ['RS256', 'ES256', 'ES384', 'ES512'];

const claims = v.object({
  iss: v.string(),
  sub: v.string(),
  em: v.string(),
  jti: v.nullish(v.string(), () => undefined),
  exp: v.nullish(v.number(), () => undefined),
});

/** Read a token without trusting it yet. Throws `ziti.enroll.token_invalid` or `.method_unsupported`. */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const jwt = bareToken(text);
  const { header, payload } = decode(jwt);
  const result = v.safeParse(claims, payload);
  if (!result.success) {
    const path = v.getDotPath(result.issues[0]) ?? '(top)';
    throw invalid(`the token is no enrolment token: it lacks "${path}"`);
  }
  if (typeof header.alg !== 'string' || !algorithms.includes(header.alg)) {
    throw invalid(`the token is signed in a way no controller uses (${header.alg ?? 'none'})`);
  }
  const { iss, sub, em, jti, exp } = result.output;
  if (!URL.canParse(iss) || new URL(iss).protocol !== 'https:') throw invalid('the token names no https controller');
  const method = enrolmentMethods.find((known) => known === em);
  if (method === undefined) {
    const what =
      em === 'erott' || em === 'trott'
        ? 'the token is for a router, not for an identity'
        : `enrolment by "${em}" is not known`;
    throw new TunnelerError('ziti.enroll.method_unsupported', what, { details: { method: em } });
  }
  return {
    jwt,
    issuer: new URL(iss).origin,
    subject: sub,
    method,
    id: jti ?? undefined,
    expiresAt: exp === undefined ? undefined : exp * 1000,
    keyId: typeof header.kid === 'string' ? header.kid.toLowerCase() : undefined,
  };
}

/** What a signature proves about a certificate shown. */
export type SignatureVerdict = 'good' | 'tampered' | 'foreign';

/**
 * Did the holder of `leaf`'s key sign this token? `foreign`: it names another key; `tampered`: it names this one, yet the
 * signature does not fit.
 */
export async function verifyTokenSignature(token: EnrolmentToken, leaf: X509Certificate): Promise<SignatureVerdict> {
  try {
    await compactVerify(token.jwt, leaf.publicKey, { algorithms });
    return 'good';
  } catch {
    // Every way of failing means the same here: not signed by this key; which of the two is told by the key id.
    const keyId = createHash('sha1').update(leaf.raw).digest('hex');
    return token.keyId === keyId ? 'tampered' : 'foreign';
  }
}

function decode(jwt: string): { header: ReturnType<typeof decodeProtectedHeader>; payload: unknown } {
  try {
    return { header: decodeProtectedHeader(jwt), payload: decodeJwt(jwt) };
  } catch (cause) {
    throw new TunnelerError('ziti.enroll.token_invalid', 'this is not an enrolment token: it cannot be read', {
      cause,
      details: { next: 'give the .jwt file exactly as the administrator sent it' },
    });
  }
}

function invalid(sentence: string): TunnelerError {
  return new TunnelerError('ziti.enroll.token_invalid', sentence, {
    details: { next: 'ask the administrator for a new token' },
  });
}

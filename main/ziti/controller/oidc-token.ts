/** Tokens of the controller's OpenID provider: reading, refreshing, revoking. */
import { decodeJwt } from 'jose';
import * as v from 'valibot';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { accessClaims, readJson, tokenAnswer } from './answers.ts';
import type { OidcSession } from './sign-in.ts';
import type { HttpTransport } from './transport.ts';

/** Client id without a secret. Source: ziti `common/oidc_tokens.go`; a refresh must name the same as the sign-in. */
export const oidcClientId = 'openziti';

/** Headers of a request with a form body, as RFC 6749 has it. */
export const formBody = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' } as const;

/** Only where the answer does not say. Source: ziti default access token duration. */
const defaultLifetimeSeconds = 1800;

/** A token answer as a session. Claims are read, not verified: the controller that sent them over TLS is their issuer. */
export function toOidcSession(data: v.InferOutput<typeof tokenAnswer>, bearer: string | undefined): OidcSession {
  const claims = v.safeParse(accessClaims, decode(data.access_token));
  if (!claims.success) {
    const path = v.getDotPath(claims.issues[0]) ?? '(top)';
    throw new TunnelerError('ziti.controller.malformed', `the access token lacks what it must have: ${path}`);
  }
  const name = data.id_token === undefined ? undefined : decode(data.id_token)['name'];
  const { sub, z_asid, z_authid, z_ice, z_cer, z_ckrr } = claims.output;
  return {
    kind: 'oidc',
    id: z_asid,
    token: data.access_token,
    bearer,
    refreshToken: data.refresh_token ?? undefined,
    sessionCertPem: data.session_cert ?? undefined,
    identityId: sub,
    identityName: typeof name === 'string' && name !== '' ? name : undefined,
    lifetimeMs: (data.expires_in ?? defaultLifetimeSeconds) * 1000,
    renewal: {
      authenticatorId: z_authid ?? undefined,
      extendable: z_ice === true,
      extendRequested: z_cer === true,
      keyRollRequested: z_ckrr === true,
    },
  };
}

/**
 * A fresh access token of the same API session. The refresh token is spent by this: store the new one, never race two.
 * Throws `ziti.controller.session_expired` where only a new sign-in helps, `.busy` where a later try may do.
 */
export async function refreshOidc(
  http: HttpTransport,
  options: { readonly oidcPath: string; readonly session: OidcSession; readonly signal?: AbortSignal },
): Promise<OidcSession> {
  const { session } = options;
  if (session.refreshToken === undefined) {
    throw new TunnelerError('ziti.controller.session_expired', 'the session cannot be refreshed');
  }
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: oidcClientId,
    refresh_token: session.refreshToken,
  });
  const answer = await http.send({
    method: 'POST',
    path: `${options.oidcPath}/oauth/token`,
    headers: formBody,
    body: form.toString(),
    ...defined({ signal: options.signal }),
  });
  const next = toOidcSession(readJson(answer, tokenAnswer, 'refreshing the token'), session.bearer);
  return {
    ...next,
    refreshToken: next.refreshToken ?? session.refreshToken,
    sessionCertPem: next.sessionCertPem ?? session.sessionCertPem,
    identityName: next.identityName ?? session.identityName,
  };
}

/** Best effort at the end: the controller drops the refresh token. */
export async function revokeOidc(http: HttpTransport, oidcPath: string, session: OidcSession): Promise<void> {
  if (session.refreshToken === undefined) return;
  const form = new URLSearchParams({
    client_id: oidcClientId,
    token: session.refreshToken,
    token_type_hint: 'refresh_token',
  });
  await http.send({
    method: 'POST',
    path: `${oidcPath}/revoke`,
    headers: formBody,
    body: form.toString(),
    timeoutMs: 3000,
  });
}

function decode(jwt: string): Record<string, unknown> {
  try {
    return decodeJwt(jwt);
  } catch (cause) {
    throw new TunnelerError('ziti.controller.malformed', "the controller's token is no JWT", { cause });
  }
}

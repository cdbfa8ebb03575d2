/**
 * Shapes of the controller's answers, as far as Culvert reads them: unknown fields are ignored, missing ones named.
 * Source: openziti/edge-api `client.yml`.
 */
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import { apiError } from './api-error.ts';
import type { HttpAnswer } from './transport.ts';

/** Absent or null alike: undefined. */
const maybe = <T extends v.GenericSchema>(schema: T) => v.nullish(schema, () => undefined);
const optionalText = maybe(v.string());
const optionalFlag = maybe(v.boolean());
/** Go marshals an empty list as null. */
const list = <T extends v.GenericSchema>(item: T) => v.nullish(v.array(item), []);
const record = <T extends v.GenericSchema>(value: T) => v.nullish(v.record(v.string(), value), {});

const apiVersion = v.object({ path: optionalText, apiBaseUrls: list(v.string()) });

/** Of `GET /version`. */
export const versionAnswer = v.object({
  version: v.string(),
  capabilities: list(v.string()),
  apiVersions: record(record(apiVersion)),
});

/** One proof that a sign-in or a session still lacks. */
export const authQuery = v.object({
  typeId: optionalText,
  provider: optionalText,
  id: optionalText,
  httpUrl: optionalText,
  isTotpEnrolled: optionalFlag,
});

/** As {@link authQuery} reads it. */
export type AuthQuery = v.InferOutput<typeof authQuery>;

/** Of `POST /authenticate` and `GET /current-api-session`. */
export const apiSessionAnswer = v.object({
  id: v.string(),
  token: v.string(),
  expirationSeconds: maybe(v.number()),
  identityId: v.string(),
  identity: maybe(v.object({ id: v.string(), name: v.string() })),
  authQueries: list(authQuery),
  authenticatorId: optionalText,
  isCertExtendable: optionalFlag,
  isCertExtendRequested: optionalFlag,
  isCertKeyRollRequested: optionalFlag,
});

/** As {@link apiSessionAnswer} reads it. */
export type ApiSessionAnswer = v.InferOutput<typeof apiSessionAnswer>;

/** Of a login step at the OpenID provider that wants another proof. */
export const oidcLoginAnswer = v.object({ authQueries: list(authQuery) });

/** Of the token endpoint (RFC 6749 section 5.1), with the session certificate that a CSR asked for; `expires_in` in seconds. */
export const tokenAnswer = v.object({
  access_token: v.string(),
  refresh_token: optionalText,
  id_token: optionalText,
  expires_in: maybe(v.number()),
  session_cert: optionalText,
});

/** Of `GET /current-identity/mfa`, and of an enrolment begun in the course of a login. */
export const totpEnrolmentAnswer = v.object({
  isVerified: optionalFlag,
  provisioningUrl: optionalText,
  recoveryCodes: list(v.string()),
});
/** Claims of an access token that a client may act on. Source: ziti `common/oidc_tokens.go`. */
export const accessClaims = v.object({
  sub: v.string(),
  z_asid: v.string(),
  z_authid: optionalText,
  z_ice: optionalFlag,
  z_cer: optionalFlag,
  z_ckrr: optionalFlag,
});

const osProcess = v.object({ path: v.string(), osType: optionalText });
const postureQuery = v.object({
  id: v.string(),
  queryType: v.string(),
  isPassing: optionalFlag,
  timeout: maybe(v.number()),
  timeoutRemaining: maybe(v.number()),
  promptOnWake: optionalFlag,
  promptOnUnlock: optionalFlag,
  process: maybe(osProcess),
  processes: maybe(v.array(osProcess)),
});
const postureQueries = v.object({
  policyId: v.string(),
  policyType: optionalText,
  postureQueries: list(postureQuery),
});

/** One service of `GET /services`. */
export const serviceAnswer = v.object({
  id: v.string(),
  name: v.string(),
  encryptionRequired: v.boolean(),
  permissions: list(v.string()),
  config: record(v.unknown()),
  roleAttributes: list(v.string()),
  terminatorStrategy: optionalText,
  postureQueries: list(postureQueries),
});

/** As {@link serviceAnswer} reads it. */
export type ServiceAnswer = v.InferOutput<typeof serviceAnswer>;

/** Of `GET /services`; unlike other lists it must be there, for an empty one takes every service away. */
export const serviceListAnswer = v.array(serviceAnswer);

/** Of `GET /current-api-session/service-updates`: a marker to be compared, not a time to be reckoned with. */
export const serviceUpdatesAnswer = v.object({ lastChangeAt: v.string() });

/** One router; `supportedProtocols` has its addresses by protocol, `tls://host:port` under `tls`. */
export const edgeRouterAnswer = v.object({
  name: v.string(),
  hostname: optionalText,
  isOnline: optionalFlag,
  disabled: optionalFlag,
  supportedProtocols: record(v.string()),
  urls: record(v.string()),
});

/** As {@link edgeRouterAnswer} reads it. */
export type EdgeRouterAnswer = v.InferOutput<typeof edgeRouterAnswer>;

/** Of `GET /current-identity/edge-routers`. */
export const edgeRouterListAnswer = list(edgeRouterAnswer);

/** Of `GET /services/{id}/edge-routers`. */
export const serviceEdgeRoutersAnswer = v.object({ edgeRouters: list(edgeRouterAnswer) });

/** Of `POST /sessions`. */
export const sessionAnswer = v.object({
  id: v.string(),
  token: v.string(),
  serviceId: optionalText,
  edgeRouters: list(edgeRouterAnswer),
});

/** Of `GET /current-identity`. */
export const identityAnswer = v.object({
  id: v.string(),
  name: v.string(),
  appData: record(v.unknown()),
  tags: record(v.unknown()),
  defaultHostingCost: maybe(v.number()),
  defaultHostingPrecedence: optionalText,
  serviceHostingCosts: record(v.number()),
  serviceHostingPrecedences: record(v.string()),
  isMfaEnabled: optionalFlag,
});

/** Of `GET /services/{id}/terminators`. */
export const terminatorListAnswer = list(v.object({ id: v.string(), identity: optionalText }));

/** Of `POST /current-api-session/certificates`; both PEM. */
export const sessionCertificateAnswer = v.object({ certificate: v.string(), cas: optionalText });

/** Of `POST /current-identity/authenticators/{id}/extend`; both PEM. */
export const extendedCertificateAnswer = v.object({ clientCert: v.string(), ca: optionalText });

/** Of `GET` and `POST /current-identity/mfa/recovery-codes`. */
export const recoveryCodesAnswer = v.object({ recoveryCodes: list(v.string()) });

/** Of `POST /current-api-session/totp-token`: what proves to routers that a code was accepted. */
export const totpTokenAnswer = v.object({ token: v.string() });

const controllerAddress = v.object({ url: v.string(), version: optionalText });

/** Of `GET /controllers`: a cluster's members, with their addresses by API. */
export const controllerListAnswer = list(
  v.object({ id: v.string(), isOnline: optionalFlag, apiAddresses: record(list(controllerAddress)) }),
);

/** Of `GET /external-jwt-signers`, which asks for no session. */
export const externalSignerListAnswer = list(
  v.object({
    id: v.string(),
    name: v.string(),
    externalAuthUrl: optionalText,
    clientId: optionalText,
    scopes: list(v.string()),
    audience: optionalText,
    openIdConfigurationUrl: optionalText,
    targetToken: optionalText,
    enrollToCertEnabled: optionalFlag,
    enrollToTokenEnabled: optionalFlag,
  }),
);

/** Of `GET /network-jwts`, which asks for no session. */
export const networkTokenListAnswer = list(v.object({ name: optionalText, token: v.string() }));
const enveloped = v.object({ data: v.unknown() });
const paged = v.object({
  meta: maybe(v.object({ pagination: maybe(v.object({ totalCount: v.number() })) })),
});

/** The `data` of a successful answer, checked. Throws what {@link apiError} makes of others, or `ziti.controller.malformed`. */
export function readData<T>(answer: HttpAnswer, schema: v.GenericSchema<unknown, T>, doing: string): T {
  return readJson(
    answer,
    v.pipe(
      enveloped,
      v.transform((body) => body.data),
      schema,
    ),
    doing,
  );
}

/** As {@link readData} for answers without the envelope. */
export function readJson<T>(answer: HttpAnswer, schema: v.GenericSchema<unknown, T>, doing: string): T {
  requireSuccess(answer, doing);
  const body = parseBody(answer, doing);
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const first = result.issues[0];
  const path = v.getDotPath(first) ?? '(top)';
  throw new TunnelerError(
    'ziti.controller.malformed',
    `${doing}: the controller's answer lacks what it must have: ${path}: ${first.message}`,
    { details: { doing, path, expected: first.expected ?? '' } },
  );
}

/** `totalCount` of a page. */
export function readTotal(answer: HttpAnswer): number | undefined {
  const result = v.safeParse(paged, JSON.parse(answer.text));
  return result.success ? (result.output.meta?.pagination?.totalCount ?? undefined) : undefined;
}

/** Throw unless 2xx. */
export function requireSuccess(answer: HttpAnswer, doing: string): void {
  if (answer.status < 200 || answer.status > 299) throw apiError(answer, doing);
}

function parseBody(answer: HttpAnswer, doing: string): unknown {
  try {
    return JSON.parse(answer.text) as unknown;
  } catch (cause) {
    throw new TunnelerError('ziti.controller.malformed', `${doing}: the controller's answer is not JSON`, {
      cause,
      details: { doing },
    });
  }
}

/** Of `POST /enroll`; which of these are there depends on the method. */
export const enrolledAnswer = v.object({
  cert: optionalText,
  ca: optionalText,
  username: optionalText,
  /** Every controller of the network, from release 2.1 on. */
  controllers: list(v.object({ apiAddresses: record(list(controllerAddress)) })),
});

/** The controller's refusals as TunnelerErrors. Source of codes: ziti `controller/apierror/messages.go`, foundation `errorz`. */
import * as v from 'valibot';
import { defined } from '../../base/defined.ts';
import { TunnelerError, type ErrorCode } from '../../base/errors.ts';
import type { HttpAnswer } from './transport.ts';

/** The envelope of the API, the bare form of `/oidc/login`, and RFC 6749 section 5.2. */
const cause = v.looseObject({
  field: v.optional(v.string()),
  reason: v.optional(v.string()),
  message: v.optional(v.string()),
  code: v.optional(v.string()),
});
const body = v.looseObject({ code: v.string(), message: v.optional(v.string()), cause: v.optional(cause) });
const envelope = v.looseObject({ error: body });
const oauth = v.looseObject({ error: v.string(), error_description: v.optional(v.string()) });

interface Meaning {
  readonly code: ErrorCode;
  readonly sentence: string;
  readonly next?: string;
}

const meanings: Readonly<Record<string, Meaning>> = {
  INVALID_AUTH: {
    code: 'ziti.controller.unauthenticated',
    sentence:
      'the controller does not accept this identity: it is unknown, disabled, or not allowed to sign in this way',
    next: 'ask the administrator whether the identity exists and is enabled; if it was replaced, enrol again',
  },
  UNAUTHORIZED: {
    code: 'ziti.controller.session_expired',
    sentence: 'the session with the controller is over',
    next: 'it is signed in again by itself',
  },
  MFA_INVALID_TOKEN: {
    code: 'ziti.controller.mfa_code_wrong',
    sentence: 'the code is wrong',
    next: 'enter a fresh code',
  },
  'INVALID TOTP CODE': {
    code: 'ziti.controller.mfa_code_wrong',
    sentence: 'the code is wrong',
    next: 'enter a fresh code',
  },
  MFA_EXISTS: { code: 'identity.mfa_exists', sentence: 'multi-factor authentication is set up already' },
  MFA_ENROLLMENT_NOT_STARTED: {
    code: 'identity.mfa_not_enrolled',
    sentence: 'multi-factor authentication is not being set up',
    next: 'start with culvert identity mfa enroll',
  },
  MFA_NOT_ENROLLED: {
    code: 'identity.mfa_not_enrolled',
    sentence: 'multi-factor authentication is not set up',
    next: 'start with culvert identity mfa enroll',
  },
  NOT_FOUND: {
    code: 'ziti.controller.not_found',
    sentence: 'the controller knows no such thing, or no longer lets this identity see it',
  },
  INVALID_POSTURE: {
    code: 'ziti.controller.posture_failed',
    sentence: 'a posture check of the service does not pass',
    next: 'look at the service to see which check fails',
  },
  NO_EDGE_ROUTERS_AVAILABLE: {
    code: 'ziti.controller.no_edge_routers',
    sentence: 'no router is online that this identity and this service may both use',
    next: 'ask the administrator about edge router policies, or wait for a router to come back',
  },
  RATE_LIMITED: { code: 'ziti.controller.busy', sentence: 'the controller is busy' },
  SERVER_TOO_MANY_REQUESTS: { code: 'ziti.controller.busy', sentence: 'the controller is busy' },
  TIMEOUT: { code: 'ziti.controller.busy', sentence: 'the controller gave up on the request' },
  CLUSTER_NO_LEADER: { code: 'ziti.controller.busy', sentence: 'the controllers have no leader at the moment' },
  INVALID_ENROLLMENT_TOKEN: {
    code: 'ziti.enroll.token_reused',
    sentence: 'the controller does not know this token: it was used already, or withdrawn',
    next: 'ask the administrator for a new token',
  },
  ENROLLMENT_EXPIRED: {
    code: 'ziti.enroll.token_expired',
    sentence: 'the token has expired',
    next: 'ask the administrator for a new token',
  },
  INVALID_ENROLLMENT_ALREADY_ENROLLED: {
    code: 'ziti.enroll.token_reused',
    sentence: 'this identity is enrolled already',
    next: 'ask the administrator for a new token',
  },
  ENROLLMENT_IDENTITY_ALREADY_ENROLLED: {
    code: 'ziti.enroll.token_reused',
    sentence: 'this identity is enrolled already',
    next: 'ask the administrator for a new token',
  },
};

/** What the controller said, as far as it said anything. */
export interface ApiFailure {
  readonly code: string;
  readonly message: string;
  readonly field: string | undefined;
  readonly reason: string | undefined;
}

/** Read a refusal out of any of the three forms; HTTP status as the code where it has none. */
export function readFailure(answer: HttpAnswer): ApiFailure {
  const parsed = parseJson(answer.text);
  const enveloped = v.safeParse(envelope, parsed);
  const bare = enveloped.success ? undefined : v.safeParse(body, parsed);
  const found = enveloped.success ? enveloped.output.error : bare?.success === true ? bare.output : undefined;
  if (found !== undefined) {
    const reason = found.cause?.reason ?? found.cause?.message;
    return { code: found.code, message: found.message ?? '', field: found.cause?.field, reason };
  }
  const plain = v.safeParse(oauth, parsed);
  if (plain.success) {
    return {
      code: plain.output.error,
      message: plain.output.error_description ?? '',
      field: undefined,
      reason: undefined,
    };
  }
  const text = /^\s*</.test(answer.text) ? '' : answer.text.slice(0, 200).trim();
  return { code: `HTTP_${answer.status}`, message: text, field: undefined, reason: undefined };
}

/** The TunnelerError of an answer that is no success. `doing` completes "while …". */
export function apiError(answer: HttpAnswer, doing: string): TunnelerError {
  const failure = readFailure(answer);
  const details = {
    doing,
    httpStatus: answer.status,
    apiCode: failure.code,
    ...(failure.message === '' ? {} : { apiMessage: failure.message }),
    ...defined({ field: failure.field, reason: failure.reason }),
  };
  const meaning = meaningOf(answer.status, failure);
  return new TunnelerError(meaning.code, `${doing}: ${meaning.sentence}`, {
    details: meaning.next === undefined ? details : { ...details, next: meaning.next },
  });
}

function meaningOf(status: number, failure: ApiFailure): Meaning {
  const known = meanings[failure.code];
  if (known !== undefined) return known;
  if ((failure.code === 'COULD_NOT_VALIDATE' || failure.code === 'INVALID_FIELD') && failure.field === 'ServiceId') {
    return {
      code: 'ziti.controller.not_found',
      sentence: 'the service is visible, but not with this permission',
      next: 'ask the administrator for a service policy that grants it',
    };
  }
  if (failure.code === 'invalid_grant' || failure.code === 'access_denied') {
    return { code: 'ziti.controller.session_expired', sentence: 'the session with the controller is over' };
  }
  if (failure.code === 'server_error')
    return { code: 'ziti.controller.busy', sentence: 'the controller failed for a moment' };
  if (status === 401 || status === 403) {
    return { code: 'ziti.controller.unauthenticated', sentence: 'the controller does not accept this identity' };
  }
  if (status === 404) return { code: 'ziti.controller.not_found', sentence: 'the controller knows no such thing' };
  if (status === 429 || status >= 500)
    return { code: 'ziti.controller.busy', sentence: `the controller answered HTTP ${status}` };
  const said = failure.message === '' ? '' : ` (${failure.message})`;
  return { code: 'ziti.controller.refused', sentence: `the controller refused: ${failure.code}${said}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON is an expected form (plain text, HTML); the caller falls back to the status.
    return undefined;
  }
}

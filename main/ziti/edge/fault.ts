/**
 * Routers and controllers say why in English; callers want a code. Matched without regard to case, by substring, first
 * hit wins (texts: openziti/ziti: router/xgress_edge/listener.go, dialer.go, controller/network/*.go).
 */
import { defined } from '../../base/defined.ts';
import { TunnelerError, type ErrorCode } from '../../base/errors.ts';
import { edgeErrorCode, type EdgeFault } from '../wire/edge-error.ts';

const dialTexts: readonly (readonly [pattern: RegExp, code: ErrorCode, sentence: string])[] = [
  [/invalid api session/i, 'ziti.dial.session_invalid', 'the router does not know our session any more'],
  [
    /invalid session|session not found/i,
    'ziti.dial.session_invalid',
    'the session for this service is not valid any more',
  ],
  [/posture/i, 'ziti.dial.posture_failed', 'a posture check of this service does not pass'],
  [
    /no access|access (denied|lost)|not authori[sz]ed|unauthori[sz]ed|policy/i,
    'ziti.dial.access_denied',
    'no policy lets this identity dial the service',
  ],
  [/did not send public header/i, 'ziti.dial.encryption_missing', 'the service wants end-to-end encryption'],
  [/no terminators|no online terminators/i, 'ziti.dial.no_terminator', 'nobody is hosting the service'],
  [/host for terminator address .* not found/i, 'ziti.dial.no_terminator', 'the host of the service is gone'],
  [
    /timeout waiting for message reply|timed? ?out|deadline exceeded/i,
    'ziti.dial.timeout',
    'the host did not answer in time',
  ],
  [/failed to establish connection with terminator/i, 'ziti.dial.refused', 'the host refused the connection'],
  [/invalid service|service .*not found/i, 'ziti.dial.service_unknown', 'the service does not exist any more'],
];

/**
 * Codes that say all there is to say (release 2.1 on; before, a dial was refused by text alone). A text may quote any name, so it is read
 * only where the code says nothing.
 */
const dialCodes: Partial<Record<number, readonly [code: ErrorCode, sentence: string]>> = {
  [edgeErrorCode.invalidApiSession]: ['ziti.dial.session_invalid', 'the router does not know our session any more'],
  [edgeErrorCode.invalidSession]: ['ziti.dial.session_invalid', 'the session for this service is not valid any more'],
  [edgeErrorCode.wrongSessionType]: ['ziti.dial.session_invalid', 'the session is not one for dialling'],
  [edgeErrorCode.invalidEdgeRouterForSession]: ['ziti.dial.session_invalid', 'the session is not for this router'],
  [edgeErrorCode.invalidApiSessionType]: ['ziti.dial.session_invalid', 'the router asks for a session of another kind'],
  [edgeErrorCode.invalidService]: ['ziti.dial.service_unknown', 'the service does not exist any more'],
  [edgeErrorCode.encryptionDataMissing]: ['ziti.dial.encryption_missing', 'the service wants end-to-end encryption'],
  [edgeErrorCode.accessDenied]: ['ziti.dial.access_denied', 'no policy lets this identity dial the service'],
  [edgeErrorCode.postureCheckFailed]: ['ziti.dial.posture_failed', 'a posture check of this service does not pass'],
};

/** The error for a dial that the router answered with `reason`. */
export function dialFailure(reason: string, fault: EdgeFault): TunnelerError {
  const details = {
    reason,
    ...defined({ routerCode: fault.code }),
    ...failingChecks(reason, fault),
  };
  const coded = fault.code === undefined ? undefined : dialCodes[fault.code];
  if (coded !== undefined) return new TunnelerError(coded[0], coded[1], { details });
  for (const [pattern, code, sentence] of dialTexts) {
    if (pattern.test(reason)) return new TunnelerError(code, sentence, { details });
  }
  return new TunnelerError('ziti.dial.failed', `the dial failed: ${reason === '' ? 'no reason given' : reason}`, {
    details,
  });
}

/** A check that a refusal names. */
export interface NamedCheck {
  readonly id: string;
  /** As its administrator called it; absent where the router tells ids alone. */
  readonly name?: string;
}

/** Which checks stand in the way: by the structure of 2.1, and by the words of 2.0 and 2.1 (openziti/ziti: router/posture/errors.go). */
function failingChecks(reason: string, fault: EdgeFault): { failingChecks?: readonly NamedCheck[] } {
  const named = new Map<string, NamedCheck>();
  for (const [, name, id] of reason.matchAll(/posture check (.+?) \[([^\]\s]+)\] failed/g)) {
    if (id !== undefined && name !== undefined) named.set(id, { id, name });
  }
  const ids = fault.failingChecks.length > 0 ? fault.failingChecks : [...named.keys()];
  return ids.length === 0 ? {} : { failingChecks: ids.map((id) => named.get(id) ?? { id }) };
}

/** Access was taken away while a stream or binding was open (texts as 1.7 and 2.0 routers send them). */
export function isAccessLoss(reason: string, fault: EdgeFault): boolean {
  return (
    fault.code === edgeErrorCode.accessDenied ||
    fault.code === edgeErrorCode.postureCheckFailed ||
    /access lost|access denied|session (closed|ended|removed)|invalid (api )?session|not authori[sz]ed/i.test(reason)
  );
}

/** The error for an open stream whose access was taken away. */
export function accessLost(reason: string, fault?: EdgeFault): TunnelerError {
  if (fault?.code === edgeErrorCode.postureCheckFailed)
    return postureLost(reason, failingChecks(reason, fault).failingChecks);
  return new TunnelerError('ziti.dial.access_denied', 'access to the service was revoked while the stream was open', {
    details: { reason },
  });
}

/** The error for an open stream whose access ended because posture checks began to fail. */
export function postureLost(reason: string, checks: readonly NamedCheck[] = []): TunnelerError {
  return new TunnelerError('ziti.dial.posture_failed', 'a posture check began to fail while the stream was open', {
    details: { reason, revoked: true, ...(checks.length === 0 ? {} : { failingChecks: checks }) },
  });
}

/** The error for an open stream that was cut off by the other side or on the way. */
export function streamReset(reason: string): TunnelerError {
  return new TunnelerError('ziti.stream.reset', 'the stream was cut off by the other side or on the way', {
    details: { reason },
  });
}

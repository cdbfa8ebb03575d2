/** Why a stream's end ended a session, in the words of the field. */
import type { TunnelerError } from '../base/errors.ts';
import type { Reason, CloseReason } from '../base/reason.ts';

/** The end that asked, and the end that serves. */
export type End = 'consumer' | 'provider';

/** Why a session ends. */
export interface Ending {
  readonly reason: CloseReason;
  /** More than the word of the field, where there is more to say. */
  readonly why: Reason | undefined;
}

/**
 * The ending that an `error` on one end means. Only an overlay end can tell of lost access or a lost tunnel; a local socket's error is
 * that party's own close.
 */
export function endingOf(end: End, overlay: End, error: TunnelerError | undefined): Ending {
  const own: CloseReason = end === 'consumer' ? 'consumer_close' : 'provider_close';
  if (error === undefined) return { reason: own, why: undefined };
  const why: Reason = { code: error.code, sentence: error.message, details: error.details };
  if (error.details.revoked === true || error.code === 'ziti.dial.access_denied') {
    return { reason: 'policy_revoked', why };
  }
  if (error.code === 'identity.disabled') return { reason: 'identity_disabled', why };
  if (error.code === 'policy.quarantined') return { reason: 'quarantined', why };
  if (end !== overlay) return { reason: own, why };
  if (error.code === 'ziti.stream.reset' || error.code === 'base.closed') return { reason: own, why };
  return { reason: 'tunnel_failed', why };
}

/** Where an identity stands, in words for people: what its context says, or what kept it from starting, and the next step. */
import type { ErrorCode, TunnelerError } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import type { IdentityState } from '../../api/views.ts';
import type { IdentityProof } from '../../identity/identities.ts';
import type { ContextState } from '../../ziti/model.ts';

/** An identity's state, and why it is that. */
export interface IdentityStatus {
  readonly state: IdentityState;
  readonly reason?: Reason;
  readonly loginProviders?: readonly string[];
}

/** Errors of opening a key that a person can mend by handing something over. */
const lockedCodes: ReadonlySet<ErrorCode> = new Set([
  'identity.passphrase_missing',
  'identity.passphrase_wrong',
  'identity.keystore_locked',
  'identity.keystore_unavailable',
  'identity.locked',
  'identity.token_removed',
  'identity.tpm_lockout',
]);

/** Of a context at work. */
export function identityStatusOf(
  state: Exclude<ContextState, { kind: 'closed' }>,
  name: string,
  proof: IdentityProof,
): IdentityStatus {
  switch (state.kind) {
    case 'starting':
    case 'ready':
      return { state: state.kind };
    case 'mfa-required':
      return {
        state: 'mfa-required',
        reason: {
          code: 'ziti.controller.mfa_required',
          sentence: `${name} must give a code before it may go on`,
          next: `culvert identity mfa verify ${name}`,
        },
      };
    case 'external-login-required':
      return {
        state: 'login-required',
        loginProviders: state.signers,
        reason: {
          code: 'ziti.controller.external_login_required',
          sentence: `${name} must sign in${state.signers.length === 0 ? '' : ` with ${state.signers.join(' or ')}`}`,
          next: `culvert identity login ${name}`,
        },
      };
    case 'degraded':
      return degradedBy(state.error);
    case 'unauthenticated':
      if (proof !== 'certificate') {
        const next = `culvert identity login ${name}; where that is refused too, see at the controller`;
        return { state: 'login-required', reason: { ...reasonOf(state.error), next } };
      }
      if (state.error.code === 'identity.certificate_expired') {
        return { state: 'unauthenticated', reason: reasonOf(state.error) };
      }
      return {
        state: 'unauthenticated',
        reason: {
          ...reasonOf(state.error),
          next: 'see at the controller whether it was disabled or deleted; else enrol it anew',
        },
      };
  }
}

/** The status of one that was disabled here. */
export function disabledStanding(name: string): IdentityStatus {
  const next = `culvert identity enable ${name}`;
  return { state: 'disabled', reason: { code: 'identity.disabled', sentence: `${name} is disabled`, next } };
}

/** The status of one whose key nobody has opened. */
export function lockedStanding(name: string): IdentityStatus {
  const next = `culvert identity unlock ${name}`;
  return { state: 'locked', reason: { code: 'identity.locked', sentence: `${name} is locked`, next } };
}

/** Of one whose key or context did not open. */
export function failedStanding(error: TunnelerError, name: string): IdentityStatus {
  return lockedCodes.has(error.code) ? lockedBy(error, name) : brokenBy(error);
}

/** It is tried again without anyone's help; what a person can do comes first. */
function degradedBy(error: TunnelerError): IdentityStatus {
  const { next, ...reason } = reasonOf(error);
  const again = 'it is being tried again by itself';
  return {
    state: 'degraded',
    reason: { ...reason, next: next === undefined ? again : `${next.replace(/\.$/, '')}; ${again}` },
  };
}

function lockedBy(error: TunnelerError, name: string): IdentityStatus {
  return { state: 'locked', reason: { next: `culvert identity unlock ${name}`, ...reasonOf(error) } };
}

/** Of one whose file cannot be read, or that failed for good. */
export function brokenBy(error: TunnelerError): IdentityStatus {
  return { state: 'broken', reason: reasonOf(error) };
}

function reasonOf(error: TunnelerError): Reason {
  const next = error.details['next'];
  return { code: error.code, sentence: error.message, ...(typeof next === 'string' ? { next } : {}) };
}

import { defined } from './defined.ts';
import { isReasonCode, type ReasonCode } from './reason-codes.ts';

/** Why something was allowed or refused: one code a script can match, one sentence a person can read, one next step. */
export interface Reason {
  /** Stable, dotted, of the closed list. */
  readonly code: ReasonCode;
  readonly sentence: string;
  /** What the reader can do about it, where there is something. */
  readonly next?: string;
  /** What the sentence names, so that another language can name it too. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The rule that decided: a contract field (`contract:apps.deny`), a Cedar policy id, `controller`. */
  readonly rule?: string;
}

/**
 * The way in for a code of elsewhere: another version's file, another engine's answer. One that this build does not know is `reason.unknown`,
 * itself kept in the details, so that the sentence that came with it is shown as it came.
 */
export function codeFromOutside(code: string, details?: Reason['details']): Pick<Reason, 'code' | 'details'> {
  return isReasonCode(code)
    ? { code, ...defined({ details }) }
    : { code: 'reason.unknown', details: { ...details, code } };
}

/** Close reasons of a session, in the words of the field (product.md). */
export const closeReasons = [
  'consumer_close',
  'provider_close',
  'policy_revoked',
  'contract_violation',
  'max_duration_exceeded',
  'max_bytes_exceeded',
  'idle_timeout',
  'quarantined',
  'tunnel_failed',
  'identity_disabled',
] as const;
/** A member of {@link closeReasons}. */
export type CloseReason = (typeof closeReasons)[number];

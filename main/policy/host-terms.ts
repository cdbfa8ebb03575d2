/**
 * What a contract says of a dial that reached its host: all of its terms but which programs may use it, which only the dialling side can
 * know. Pure.
 */
import type { Reason } from '../base/reason.ts';
import type { ContractInForce } from './contract-book.ts';
import { contractRefuses, type ContractWords } from './reasons.ts';

/** The facts of one hosted dial. */
export interface HostedDialFacts {
  readonly service: string;
  readonly nowMs: number;
  /** Sessions of the service open at this end. */
  readonly openSessions: number;
  /** The dialler named the program it dials for. Its own word. */
  readonly tellsProgram: boolean;
  /** Seconds since the dialler last proved MFA, by its own word; undefined: it says nothing. */
  readonly mfaAgeSeconds: number | undefined;
}

/** Why the contract refuses it; undefined where it does not. */
export function hostedRefusal(inForce: ContractInForce, facts: HostedDialFacts): Reason | undefined {
  if (inForce.kind === 'none') return undefined;
  if (inForce.kind === 'invalid') return inForce.reason;
  const { contract, schedule } = inForce;
  const says = (...words: ContractWords): Reason => contractRefuses(facts.service, ...words);
  if (contract.apps?.required === true && !facts.tellsProgram) {
    return says('apps.required', 'asks which program dials, and the caller does not say', 'dial through Culvert');
  }
  const opening = schedule?.at(facts.nowMs);
  if (opening?.open === false) {
    return says('schedule', `is closed now: ${opening.why}`, 'come back within its schedule');
  }
  const { maxSessions, requireMfaWithinSeconds } = contract;
  if (maxSessions !== undefined && facts.openSessions >= maxSessions) {
    return says('maxSessions', `lets ${maxSessions} sessions be open at a time`, 'close one first');
  }
  if (requireMfaWithinSeconds !== undefined && (facts.mfaAgeSeconds ?? Infinity) > requireMfaWithinSeconds) {
    return says(
      'requireMfaWithinSeconds',
      `asks for MFA within ${requireMfaWithinSeconds} s before`,
      'verify the TOTP code and dial through Culvert',
    );
  }
  return undefined;
}

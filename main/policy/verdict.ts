/** What policy says of one flow, at that moment. */
import type { App } from '../apps/app.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { FlowRequest, RefusalAnswer } from '../base/flow.ts';
import type { Clearance } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';

export type Verdict =
  | {
      readonly kind: 'dial';
      readonly match: Match;
      /** Frozen for the session's life; a later change of the contract is for later sessions. */
      readonly contract: EngagementContract | undefined;
      /** Where the contract came from: `controller` or a file. */
      readonly contractOrigin: string | undefined;
      readonly reason: Clearance;
    }
  | { readonly kind: 'refuse'; readonly match?: Match; readonly reason: Clearance; readonly answer: RefusalAnswer }
  | { readonly kind: 'pass'; readonly reason: Clearance };

/** Facts of the moment a decision needs beside flow, app and match. */
export interface DecisionFacts {
  readonly nowMs: number;
  /** When this identity last proved MFA; undefined: never. */
  readonly mfaVerifiedAtMs: number | undefined;
  /** Sessions of this service open now. */
  readonly openSessions: number;
  /** The identity can work now: ready, not disabled, not locked. A reason where it cannot. */
  readonly identityTrouble: Clearance | undefined;
  /** `app:…`, `identity:…`, `service:…` quarantined now. */
  isQuarantined(subject: string): string | undefined;
}

export type DecideFlow = (flow: FlowRequest, app: App, matches: readonly Match[], facts: DecisionFacts) => Verdict;

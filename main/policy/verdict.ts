/** What policy says of one flow, at that moment. */
import type { App } from '../apps/app.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { FlowRequest, RefusalAnswer } from '../base/flow.ts';
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import type { UserId } from '../base/user-id.ts';

/** Dial by this match, refuse with this answer, or let pass what no service claims. */
export type Verdict =
  | {
      readonly kind: 'dial';
      readonly match: Match;
      /** Frozen for the session's life; a later change of the contract is for later sessions. */
      readonly contract: EngagementContract | undefined;
      /** Where the contract came from: `controller` or a file, several joined by ` + `. */
      readonly contractOrigin: string | undefined;
      readonly reason: Reason;
      /** Refused for this unless the host says, for this very session, that it lets it in: only there somebody may have granted it. */
      readonly unlessHostGrants?: Reason;
    }
  | { readonly kind: 'refuse'; readonly match?: Match; readonly reason: Reason; readonly answer: RefusalAnswer }
  | { readonly kind: 'pass'; readonly reason: Reason };

/** What policy must know of an identity. */
export interface IdentityFacts {
  readonly scope: 'machine' | 'user';
  /** The user it serves, for scope `user`. */
  readonly ownerUid?: UserId;
  /** With `oidc` the routers judge posture and the controller's `isPassing` is old news: advisory only. */
  readonly authentication: 'oidc' | 'legacy' | undefined;
  /** It can work now: ready, not disabled, not locked. A reason where it cannot. */
  readonly trouble: Reason | undefined;
  /** When it last proved MFA; undefined: never. */
  readonly mfaVerifiedAtMs: number | undefined;
}

/** Facts of the moment a decision needs beside flow, app and matches. */
export interface DecisionFacts {
  readonly nowMs: number;
  /** By local name; undefined where there is no such identity any more. */
  identity(name: string): IdentityFacts | undefined;
  /** Sessions of this service open or being opened now. */
  openSessions(serviceId: string): number;
  /** Why `app:…`, `identity:…` or `service:…` is quarantined now; undefined where it is not. */
  isQuarantined(subject: string): string | undefined;
  /** Nothing is left of what the contract grants this identity at this service. Absent: nothing is counted. */
  isGrantSpent?(match: Match, contract: EngagementContract): boolean;
  /** Dials of this program to this service within the last minute, for local rules. Absent: 0. */
  readonly recentDials?: number;
}

/** `policy/policy.ts` makes one that carries the rules in force. */
export type DecideFlow = (flow: FlowRequest, app: App, matches: readonly Match[], facts: DecisionFacts) => Verdict;

/** Sessions: one admitted flow joined to one dialled stream. Joint types; made by `createSessions` in `session/create-sessions.ts`. */
import type { EngagementContract } from '../base/engagement.ts';
import type { FlowEntry } from '../base/flow.ts';
import type { ReasonCode } from '../base/reason-codes.ts';
import type { CloseReason, Reason } from '../base/reason.ts';
import type { ByteStream } from '../base/stream.ts';
import type { App } from '../apps/app.ts';
import type { GrantedTime } from '../policy/granted-times.ts';
import type { Guard, GuardCall } from '../guard/guard.ts';

/** Who vouches for a hosted session's caller: the router, a signature with its certificate's key, or nobody. */
export type CallerAssertion = 'router' | 'signature' | 'nobody';

/** Who dialled what is hosted here. */
export interface SessionCaller {
  /** What stands for it in budgets and grants: its id, or the one name that all nameless callers of the service share. */
  readonly account: string;
  /** What it is called, whoever vouches for that: as local rules are asked about it. */
  readonly name: string;
  readonly asserted: CallerAssertion;
  /** It is Culvert and holds the contract too, so that its own person is asked what the contract leaves to a person. */
  readonly asks: boolean;
}

/** Time that belongs to more than one session: a grant or an approval, however often its holder reconnects. Zero left ends the session. */
export type SessionGrant = GrantedTime;

/** A session is `open` until it is `closed`, for good. */
export type SessionState = 'open' | 'closed';

/** The other end of a session, where that is Culvert too: it counts what the contract counts. */
export interface FarEnd {
  /** It holds the session to a guard. */
  readonly guarded: boolean;
  /** What it grants still, as of when it said so. To be shown: it may give more at any moment. */
  readonly leftSeconds?: number;
}

/** This device dialled, or hosts. */
export type SessionEnd = 'dial' | 'host';

/** What a session is made of, known when it is opened. */
export interface SessionFacts {
  readonly service: string;
  readonly serviceId: string;
  readonly identity: string;
  readonly direction: 'dial' | 'host';
  /** How it came in. */
  readonly entry: FlowEntry | 'hosted';
  readonly app: App;
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly destination: string;
  readonly encrypted: boolean;
  readonly router: string | undefined;
  readonly decision: Reason;
  readonly contract: EngagementContract | undefined;
  /** Hosted sessions only. */
  readonly caller?: SessionCaller;
}

/** What the opener brings to a session. */
export interface SessionParts {
  /** A guard of its own, behind the contract's: nearer to the service. */
  readonly guard?: Guard;
  /** Time granted beyond this one session. */
  readonly grants?: readonly SessionGrant[];
  /** What the other end said of itself, where it is known already. */
  readonly farEnd?: FarEnd;
}

/** Bytes that several sessions share: what may still pass of them, and what did. */
export interface SharedBytes {
  leftBytes(): number;
  moved(bytes: number): void;
}

/** Sees what a session passes on and which calls its guard read; never in its way. */
export interface SessionTap {
  /** Valid within the call: a copy is the tap's own affair. */
  passed(to: 'provider' | 'consumer', bytes: Uint8Array, nowMs: number): void;
  called(call: GuardCall): void;
  /** Once; nothing comes after it. */
  closed(nowMs: number): void;
}

/** A live or lately closed session; a view onto it, never the thing itself. */
export interface SessionSnapshot extends SessionFacts {
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly state: SessionState;
  readonly closeReason: CloseReason | undefined;
  /** More about the closing, where there is more to say. */
  readonly closeWhy: Reason | undefined;
  /** Several joined by `+`. */
  readonly guard: string;
  /** At which ends a guard holds it: this one, and the other where that one said so. */
  readonly guardedAt: readonly SessionEnd[];
  readonly calls: number;
  readonly denied: number;
  /** Calls that went on because the contract only observes. */
  readonly observed: number;
  readonly remaining: { readonly seconds?: number; readonly bytes?: number; readonly calls?: number };
  /** Newest last, bounded; a new array whenever it grows. */
  readonly timeline: readonly SessionMoment[];
}

/** One entry of a session's timeline. */
export interface SessionMoment {
  readonly atMs: number;
  readonly kind: 'admitted' | 'opened' | 'half-closed' | 'call' | 'violation' | 'alert' | 'closed';
  /** A code of its own where there are words; a call's method and target need none. */
  readonly said: Pick<Reason, 'sentence' | 'details'> & { readonly code?: ReasonCode };
  readonly call?: GuardCall;
}

/** What happened to a session; told after it was recorded, unless it says otherwise. */
export type SessionEvent =
  | { readonly kind: 'opened'; readonly session: SessionSnapshot }
  | { readonly kind: 'closed'; readonly session: SessionSnapshot }
  /** The identity it belongs to goes by another name now. */
  | { readonly kind: 'renamed'; readonly session: SessionSnapshot }
  /** Its other end said how it holds it. */
  | { readonly kind: 'met'; readonly session: SessionSnapshot }
  | { readonly kind: 'called'; readonly session: SessionSnapshot; readonly call: GuardCall }
  | { readonly kind: 'violated'; readonly session: SessionSnapshot; readonly reason: Reason }
  /** Nothing is wrong yet. Recorded by whoever raises the alert. */
  | { readonly kind: 'warned'; readonly session: SessionSnapshot; readonly reason: Reason };

/** All sessions of an engine. Disposing ends them all. */
export interface Sessions extends AsyncDisposable {
  /**
   * Join both ends and pump until one side, a limit, a guard or a command ends it. Returns the session's id. `consumer` is the end that
   * asked (dial: the application, host: the overlay), `provider` the end that serves (dial: the overlay, host: the local server);
   * sessions own both from here on. Throws `session.limit` beyond the contract's `maxSessions` and `audit.write_failed` where the
   * opening cannot be recorded; both ends are then reset.
   */
  open(facts: SessionFacts, consumer: ByteStream, provider: ByteStream, parts?: SessionParts): string;
  /** The other end of this session said that it is Culvert, and how it holds it. */
  met(id: string, farEnd: FarEnd): void;
  /** Hold a place of this service while its dial is under way, so that `openCount` sees it; dispose just before `open`. */
  reserve(serviceId: string): Disposable;
  list(): readonly SessionSnapshot[];
  get(id: string): SessionSnapshot | undefined;
  /** Reset both ends now; false where it is unknown or closed already. */
  close(id: string, reason: CloseReason, why?: Reason): boolean;
  /** Close all that match, at once; their ids. */
  closeWhere(matches: (session: SessionSnapshot) => boolean, reason: CloseReason, why?: Reason): readonly string[];
  /** Sessions of this identity that are open belong to `to` from now on, nothing else of them changes; closed rows keep the name they had. */
  renameIdentity(identity: string, to: string): void;
  /** Open ones, and places held. Of a service: those of one end, the dialling one by default. */
  openCount(serviceId?: string, direction?: SessionEnd): number;
  /** Of each agent that has any: how many are open. Asked for many times a second, so that no session's row is made for it. */
  openAgents(): ReadonlyMap<string, number>;
  /** Ever opened. */
  total(): number;
  subscribe(listener: (event: SessionEvent) => void): Disposable;
}

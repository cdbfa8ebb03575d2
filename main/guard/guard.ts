/**
 * Guards read a stream as a protocol and hold it to its contract. Pure: bytes and a time in, effects out; no I/O, no clock, no Node.
 *
 * One Guard lives as long as one session. `fromApp` and `fromService` are given every chunk of their direction in order, and say
 * what goes on instead. Where nothing is read or changed the very same chunk is passed on: no copy.
 */
import type { GuardedProtocol } from '../base/engagement/guarded.ts';
import type { Reason } from '../base/reason.ts';
import type { AgentEndpoints } from './a2a/endpoints.ts';
import type { DataFound } from './data/found.ts';
import type { CallHistory } from './data/history.ts';
import type { KeptSecrets } from './data/kept-secrets.ts';
import type { HeldBudget } from './held-budget.ts';
import type { ModelKeys } from './http/model-key.ts';
import type { Cost, PriceBook } from './http/prices.ts';
import type { ToolPins } from './mcp/pins.ts';

/** The protocols there is a guard for. */
export type GuardKind = GuardedProtocol;

/** One call the guard read and judged. */
export interface GuardCall {
  readonly protocol: GuardKind;
  /** `tools/call`, `GET`, `write-single-register`. */
  readonly method: string;
  /** Tool, path, `unit 1 holding 40–41`. */
  readonly target: string;
  readonly decision: 'allow' | 'deny';
  readonly rule?: string;
  /** Why it was refused, in a sentence. */
  readonly reason?: string;
  /** Allowed by a contract that only observes: the rule that would have refused it. */
  readonly observed?: string;
  /** Lower-hex SHA-256 of the canonical JSON of the arguments. */
  readonly digest?: string;
  /** What was asked: of MCP only where the contract says so; of a device the registers, the count and the values written. */
  readonly arguments?: unknown;
  readonly startedAtMs: number;
  /** Set when the answer was seen. */
  readonly durationMs?: number;
  readonly failed?: boolean;
  readonly model?: string;
  /** Id of the key of Culvert's own that was shown. */
  readonly modelKey?: string;
  readonly tokens?: { readonly input: number; readonly output: number };
  /** What they cost, where their price is known. */
  readonly cost?: Cost;
  /** Classes of data that the contract asks for and that were in it. */
  readonly data?: readonly DataFound[];
}

/** What a guard wants done, in order. */
export type GuardEffect =
  | { readonly kind: 'to-service'; readonly bytes: Uint8Array }
  | { readonly kind: 'to-app'; readonly bytes: Uint8Array }
  /** A finished call: count, audit, show. A denied one is reported at once, an allowed one when answered (or at close). */
  | { readonly kind: 'call'; readonly call: GuardCall }
  /**
   * The contract was broken beyond what an answer in the protocol can say; session applies `onViolation`. `lost`: the guard can no
   * longer follow the stream, so the session closes even where the contract only asks for an alert (fails closed).
   */
  | { readonly kind: 'violation'; readonly reason: Reason; readonly lost: boolean }
  /**
   * The service said what cannot be passed on; it was withheld. Recorded and told, and no violation: the program is not at fault. `lost`: its
   * stream can no longer be followed, so the session ends.
   */
  | { readonly kind: 'service-fault'; readonly reason: Reason; readonly lost: boolean }
  /** The guard ended what flows, in the protocol's own words: once that is delivered both ends are let go. No violation. */
  | { readonly kind: 'end'; readonly reason: Reason }
  /** What somebody should know before it is too late; nothing is withheld for it. Recorded and told. */
  | { readonly kind: 'warning'; readonly reason: Reason }
  /** What flows is TLS or otherwise unreadable. Sent once; `open`: bytes pass unread; `closed`: a violation follows. */
  | { readonly kind: 'not-visible'; readonly direction: 'open' | 'closed' };

/** One session's guard. */
export interface Guard {
  /** A {@link GuardKind}; several joined by `+`. */
  readonly kind: string;
  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[];
  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[];
  /** That direction ended: what was held back, and calls still open. */
  appEnded(nowMs: number): readonly GuardEffect[];
  serviceEnded(nowMs: number): readonly GuardEffect[];
  /** Bytes held back in memory; bounded by the guard. */
  buffered(): number;
  /**
   * A guard that waits (for a person's approval, or for its next slice of a long message) goes on by itself: `wake` is called then, never from
   * within another call of this guard, and `proceed` says what came of it. One listener.
   */
  onWake?(wake: () => void): void;
  proceed?(nowMs: number): readonly GuardEffect[];
  /**
   * What of the application has to wait for the next wake: `bytes`, behind a message that is still judged, or only its `end`, because a held
   * call may still go on.
   */
  waiting?(): 'bytes' | 'end' | undefined;
  /** The service, its end too, has to wait for the next wake: what came of it is not judged yet. */
  holdsService?(): boolean;
  /** The session is over: what waits is not judged any more. Both ends follow. */
  abandon?(): void;
}

/** Counters and budgets that outlive one session (rate windows per agent and service); `createLedger` in `guard/ledger.ts`. */
export interface GuardLedger {
  /** Take `amount` from a sliding window's budget; false, and nothing taken, where that would pass `limit`. */
  take(key: string, amount: number, limit: number, windowMs: number, nowMs: number): boolean;
  /** Book what was used already, even beyond the limit (tokens are known only after the answer). */
  charge(key: string, amount: number, windowMs: number, nowMs: number): void;
  /**
   * Set aside for a call under way, so that calls side by side do not each see the whole budget. Given back by the function returned (once),
   * or by itself after the window.
   */
  hold(key: string, amount: number, windowMs: number, nowMs: number): () => void;
  /** What the window holds now, what is set aside included. */
  used(key: string, windowMs: number, nowMs: number): number;
  /** What the window holds of what was used, without what is set aside. */
  spent(key: string, windowMs: number, nowMs: number): number;
  /** When the window will hold less than `limit` again, if nothing more is used. */
  freeAt?(key: string, limit: number, windowMs: number, nowMs: number): number;
}

/** One call as local rules see it before it goes on. */
export interface GuardedAction {
  readonly action: 'callTool' | 'readResource' | 'writeRegister';
  /** Tool or prompt name, resource URI, `unit 1 holding 40–41`. */
  readonly target: string;
  /** Register writes only. */
  readonly unit?: number;
  readonly table?: 'coils' | 'holding';
  readonly from?: number;
  readonly to?: number;
  /** Calls of MCP only. */
  readonly call?: CallFacts;
}

/** Arguments as texts under their paths: `to`, `cc.0`, `filter.name`. */
export interface ArgumentTexts {
  readonly all: ReadonlyMap<string, string>;
  /** The one of this path, in whatever spelling. */
  named(path: string): string | undefined;
}

/** What local rules say of a call. */
export type LocalVerdict =
  /** By these rules; by none where no rule speaks of it. */
  { readonly kind: 'allow'; readonly rules: readonly string[] } | { readonly kind: 'deny'; readonly reason: Reason };

/** What is known of a call beside its name. */
export interface CallFacts {
  /** Its arguments; undefined where they are too many or too long for rules to look at. */
  readonly arguments: () => ArgumentTexts | undefined;
  /** Classes of data found in it. */
  readonly classes: readonly string[];
  /** A person has said yes to it, or will be asked before it goes on. */
  readonly approved: boolean;
}

/** A call that a contract lets through only with somebody's approval (`mcp.ask`). */
export interface AskedCall {
  readonly protocol: GuardKind;
  readonly method: string;
  readonly target: string;
  /** The rule that asks: `contract:mcp.ask delete_*`. */
  readonly rule: string;
  /** As for `GuardCall`. */
  readonly digest: string;
  /** In full, for the person who is asked; kept nowhere else. Numbers no double can hold are `JsonNumber`. */
  readonly arguments: unknown;
  readonly startedAtMs: number;
}

/** What became of it. `rule` stands in the record beside the call: who granted it, or for which grant it passed. */
export type ApprovalAnswer =
  | { readonly granted: true; readonly rule?: string }
  /** Its sentence is told to the program, so that a model knows why. */
  | { readonly granted: false; readonly reason: Reason };

/** Asks for approval. `signal` ends the question with the session. A rejection refuses the call. */
export type Approve = (call: AskedCall, signal: AbortSignal) => Promise<ApprovalAnswer>;

/** Why nothing may be said to an agent now. */
export interface EngagementRefusal {
  readonly rule: string;
  readonly sentence: string;
  readonly next: string;
}

/** The engagement that a session of agents belongs to: asked before anything is said, and told of what is. */
export interface SessionEngagement {
  /** Undefined: it may be said as things stand, which {@link said} decides. A promise where the other end is asked first. */
  refusal(): EngagementRefusal | undefined | Promise<EngagementRefusal | undefined>;
  /** The decision, in the very step in which it goes on: judged, begun and counted at once. `isMessage`: it counts as one. */
  said(isMessage: boolean): EngagementRefusal | undefined;
}

/** What a guard is given for its session. */
export interface GuardContext {
  readonly ledger: GuardLedger;
  /** Names who spends from the ledger: identity, agent or program, and service. */
  readonly ledgerKey: string;
  /** Names whose budgets of tokens and money these are: identity and service. Absent: `ledgerKey`. */
  readonly budgetKey?: string;
  /** What models cost. Absent: nobody knows. */
  readonly prices?: PriceBook;
  /** The contract only observes (`enforce: observe`). */
  readonly observes?: boolean;
  /** Lower-hex SHA-256 of the text's UTF-8 bytes. */
  digest(text: string): string;
  /** Each chunk is one datagram (UDP); default: a stream. */
  readonly datagrams?: boolean;
  /** The record also holds what reads of a device returned. */
  readonly recordValues?: boolean;
  /** The same for a text that comes in pieces, none of which is cut within a character. Absent: it is hashed in one. */
  hash?(): { update(text: string): void; digest(): string };
  /** Local rules over one call. Absent: no local rules. */
  authorize?(action: GuardedAction): LocalVerdict;
  /** Definitions of the service's tools, kept from before. Absent: none are kept. */
  readonly pins?: ToolPins;
  /** Between agents: whether they are engaged. Absent: nobody asks. */
  readonly engagement?: SessionEngagement;
  /** Where the service's agents are spoken to, as their cards said. Absent: as those of this session say. */
  readonly endpoints?: AgentEndpoints;
  /** Says what a key of Culvert's own is worth in this session. Absent: none is worth anything. */
  readonly modelKeys?: ModelKeys;
  /** What this program did before. Absent: nothing is remembered. */
  readonly history?: CallHistory;
  /** Values that are looked for as secrets where the contract asks for secrets. */
  readonly keptSecrets?: KeptSecrets;
  /** Asked for calls a contract holds for approval. Absent: there is nobody to ask, and they are refused. */
  readonly approve?: Approve;
  /** Lets everybody else have a turn between two slices of a long message. Absent: no pauses. */
  pause?(): Promise<void>;
  /** The bound all sessions share for messages that are held. Absent: each guard's own alone. */
  readonly held?: HeldBudget;
}

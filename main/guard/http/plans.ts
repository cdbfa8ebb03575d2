/** What a protocol brings to HTTP exchanges: what is to be done with a request, and with its answer. */
import type { ReasonCode } from '../../base/reason-codes.ts';
import type { Reason } from '../../base/reason.ts';
import type { BodyFraming, HeadChanges, RequestHead, ResponseHead } from './head.ts';
import type { OwnAnswer } from './own-answer.ts';

/** What is to be done with a request, told when its head is complete. */
export type RequestPlan =
  /** Its body goes on as it comes, in the guard's own framing. */
  | {
      readonly kind: 'pass';
      readonly changes?: HeadChanges;
      readonly answer: AnswerWatch;
      /** It is a websocket handshake: the connection may be switched by its answer. */
      readonly upgrade?: boolean;
      /** Reads what flows then, and passes it on; without one it flows unread. */
      readonly conversation?: Conversation;
    }
  /** Its body is read until it is complete, then judged, and written anew. */
  | {
      readonly kind: 'hold';
      readonly changes?: HeadChanges;
      readonly limitBytes: number;
      readonly body: HeldBody;
      /** It grew beyond the limit: said as an answer, then as a violation. */
      tooLarge(nowMs: number): { readonly answer: OwnAnswer; readonly reason: Reason };
    }
  | { readonly kind: 'refuse'; readonly answer: OwnAnswer };

/** What is said over a connection that has left HTTP. What goes on is an effect. */
export interface Conversation {
  fromApp(bytes: Uint8Array, nowMs: number): void;
  fromService(bytes: Uint8Array, nowMs: number): void;
  /** The service ended. Idempotent. */
  ended(nowMs: number): void;
  /** Bytes of what is not complete. */
  readonly heldBytes: number;
}

/** Reads a body as it comes. */
export interface HeldBody {
  push(payload: Uint8Array): void;
  judge(nowMs: number): HeldVerdict | Promise<HeldVerdict>;
}

/** What becomes of a request that was held until it was judged. */
export type HeldVerdict =
  | {
      readonly kind: 'pass';
      /** What goes on, written from what was judged. */
      readonly body: readonly Uint8Array[];
      /** What it is, in the place of what was said of it; undefined where there is no body to speak of. */
      readonly contentType?: string;
      readonly answer: AnswerWatch;
    }
  | { readonly kind: 'refuse'; readonly answer: OwnAnswer };

/** Sees the answer to one request. */
export interface AnswerWatch {
  /** The final head is complete: how is its body to be treated? */
  head(head: ResponseHead, framing: BodyFraming, nowMs: number): AnswerPlan;
  /** The exchange is over; `complete` is false where the stream ended within it. Once. */
  over(complete: boolean, nowMs: number): void;
}

/** What is to be done with an answer. */
export type AnswerPlan =
  | { readonly kind: 'pass'; /** Also sees the payload as it passes. */ tap?(payload: Uint8Array): void }
  | {
      readonly kind: 'hold';
      readonly limitBytes: number;
      /** What another body is that is given in its place. Absent: what the answer says of itself. */
      readonly written?: string;
      /** Sees the payload as it comes. */
      push(payload: Uint8Array): void;
      /** Nothing in it is judged any more: what was held goes on as it came, and so does the rest. */
      passes?(): boolean;
      /** What goes to the application: the answer as it came, another body for it, or an answer of the guard's own. */
      judge(nowMs: number): 'as-is' | Uint8Array | OwnAnswer;
      tooLarge(): Reason;
    }
  /** It cannot be read, and so does not pass: the service's fault. */
  | { readonly kind: 'withhold'; readonly reason: Reason }
  /** The payload is rewritten as it comes; the framing is the guard's own. */
  | {
      readonly kind: 'rewrite';
      write(payload: Uint8Array, nowMs: number): readonly Uint8Array[];
      /** What is written behind the last payload. */
      end?(nowMs: number): readonly Uint8Array[];
      /** Why it was ended before its own end: what is written is complete, and the service is let go. */
      ended?(): Reason | undefined;
      /** What of the payload waits for the rest of its event. */
      heldBytes?(): number;
    };

/** What a protocol brings to the exchanges. */
export interface HttpJudge {
  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan;
  /** The service ended while its asker still waits: what is open then was not answered. */
  serviceLeft?(): void;
  /** Of what cannot be read as this protocol. */
  readonly violationCode: ReasonCode;
}

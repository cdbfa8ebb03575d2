/** How one connection's messages travel over the channel: under the SDK's flow control, or under the router's. */
import type { EdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';

/** The side of a connection that a carrier serves. */
export interface CarrierOwner {
  /** The next message, in order. `body` is borrowed. */
  message(body: Uint8Array, edgeFlags: number): void;
  /** The other side's carrier says it will send no more. May come more than once. */
  remoteEnded(): void;
  /** The other side takes no more of what we send, though it may still send. */
  sendingRefused(): void;
  /** The router closed the connection. `complete`: nothing that was sent to us before is missing. */
  closedByRouter(reason: string, fault: EdgeFault, complete: boolean): void;
  /** There may be room to send, or something was acknowledged. */
  progressed(): void;
}

/** What carries a connection's messages, in order and each once, and says when another may go. */
export interface FlowControl {
  /** The other side's end is always told before the close: a close without it has lost something. */
  readonly tellsEnds: boolean;
  /** May another message be sent now? */
  mayStart(): boolean;
  /** Begin a plain message: the caller fills the view returned and calls `commit` before anything else. */
  begin(bodyBytes: number): Uint8Array;
  commit(): void;
  /** Send a message with edge flags of its own; `body` is copied. */
  sendFlagged(edgeFlags: number, body: Uint8Array): void;
  /** Nothing that was sent is still on its way, as far as this carrier can tell. */
  settled(): boolean;
  /** The reader holds so many bytes it has not taken yet. */
  held(bytes: number): void;
  /** Send what is owed besides messages (acknowledgements). */
  flush(): void;
  /** A frame for this connection. */
  receive(frame: Frame): void;
  /**
   * The connection is over: `done` after both sides have ended, `abort` at once whatever is in flight. Ends the carrier's
   * service to its owner; towards the network it may linger for a while on its own.
   */
  close(how: 'done' | 'abort'): void;
  /** The connection is over and nobody needs to be told. Idempotent; no effect on a carrier that lingers. */
  dispose(): void;
}

/**
 * ByteStream: the one shape in which every room sees a connection, be it a local socket, a Ziti connection or memory.
 *
 * Two kinds: `stream` (TCP semantics, half-close) and `datagram` (each chunk is one datagram; `end` closes both ways).
 * The suite in `test/conformance/byte-stream.ts` holds every implementation to this contract.
 */
import type { TunnelerError } from './errors.ts';

/** Whether chunk borders mean something. */
export type StreamKind = 'stream' | 'datagram';

/** What a stream tells its one reader. No call comes before `start`, and none after `closed`. */
export interface ByteSink {
  /** Bytes came in. The sink owns `chunk` from here on; the stream never touches or re-uses that memory. */
  data(chunk: Uint8Array): void;
  /** The far side will send no more. Called at most once, after the last `data`. */
  end(): void;
  /** A `write` that returned false may be followed by more writes now. */
  drain(): void;
  /** Both directions are over already, and `closed` follows as soon as it is known why. At most once; not every stream has to ask. */
  cut?(): void;
  /** Both directions are over. Called exactly once, last. `error` is absent after an orderly end of both sides. */
  closed(error?: TunnelerError): void;
}

/** A connection as every room sees it. */
export interface ByteStream {
  readonly kind: StreamKind;
  /** Begin delivery to the one sink. Nothing is lost before it: a stream buffers (bounded) until started. Once only. */
  start(sink: ByteSink): void;
  /**
   * Send bytes. The stream owns `chunk` from here on. False asks the writer to wait for `drain`; the bytes are taken
   * all the same (a writer that does not wait is buffered, so callers must wait). After `end` or close: ignored, false.
   */
  write(chunk: Uint8Array): boolean;
  /** No more will be written; what was written is delivered first (half-close). Idempotent. */
  end(): void;
  /** Abort both directions now; the peer sees a reset where its protocol has one. Idempotent. */
  reset(error?: TunnelerError): void;
  /** Stop calling `data` until `resume`; back-pressure reaches the far sender. Idempotent. */
  pause(): void;
  resume(): void;
}

/** Memory a stream may hold for one direction before it pushes back. */
export const defaultHighWaterMarkBytes = 1024 * 1024;

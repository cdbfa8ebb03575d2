/** Two ByteStreams joined in memory: the simplest implementation of the contract. */
import { TunnelerError } from '../../main/base/errors.ts';
import { defaultHighWaterMarkBytes, type ByteSink, type ByteStream, type StreamKind } from '../../main/base/stream.ts';

export interface MemoryStreamOptions {
  readonly kind?: StreamKind;
  /** Bytes in one direction beyond which `write` asks to wait. */
  readonly highWaterMarkBytes?: number;
}

class MemoryEnd implements ByteStream {
  readonly kind: StreamKind;
  readonly #highWaterMarkBytes: number;
  #peer: MemoryEnd | undefined;
  #sink: ByteSink | undefined;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #paused = false;
  #scheduled = false;
  /** We will write no more. */
  #ended = false;
  /** The peer will write no more; told to the sink once the inbox is empty. */
  #peerEnded = false;
  #endTold = false;
  /** The peer was told to wait. */
  #peerWaits = false;
  #drainDue = false;
  /** Set by a reset: nothing but `closed` is delivered any more. */
  #resetError: TunnelerError | undefined;
  #closed = false;

  constructor(options: MemoryStreamOptions) {
    this.kind = options.kind ?? 'stream';
    this.#highWaterMarkBytes = options.highWaterMarkBytes ?? defaultHighWaterMarkBytes;
  }

  join(peer: MemoryEnd): void {
    this.#peer = peer;
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    this.#schedule();
  }

  write(chunk: Uint8Array): boolean {
    const peer = this.#peer;
    if (this.#ended || this.#closed || this.#resetError !== undefined || peer === undefined) return false;
    if (chunk.length === 0 && this.kind === 'stream') return true;
    peer.#inbox.push(chunk);
    peer.#inboxBytes += chunk.length;
    peer.#schedule();
    if (peer.#inboxBytes < this.#highWaterMarkBytes) return true;
    peer.#peerWaits = true;
    return false;
  }

  end(): void {
    const peer = this.#peer;
    if (this.#ended || this.#closed || peer === undefined) return;
    this.#ended = true;
    peer.#peerEnded = true;
    if (this.kind === 'datagram') {
      peer.#ended = true;
      this.#peerEnded = true;
    }
    peer.#schedule();
    this.#schedule();
  }

  reset(error?: TunnelerError): void {
    if (this.#closed || this.#resetError !== undefined) return;
    const told = error ?? new TunnelerError('base.closed', 'the stream was reset here');
    this.#abort(told);
    const peer = this.#peer;
    if (peer !== undefined) peer.#abort(new TunnelerError('ziti.stream.reset', error?.message ?? 'the far side reset'));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  #abort(error: TunnelerError): void {
    if (this.#closed || this.#resetError !== undefined) return;
    this.#resetError = error;
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#sink === undefined || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#closed) return;
    while (!this.#paused && this.#resetError === undefined) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) break;
      this.#inboxBytes -= chunk.length;
      sink.data(chunk);
    }
    if (this.#peerWaits && this.#inboxBytes < this.#highWaterMarkBytes) {
      this.#peerWaits = false;
      const peer = this.#peer;
      if (peer !== undefined) {
        peer.#drainDue = true;
        peer.#schedule();
      }
    }
    if (this.#resetError !== undefined) {
      this.#close(sink, this.#resetError);
      return;
    }
    if (this.#drainDue) {
      this.#drainDue = false;
      if (!this.#ended) sink.drain();
    }
    if (this.#peerEnded && !this.#endTold && this.#inbox.length === 0) {
      this.#endTold = true;
      sink.end();
      if (this.#peer !== undefined) this.#peer.#schedule();
    }
    // Over once we ended, the peer ended, and the peer has taken all that we wrote.
    if (this.#ended && this.#endTold && this.#peer !== undefined && this.#peer.#inbox.length === 0) this.#close(sink);
    else if (this.#inbox.length === 0 && this.#peer !== undefined) this.#peer.#scheduleIfOver();
  }

  #scheduleIfOver(): void {
    if (this.#ended && this.#endTold) this.#schedule();
  }

  #close(sink: ByteSink, error?: TunnelerError): void {
    this.#closed = true;
    sink.closed(error);
  }
}

/** What one end writes the other reads. */
export function memoryStreamPair(options: MemoryStreamOptions = {}): readonly [ByteStream, ByteStream] {
  const left = new MemoryEnd(options);
  const right = new MemoryEnd(options);
  left.join(right);
  right.join(left);
  return [left, right];
}

/** Let the streams' own turns pass until `done`, or fail after a while. */
export async function until(done: () => boolean, timeoutMs = 2_000): Promise<void> {
  const startedAt = performance.now();
  while (!done()) {
    if (performance.now() - startedAt > timeoutMs) throw new Error('did not come about in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Two joined ByteStreams in memory: a second implementation of the joint, with back-pressure, half-close and reset. */
import { toTunnelerError, TunnelerError } from '../../main/base/errors.ts';
import type { ByteSink, ByteStream, StreamKind } from '../../main/base/stream.ts';

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
  #endIn = false;
  #endTold = false;
  #endOut = false;
  #paused = false;
  #closed = false;
  #error: TunnelerError | undefined;
  #writerWaits = false;
  #pumping = false;

  constructor(options: MemoryStreamOptions) {
    this.kind = options.kind ?? 'stream';
    this.#highWaterMarkBytes = options.highWaterMarkBytes ?? 1024 * 1024;
  }

  join(peer: MemoryEnd): void {
    this.#peer = peer;
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'started twice');
    this.#sink = sink;
    this.#schedule();
  }

  write(chunk: Uint8Array): boolean {
    const peer = this.#peer;
    if (peer === undefined || this.#endOut || this.#closed) return false;
    peer.#inbox.push(chunk);
    peer.#inboxBytes += chunk.length;
    peer.#schedule();
    if (peer.#inboxBytes < this.#highWaterMarkBytes) return true;
    peer.#writerWaits = true;
    return false;
  }

  end(): void {
    if (this.#endOut || this.#closed) return;
    this.#endOut = true;
    if (this.#peer !== undefined) {
      this.#peer.#endIn = true;
      if (this.kind === 'datagram') this.#peer.#endOut = true;
      this.#peer.#schedule();
    }
    if (this.kind === 'datagram') this.#endIn = true;
    this.#schedule();
  }

  reset(error?: TunnelerError): void {
    if (this.#closed) return;
    this.#abort(error ?? new TunnelerError('base.closed', 'reset'));
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
    if (this.#closed) return;
    this.#closed = true;
    this.#error = toTunnelerError(error);
    this.#inbox = [];
    this.#schedule();
  }

  #schedule(): void {
    if (this.#pumping || this.#sink === undefined) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const sink = this.#sink;
    const peer = this.#peer;
    if (sink === undefined || peer === undefined) return;
    if (this.#closed) {
      this.#sink = { data: () => undefined, end: () => undefined, drain: () => undefined, closed: () => undefined };
      sink.closed(this.#error);
      return;
    }
    while (!this.#paused && this.#inbox.length > 0 && !this.#isClosed()) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) break;
      this.#inboxBytes -= chunk.length;
      sink.data(chunk);
    }
    if (this.#writerWaits && this.#inboxBytes < this.#highWaterMarkBytes / 2) {
      this.#writerWaits = false;
      if (peer.#sink !== undefined) peer.#sink.drain();
    }
    if (this.#inbox.length > 0 || this.#isClosed()) {
      if (this.#isClosed()) this.#schedule();
      return;
    }
    if (this.#endIn && !this.#endTold && !this.#paused) {
      this.#endTold = true;
      sink.end();
    }
    if (this.#endTold && this.#endOut && peer.#inbox.length === 0 && !this.#isClosed()) {
      this.#closed = true;
      this.#schedule();
      peer.#schedule();
    }
  }

  #isClosed(): boolean {
    return this.#closed;
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

/** A sink that keeps what it was told. */
export class Recorder implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  ended = false;
  over = false;
  drains = 0;
  error: TunnelerError | undefined;

  data(chunk: Uint8Array): void {
    this.chunks.push(chunk);
  }
  end(): void {
    this.ended = true;
  }
  drain(): void {
    this.drains += 1;
  }
  closed(error?: TunnelerError): void {
    this.over = true;
    this.error = error;
  }
  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }
}

/** Let the streams' own turns pass until `done`, or fail after a while. */
export async function until(done: () => boolean, timeoutMs = 2_000): Promise<void> {
  const startedAt = performance.now();
  while (!done()) {
    if (performance.now() - startedAt > timeoutMs) throw new Error('did not come about in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

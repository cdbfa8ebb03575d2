/**
 * A connected TCP socket of Node, or TLS over one, as a ByteStream.
 *
 * No promise, no copy and no allocation of ours per chunk. Node hands out a fresh buffer for every read and never looks at it again, so
 * each chunk can be given away as the ByteStream contract asks.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { TunnelerError } from '../base/errors.ts';
import { defaultHighWaterMarkBytes } from '../base/stream.ts';
import type { ByteSink, ByteStream } from '../base/stream.ts';
import { socketError } from './socket-error.ts';

/** How much may be queued. */
export interface TcpStreamOptions {
  /** `write` answers false from this many queued bytes on. */
  readonly highWaterMarkBytes?: number;
}

/**
 * Wrap a connected socket; it belongs to the stream from here on. The socket must not have been read to its end, and should have been made
 * with `allowHalfOpen` and left paused. Bytes read from it earlier are put back with `socket.unshift` before this call.
 */
export function tcpStream(socket: Socket, options: TcpStreamOptions = {}): ByteStream {
  return new TcpStream(socket, options.highWaterMarkBytes ?? defaultHighWaterMarkBytes);
}

class TcpStream implements ByteStream {
  readonly kind = 'stream';
  readonly #socket: Socket;
  readonly #highWaterMarkBytes: number;
  #sink: ByteSink | undefined;
  #paused = false;
  #ended = false;
  #closed = false;
  #sawEnd = false;
  #waiting = false;
  #error: TunnelerError | undefined;

  constructor(socket: Socket, highWaterMarkBytes: number) {
    this.#socket = socket;
    this.#highWaterMarkBytes = highWaterMarkBytes;
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error ??= socketError(error);
    });
    socket.on('close', () => this.#finish());
    if (socket.destroyed) this.#finish();
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    if (this.#closed) {
      queueMicrotask(() => sink.closed(this.#error));
      return;
    }
    const socket = this.#socket;
    socket.on('data', (chunk: Uint8Array) => {
      if (!this.#closed) sink.data(chunk);
    });
    socket.on('end', () => {
      if (this.#closed || this.#sawEnd) return;
      this.#sawEnd = true;
      sink.end();
    });
    socket.on('drain', () => {
      if (!this.#waiting || this.#closed || this.#ended) return;
      this.#waiting = false;
      sink.drain();
    });
    if (this.#paused) socket.pause();
    else socket.resume();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#closed) return false;
    this.#socket.write(chunk);
    if (this.#socket.writableLength < this.#highWaterMarkBytes) return true;
    this.#waiting = true;
    return false;
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.#socket.end();
  }

  reset(error?: TunnelerError): void {
    if (this.#closed) return;
    this.#error = error ?? this.#error ?? new TunnelerError('sockets.reset', 'the connection was reset on this side');
    const socket = this.#socket;
    // Only an established TCP handle can send a reset; anything else is just let go.
    if (socket.connecting || socket.destroyed || socket instanceof TLSSocket) socket.destroy();
    else socket.resetAndDestroy();
    this.#finish();
  }

  pause(): void {
    this.#paused = true;
    if (this.#sink !== undefined && !this.#closed) this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#sink !== undefined && !this.#closed) this.#socket.resume();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#error === undefined && !(this.#ended && this.#socket.readableEnded)) {
      this.#error = new TunnelerError('sockets.reset', 'the connection was closed before both sides had ended');
    }
    const sink = this.#sink;
    // Never from within the caller's own `reset`, which may stand in the middle of its own bookkeeping.
    if (sink !== undefined) queueMicrotask(() => sink.closed(this.#error));
  }
}

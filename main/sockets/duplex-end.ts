/**
 * Two faces of one in-memory connection: a ByteStream for the corridor, a Node Duplex for a library that wants a socket.
 *
 * What is written to one is read from the other; half-close, reset and back-pressure pass through.
 */
import { Duplex } from 'node:stream';
import { TunnelerError } from '../base/errors.ts';
import type { ByteSink, ByteStream } from '../base/stream.ts';
import { socketError } from './socket-error.ts';

/** A fresh pair. Destroying the duplex resets the stream and the other way round. */
export function duplexEnd(): { readonly duplex: Duplex; readonly stream: ByteStream } {
  const end = new DuplexEnd();
  return { duplex: end.duplex, stream: end };
}

class DuplexEnd implements ByteStream {
  readonly kind = 'stream';
  readonly duplex: Duplex;
  #sink: ByteSink | undefined;
  #paused = false;
  #ended = false;
  #closed = false;
  #error: TunnelerError | undefined;
  #waiting = false;
  /** The duplex's write (or end) that waits until the sink takes it; Node gives the next only afterwards. */
  #held: { readonly chunk: Uint8Array | undefined; readonly done: () => void } | undefined;

  constructor() {
    this.duplex = new Duplex({
      allowHalfOpen: true,
      autoDestroy: true,
      read: () => {
        if (!this.#waiting || this.#closed || this.#ended) return;
        this.#waiting = false;
        this.#sink?.drain();
      },
      write: (chunk: Uint8Array, _encoding, done) => this.#take({ chunk, done }),
      final: (done) => this.#take({ chunk: undefined, done }),
      destroy: (error, done) => {
        this.#finish(error ?? undefined);
        done(error);
      },
    });
    this.duplex.on('error', (error) => {
      this.#error ??= socketError(error);
    });
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    queueMicrotask(() => {
      if (this.#closed) sink.closed(this.#error);
      else this.#flush();
    });
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#closed) return false;
    if (this.duplex.push(chunk)) return true;
    this.#waiting = true;
    return false;
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.duplex.push(null);
  }

  reset(error?: TunnelerError): void {
    if (this.#closed) return;
    const cause = error ?? new TunnelerError('sockets.reset', 'the connection was reset on this side');
    this.duplex.destroy(cause);
    this.#finish(cause);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  #take(held: { readonly chunk: Uint8Array | undefined; readonly done: () => void }): void {
    this.#held = held;
    this.#flush();
  }

  #flush(): void {
    const held = this.#held;
    const sink = this.#sink;
    if (held === undefined || sink === undefined || this.#paused || this.#closed) return;
    this.#held = undefined;
    if (held.chunk === undefined) sink.end();
    else sink.data(held.chunk);
    held.done();
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const orderly = error === undefined && this.#ended && this.duplex.writableFinished;
    this.#error = orderly
      ? undefined
      : socketError(error ?? new TunnelerError('sockets.reset', 'the connection was closed'));
    const sink = this.#sink;
    if (sink !== undefined) queueMicrotask(() => sink.closed(this.#error));
  }
}

/**
 * A client's socket until its session begins: handshake bytes read on demand within a limit of size and time, early bytes kept, and a signal
 * that says when the client has gone.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Endpoint } from '../../base/flow.ts';
import { canonicalAddress } from '../../base/ip.ts';

/** A client may send this much ahead of our answers; then reading stops until it is used. */
const maxEarlyBytes = 64 * 1024;
/** Time for a client to take a last message before the socket is destroyed under it. */
const lingerMs = 2_000;

export class ClientSocket {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onDone: () => void;
  readonly #gone = new AbortController();
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: { readonly lengthBytes: number; readonly resolve: (bytes: Buffer | undefined) => void } | undefined;
  #deadline: Disposable | undefined;

  /**
   * Takes over a connected socket. `early`: bytes read from it before; `onDone`: called once, when the socket closed or was handed on.
   */
  constructor(socket: Socket, clock: Clock, options: { readonly early?: Buffer; readonly onDone?: () => void } = {}) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onDone = options.onDone ?? ((): void => undefined);
    if (options.early !== undefined) this.#buffer = options.early;
    socket.on('data', this.#onData);
    socket.on('end', this.#onGone);
    socket.on('error', this.#onGone);
    socket.on('close', this.#onClose);
    if (socket.destroyed) queueMicrotask(this.#onClose);
    else socket.resume();
  }

  /** Aborted once the client closed, half-closed or broke the connection: before its session began, it then waits for nothing. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get source(): Endpoint {
    return endpoint(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  get via(): Endpoint {
    return endpoint(this.#socket.localAddress, this.#socket.localPort);
  }

  /** Destroy the socket unless `settled` is called within `timeoutMs`. */
  limit(timeoutMs: number): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = this.#clock.after(timeoutMs, () => this.destroy());
  }

  /** It has not said yet what it wants. */
  get isAwaited(): boolean {
    return this.#deadline !== undefined;
  }

  settled(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  /** Exactly so many bytes, or undefined where the client goes before it sent them. One read at a time. */
  read(lengthBytes: number): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      this.#waiting = { lengthBytes, resolve };
      this.#feed();
    });
  }

  /** The first byte, left where it is; undefined where the client goes before it sent one. */
  async peek(): Promise<number | undefined> {
    const first = await this.read(1);
    if (first !== undefined) this.#buffer = Buffer.concat([first, this.#buffer]);
    return first?.[0];
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Say a last thing and close; what the client still sends is thrown away. */
  finish(bytes: Uint8Array): void {
    this.settled();
    const socket = this.#socket;
    socket.off('data', this.#onData);
    if (socket.destroyed) return;
    socket.resume();
    socket.end(bytes);
    const linger = this.#clock.after(lingerMs, () => socket.destroy());
    socket.once('close', () => linger[Symbol.dispose]());
    socket.once('end', () => socket.destroySoon());
  }

  destroy(): void {
    this.settled();
    this.#socket.destroy();
  }

  /** Hand the socket on, paused, with all bytes not read yet put back. This object is then done with. */
  release(): Socket {
    this.settled();
    const socket = this.#socket;
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onGone);
    socket.off('error', this.#onGone);
    socket.off('close', this.#onClose);
    this.#onDone();
    if (this.#buffer.length > 0 && !socket.destroyed) socket.unshift(this.#buffer);
    this.#buffer = Buffer.alloc(0);
    return socket;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    if (this.#buffer.length > maxEarlyBytes) this.#socket.pause();
    this.#feed();
  };

  readonly #onClose = (): void => {
    this.#onGone();
    this.#onDone();
  };

  readonly #onGone = (): void => {
    if (this.#gone.signal.aborted) return;
    this.settled();
    this.#gone.abort();
    this.#feed();
  };

  #feed(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#buffer.length >= waiting.lengthBytes) {
      this.#waiting = undefined;
      const bytes = this.#buffer.subarray(0, waiting.lengthBytes);
      this.#buffer = this.#buffer.subarray(waiting.lengthBytes);
      if (this.#socket.isPaused() && this.#buffer.length <= maxEarlyBytes) this.#socket.resume();
      waiting.resolve(bytes);
    } else if (this.#gone.signal.aborted) {
      this.#waiting = undefined;
      waiting.resolve(undefined);
    }
  }
}

function endpoint(address: string | undefined, port: number | undefined): Endpoint {
  return { address: canonicalAddress(address ?? '') ?? '0.0.0.0', port: port ?? 0 };
}

/** One channel's way out: control frames at once, data frames in turn per connection, so that none starves another. */
import type { TLSSocket } from 'node:tls';

/** While the socket holds more than this, data waits in the connections' own queues. */
const socketBufferBytes = 512 * 1024;

/** Smaller frames of one turn go out together. */
const largeFrameBytes = 8 * 1024;

/** One connection's queue towards its client. */
export interface Outbox {
  /** Data frames waiting here, bytes. */
  readonly queuedBytes: number;
  /** Send, or queue when the channel is busy; order within the outbox is kept. */
  send(frame: Uint8Array): void;
  /** Called when the queue has shrunk to `queuedBytes` or less; once per call to {@link send} burst. */
  onShrunk: (() => void) | undefined;
  /** Forget what is queued and send nothing more. Idempotent. */
  discard(): void;
  /** Run after everything queued so far was handed to the socket. */
  afterwards(then: () => void): void;
}

/** Hands out one {@link Outbox} a connection, and serves those that wait in turn. */
export class ChannelWriter {
  readonly #socket: TLSSocket;
  #corked = false;
  readonly #busy = new Set<QueuedOutbox>();

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('drain', () => this.#drain());
  }

  /** Bypass the queues: for control frames, which are few and small. */
  sendNow(frame: Uint8Array): void {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    if (frame.length >= largeFrameBytes) {
      // Alone: gathered with others it would be copied once more.
      this.#uncork();
    } else if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => this.#uncork());
    }
    this.#socket.write(frame);
  }

  get isFull(): boolean {
    return this.#socket.writableLength > socketBufferBytes;
  }

  newOutbox(): Outbox {
    return new QueuedOutbox(this, this.#busy);
  }

  /** Forget all queues: the channel is gone. */
  discardAll(): void {
    for (const outbox of [...this.#busy]) outbox.discard();
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #drain(): void {
    while (this.#busy.size > 0 && !this.isFull) {
      for (const outbox of [...this.#busy]) {
        outbox.sendOne();
        if (this.isFull) break;
      }
    }
  }
}

class QueuedOutbox implements Outbox {
  onShrunk: (() => void) | undefined;
  readonly #writer: ChannelWriter;
  readonly #busy: Set<QueuedOutbox>;
  #queue: (Uint8Array | (() => void))[] = [];
  #first = 0;
  #queuedBytes = 0;
  #discarded = false;

  constructor(writer: ChannelWriter, busy: Set<QueuedOutbox>) {
    this.#writer = writer;
    this.#busy = busy;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  send(frame: Uint8Array): void {
    if (this.#discarded) return;
    if (this.#first === this.#queue.length && !this.#writer.isFull) {
      this.#writer.sendNow(frame);
      return;
    }
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    this.#busy.add(this);
  }

  afterwards(then: () => void): void {
    if (this.#first === this.#queue.length) then();
    else this.#queue.push(then);
  }

  discard(): void {
    this.#discarded = true;
    this.#queue = [];
    this.#first = 0;
    this.#queuedBytes = 0;
    this.#busy.delete(this);
    this.onShrunk = undefined;
  }

  /** Hand the oldest frame to the socket; run what was to run after it. */
  sendOne(): void {
    const next = this.#queue[this.#first];
    if (next === undefined) {
      this.#busy.delete(this);
      return;
    }
    this.#first++;
    if (typeof next !== 'function') {
      this.#queuedBytes -= next.length;
      this.#writer.sendNow(next);
    }
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
      this.#busy.delete(this);
    } else if (this.#first > 1024) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    if (typeof next === 'function') next();
    else this.onShrunk?.();
  }
}

/** Frames on their way out: gathered over one turn of the event loop, written together, counted until the kernel has them. */
import type { Writable } from 'node:stream';

/** Above this, whoever has bulk to send waits; control messages and acknowledgements go all the same. */
const highWaterBytes = 512 * 1024;
const lowWaterBytes = 256 * 1024;

/** Who fills an outbox. */
export interface OutboxHandlers {
  /** Called at the start of each flush: the last chance to add frames to it. */
  gather(): void;
  /** There is room again after `writable` was false. */
  drained(): void;
}

/** The way out of one channel: never blocks, asks for a pause at 512 KiB queued and lets go on at 256 KiB. */
export class Outbox {
  readonly #socket: Writable;
  readonly #handlers: OutboxHandlers;
  #frames: Uint8Array[] = [];
  #gatheredBytes = 0;
  #inKernelQueueBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #gathering = false;
  #full = false;
  #closed = false;

  constructor(socket: Writable, handlers: OutboxHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
  }

  get queuedBytes(): number {
    return this.#gatheredBytes + this.#inKernelQueueBytes;
  }

  /** False asks whoever has bulk to send to wait for `drained`. */
  writable(): boolean {
    if (this.queuedBytes >= highWaterBytes) this.#full = true;
    return !this.#full && !this.#closed;
  }

  /** Send an encoded frame with the next flush. It must not change until it is written. */
  add(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#frames.push(frame);
    this.#gatheredBytes += frame.length;
    // What is added while gathering goes out with this very flush.
    if (!this.#gathering) this.schedule();
  }

  /** Flush at the end of this turn of the event loop, after everything that came in was handled. */
  schedule(): void {
    if (this.#scheduled !== undefined || this.#closed) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.flush();
    });
  }

  /** Write what is gathered now. */
  flush(): void {
    if (this.#closed) return;
    this.#gathering = true;
    this.#handlers.gather();
    this.#gathering = false;
    const frames = this.#frames;
    if (frames.length === 0 || this.#closed) return;
    const bytes = this.#gatheredBytes;
    this.#frames = [];
    this.#gatheredBytes = 0;
    this.#inKernelQueueBytes += bytes;
    if (frames.length > 1) this.#socket.cork();
    for (let i = 0; i < frames.length - 1; i++) this.#socket.write(frames[i]);
    this.#socket.write(frames[frames.length - 1], () => this.#written(bytes));
    if (frames.length > 1) this.#socket.uncork();
  }

  /** Drop what is not written yet. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#frames = [];
    this.#gatheredBytes = 0;
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
  }

  #written(bytes: number): void {
    this.#inKernelQueueBytes -= bytes;
    if (!this.#full || this.#closed || this.queuedBytes > lowWaterBytes) return;
    this.#full = false;
    this.#handlers.drained();
  }
}

/**
 * A datagram ByteStream over whatever carries the datagrams: a socket of its own, or one shared by many flows.
 *
 * Datagrams that come while nobody reads wait in a short queue and are then dropped, as a socket's receive buffer would.
 */
import { TunnelerError } from '../base/errors.ts';
import type { ByteSink, ByteStream } from '../base/stream.ts';

/** Datagrams that may wait for a reader; openziti/ziti tunnel/udp_vconn queues 16 for a dial under way. */
const defaultQueueDatagrams = 64;

/** What sends a flow's datagrams. */
export interface DatagramCarrier {
  /** Send one datagram, which is the carrier's from here on. False: wait until {@link DatagramFlow.drained} is called. */
  send(datagram: Uint8Array): boolean;
  /** The flow is over; called once. */
  closed(): void;
}

/** One flow of datagrams. */
export class DatagramFlow implements ByteStream {
  readonly kind = 'datagram';
  readonly #carrier: DatagramCarrier;
  readonly #queueDatagrams: number;
  readonly #queue: Uint8Array[] = [];
  #sink: ByteSink | undefined;
  #paused = false;
  #closed = false;
  #error: TunnelerError | undefined;
  #waiting = false;
  #dropped = 0;

  constructor(carrier: DatagramCarrier, queueDatagrams = defaultQueueDatagrams) {
    this.#carrier = carrier;
    this.#queueDatagrams = queueDatagrams;
  }

  /** Datagrams dropped because nobody read them in time. */
  get dropped(): number {
    return this.#dropped;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** From the carrier: a datagram came in; the flow owns it. False where it was dropped. */
  deliver(datagram: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#sink !== undefined && !this.#paused && this.#queue.length === 0) {
      this.#sink.data(datagram);
      return true;
    }
    if (this.#queue.length >= this.#queueDatagrams) {
      this.#dropped += 1;
      return false;
    }
    this.#queue.push(datagram);
    return true;
  }

  /** From the carrier: after a `send` that answered false there is room again. */
  drained(): void {
    if (!this.#waiting || this.#closed) return;
    this.#waiting = false;
    this.#sink?.drain();
  }

  /** From the carrier or its owner: it is over, in order without `error`. Idempotent. */
  close(error?: TunnelerError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#queue.length = 0;
    this.#carrier.closed();
    const sink = this.#sink;
    if (sink !== undefined) queueMicrotask(() => sink.closed(error));
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    if (this.#closed) queueMicrotask(() => sink.closed(this.#error));
    else queueMicrotask(() => this.#flush());
  }

  write(chunk: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#carrier.send(chunk)) return true;
    this.#waiting = true;
    return false;
  }

  end(): void {
    this.close();
  }

  reset(error?: TunnelerError): void {
    this.close(error ?? new TunnelerError('sockets.reset', 'the flow was reset on this side'));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  #flush(): void {
    while (!this.#paused && !this.#closed && this.#sink !== undefined) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#sink.data(next);
    }
  }
}

/**
 * One connection as a ByteStream: messages, encryption and half-close above, a carrier beneath.
 *
 * Writes gather until the channel's next flush; then messages are cut, sealed straight into their frames, and handed to
 * the carrier as far as its window goes.
 */
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { ByteSink, StreamKind } from '../../base/stream.ts';
import type { ZitiStream } from '../model.ts';
import type { EdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';
import { connType, edgeFlag } from '../wire/header-id.ts';
import { copyBytes, noBytes } from '../wire/little-endian.ts';
import { readMultipart } from '../wire/multipart.ts';
import type { FlowControl, CarrierOwner } from './flow-control.ts';
import type { Connection, ConnectionHost, Flushable } from './connection.ts';
import { Opener, Sealer, sealOverheadBytes, type SessionKeys } from './end-to-end.ts';
import { accessLost, isAccessLoss, streamReset } from './fault.ts';
import { SendQueue } from './send-queue.ts';

/** Plain bytes of a stream's message at most: what a socket reads in two goes. Peers take messages of any size. */
export const maxMessageBytes = 128 * 1024;

/** Written bytes waiting above this: the writer is told to wait. */
const highWaterBytes = 512 * 1024;
/** One stream's share of a flush, so that a busy one leaves room for others. */
const flushShareBytes = 256 * 1024;
/** Both sides have ended: how long to wait for the last acknowledgements before closing regardless. */
const lingerMs = 15_000;

export interface EdgeStreamOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly kind: StreamKind;
  readonly circuitId: string | undefined;
  /** Absent: clear text. */
  readonly keys: SessionKeys | undefined;
  /** Makes the carrier; it may send at once, but only calls its owner later. */
  carrier(owner: CarrierOwner & Flushable): FlowControl;
}

export class EdgeStream implements ZitiStream, Connection, CarrierOwner, Flushable {
  readonly kind: StreamKind;
  readonly circuitId: string | undefined;
  readonly routerName: string;
  readonly encrypted: boolean;
  readonly connType = connType.dial;
  readonly #host: ConnectionHost;
  readonly #connId: number;
  readonly #carrier: FlowControl;
  readonly #sealer: Sealer | undefined;
  #receiveKey: Uint8Array | undefined;
  #opener: Opener | undefined;
  #sink: ByteSink | undefined;
  // Outbound.
  readonly #outbound = new SendQueue();
  #opened = false;
  #writerWaits = false;
  #ended = false;
  #finSent = false;
  /** The other side takes no more. */
  #refused = false;
  /** Something written was not taken for that reason. */
  #lost = false;
  // Inbound.
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #paused = false;
  #deliveryScheduled = false;
  #remoteEnded = false;
  #endTold = false;
  // Life.
  /** The router closed it; what is held is still delivered. */
  #gone: { readonly error: TunnelerError | undefined } | undefined;
  #over = false;
  #overWith: TunnelerError | undefined;
  #closedTold = false;
  #lingering: Disposable | undefined;
  #overListener: (() => void) | undefined;

  constructor(options: EdgeStreamOptions) {
    this.kind = options.kind;
    this.circuitId = options.circuitId;
    this.routerName = options.host.routerName;
    this.encrypted = options.keys !== undefined;
    this.#host = options.host;
    this.#connId = options.connId;
    this.#sealer = options.keys === undefined ? undefined : new Sealer(options.keys.send);
    this.#receiveKey = options.keys?.receive;
    this.#carrier = options.carrier(this);
    // The encryption header goes out at once, before anything is written, for the other side waits for it.
    if (this.#sealer !== undefined) this.#host.wantsFlush(this);
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    this.#scheduleDelivery();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#over || this.#gone !== undefined) return false;
    if (chunk.length === 0 && !this.#carriesEmpty()) return true;
    if (this.#refused) {
      this.#lost = true;
      return true;
    }
    this.#outbound.push(chunk);
    this.#host.wantsFlush(this);
    if (this.#outbound.bytes < highWaterBytes) return true;
    this.#writerWaits = true;
    return false;
  }

  /** Of datagrams. In clear text an empty message is a mere flag to the peers, and cannot be one. */
  #carriesEmpty(): boolean {
    if (this.kind !== 'datagram') return false;
    if (this.#sealer === undefined) this.#host.log.debug('ziti.empty_datagram_dropped', { connId: this.#connId });
    return this.#sealer !== undefined;
  }

  end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    if (this.#gone !== undefined) this.#scheduleDelivery();
    else this.#host.wantsFlush(this);
  }

  reset(error?: TunnelerError): void {
    if (this.#over) return;
    this.#carrier.close('abort');
    this.#finish(error ?? new TunnelerError('base.closed', 'the stream was reset here'));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#scheduleDelivery();
  }

  /** Call back once when the stream is over; at once where it is. One listener. */
  onOver(listener: () => void): void {
    if (this.#over) listener();
    else this.#overListener = listener;
  }

  // Called by the channel's side.

  receive(frame: Frame): void {
    if (!this.#over) this.#carrier.receive(frame);
  }

  channelLost(error: TunnelerError): void {
    this.#carrier.dispose();
    this.#finish(error);
  }

  failed(error: TunnelerError): void {
    this.reset(error);
  }

  flush(): boolean {
    if (this.#over) return false;
    // What is owed first: a sender that waits for it is worse than one of ours that waits.
    this.#carrier.flush();
    const more = this.#pump();
    this.#finishIfDone();
    return more;
  }

  // Called by the carrier.

  message(body: Uint8Array, edgeFlags: number): void {
    if (this.#remoteEnded || this.#over) return;
    if (body.length > 0) {
      const plain = this.#open(body);
      if (plain !== undefined) this.#split(plain, edgeFlags);
    }
    if ((edgeFlags & edgeFlag.fin) !== 0) this.remoteEnded();
  }

  remoteEnded(): void {
    if (this.#remoteEnded || this.#over) return;
    this.#remoteEnded = true;
    this.#deliver();
  }

  sendingRefused(): void {
    // What is written from here on is lost, and the close will say so; the other direction may go on.
    this.#refused = true;
    this.#finSent = true;
    if (!this.#outbound.empty) this.#lost = true;
    this.#outbound.clear();
    this.#tellDrain();
    this.#finishIfDone();
  }

  closedByRouter(reason: string, fault: EdgeFault, complete: boolean): void {
    if (this.#over || this.#gone !== undefined) return;
    const nothingUnsent = this.#outbound.empty && this.#carrier.settled();
    this.#carrier.dispose();
    if (isAccessLoss(reason, fault)) {
      this.#finish(accessLost(reason, fault));
      return;
    }
    const orderly = this.kind === 'datagram' || (this.#remoteEnded && this.#finSent);
    if (!complete || (!orderly && !this.#remoteEnded && this.#isReset(reason))) {
      this.#finish(streamReset(reason));
      return;
    }
    this.#gone = { error: orderly || nothingUnsent ? undefined : streamReset(reason) };
    this.#remoteEnded = true;
    this.#deliver();
  }

  progressed(): void {
    if (!this.#outbound.empty || this.#finSent || !this.#opened || this.#ended) this.#host.wantsFlush(this);
  }

  #isReset(reason: string): boolean {
    return this.#carrier.tellsEnds || !(/^close called$/i.test(reason) || reason === '');
  }

  #open(body: Uint8Array): Uint8Array | undefined {
    if (this.#opener !== undefined) return this.#opener.open(body);
    if (this.#receiveKey === undefined) return copyBytes(body);
    this.#opener = new Opener(this.#receiveKey, body);
    // Its state has the key from here on.
    this.#receiveKey = undefined;
    return undefined;
  }

  #split(plain: Uint8Array, edgeFlags: number): void {
    if ((edgeFlags & edgeFlag.multipartMessage) === 0) {
      this.#arrived(plain);
    } else if (!readMultipart(plain, (part) => this.#arrived(part))) {
      throw new TunnelerError('ziti.stream.reset', 'a message of several parts is malformed');
    }
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#sink !== undefined && !this.#paused && this.#held.length === 0 && !this.#over) {
      this.#sink.data(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    this.#carrier.held(this.#heldBytes);
  }

  /** A look that the compiler does not remember: calls in between may end the stream. */
  #isOver(): boolean {
    return this.#over;
  }

  #scheduleDelivery(): void {
    if (this.#deliveryScheduled) return;
    this.#deliveryScheduled = true;
    queueMicrotask(() => {
      this.#deliveryScheduled = false;
      try {
        this.#deliver();
      } catch (error) {
        this.#host.log.error('ziti.stream.sink_failed', { connId: this.#connId, error });
        this.reset(toTunnelerError(error));
      }
    });
  }

  #deliver(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (this.#over) {
      this.#tellClosed();
      return;
    }
    if (this.#held.length > 0) {
      let taken = 0;
      for (const chunk of this.#held) {
        if (this.#paused || this.#isOver()) break;
        taken += 1;
        this.#heldBytes -= chunk.length;
        sink.data(chunk);
      }
      this.#held.splice(0, taken);
      if (!this.#isOver()) this.#carrier.held(this.#heldBytes);
    }
    if (this.#held.length > 0 || this.#isOver()) return;
    if (this.#remoteEnded && !this.#endTold) {
      this.#endTold = true;
      sink.end();
    }
    this.#finishIfDone();
  }

  /** Send as much as window, channel and share allow; true where only the share is used up. */
  #pump(): boolean {
    const carrier = this.#carrier;
    let share = flushShareBytes;
    if (this.#sealer !== undefined && !this.#opened) {
      if (!carrier.mayStart()) return false;
      this.#opened = true;
      carrier.sendFlagged(this.#openingFlags(), this.#sealer.takeHeader());
    }
    while (!this.#outbound.empty && share > 0 && carrier.mayStart()) {
      if (!this.#host.channel.writable()) {
        this.#host.waitsForChannel(this);
        break;
      }
      share -= this.#sendOne();
    }
    this.#tellDrain();
    if (this.#outbound.empty && this.#ended && !this.#finSent && carrier.mayStart()) {
      this.#finSent = true;
      // Empty and never encrypted; without the EOF flag, which peers under the router's flow control do not get.
      if (this.kind === 'stream') carrier.sendFlagged(edgeFlag.fin, noBytes);
    }
    return share <= 0 && !this.#outbound.empty;
  }

  #sendOne(): number {
    const plain =
      this.kind === 'datagram'
        ? this.#outbound.takeWhole()
        : this.#outbound.takeCoalesced(maxMessageBytes, this.#host.pool.scratch);
    if (this.#sealer !== undefined) {
      this.#sealer.seal(this.#carrier.begin(plain.length + sealOverheadBytes), plain);
      this.#carrier.commit();
    } else if (this.#opened) {
      this.#carrier.begin(plain.length).set(plain);
      this.#carrier.commit();
    } else {
      this.#opened = true;
      this.#carrier.sendFlagged(this.#openingFlags(), plain);
    }
    return plain.length;
  }

  /** On the first message: what the other side may do with what it sends us. */
  #openingFlags(): number {
    return this.kind === 'stream' ? edgeFlag.multipart | edgeFlag.stream : edgeFlag.multipart;
  }

  #tellDrain(): void {
    if (!this.#writerWaits || this.#outbound.bytes > highWaterBytes / 2) return;
    this.#writerWaits = false;
    if (!this.#ended) this.#sink?.drain();
  }

  #finishIfDone(): void {
    if (this.#over) return;
    if (this.#gone !== undefined) {
      if (this.#held.length === 0 && this.#endTold) this.#finish(this.#gone.error);
      return;
    }
    const bothEnded = this.kind === 'datagram' ? this.#finSent || this.#endTold : this.#finSent && this.#endTold;
    if (!bothEnded) return;
    if (this.#carrier.settled()) {
      this.#closeDone();
      return;
    }
    this.#lingering ??= this.#host.clock.after(lingerMs, () => {
      if (!this.#over) this.#closeDone();
    });
  }

  #closeDone(): void {
    this.#carrier.close('done');
    this.#finish(this.#lost ? streamReset('the other side stopped reading') : undefined);
  }

  /** Over, once and for all. The carrier is closed or disposed already. */
  #finish(error: TunnelerError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#overWith = error;
    this.#lingering?.[Symbol.dispose]();
    this.#outbound.clear();
    this.#held = [];
    this.#heldBytes = 0;
    this.#host.unregister(this.#connId, this);
    this.#overListener?.();
    this.#overListener = undefined;
    this.#scheduleDelivery();
  }

  #tellClosed(): void {
    if (this.#closedTold) return;
    this.#closedTold = true;
    this.#sink?.closed(this.#overWith);
  }
}

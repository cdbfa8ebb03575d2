/**
 * The sending half of a stream: what was written waits, is cut into messages, each sealed straight into its frame, and handed to the carrier as
 * far as its window goes; the end comes last. Its states are those of RFC 9000, section 3.1, by their names there.
 */
import type { StreamKind } from '../../base/stream.ts';
import { edgeFlag } from '../wire/header-id.ts';
import { noBytes } from '../wire/little-endian.ts';
import type { ConnectionHost, Flushable } from './connection.ts';
import { Sealer, sealOverheadBytes } from './end-to-end.ts';
import type { FlowControl } from './flow-control.ts';
import { SendQueue } from './send-queue.ts';

/** Plain bytes of a stream's message at most: what a socket reads in two goes. Peers take messages of any size. */
const maxMessageBytes = 128 * 1024;

/** Written bytes waiting above this: the writer is told to wait. */
const highWaterBytes = 512 * 1024;
/** One stream's share of a flush, so that a busy one leaves room for others. */
const flushShareBytes = 256 * 1024;

/** Where a sending half stands; from one to the next as they are listed, but that a reset may come at any time. */
export type SendState =
  /** Nothing has gone out: the first message opens the stream. */
  | { readonly kind: 'Ready' }
  | { readonly kind: 'Send' }
  /** All that was written has gone out, and the end behind it. */
  | { readonly kind: 'DataSent' }
  /** And has arrived, as far as the carrier can tell. Terminal. */
  | { readonly kind: 'DataRecvd' }
  /** The other side takes no more, and what is written is dropped; `lost`: something was, so that the stream does not close in order. */
  | { readonly kind: 'ResetSent'; readonly lost: boolean }
  /** Cut off; nobody takes anything. Terminal. */
  | { readonly kind: 'ResetRecvd' };

const ready: SendState = { kind: 'Ready' };
const send: SendState = { kind: 'Send' };
const dataSent: SendState = { kind: 'DataSent' };
const dataRecvd: SendState = { kind: 'DataRecvd' };
const resetSent: SendState = { kind: 'ResetSent', lost: false };
const resetSentWithLoss: SendState = { kind: 'ResetSent', lost: true };
const resetRecvd: SendState = { kind: 'ResetRecvd' };

/** The stream that a half belongs to: its `flush` calls the half's. */
export interface SendingStream extends Flushable {
  readonly kind: StreamKind;
  /** A writer that was told to wait may write again. */
  drained(): void;
}

/** Over what the half sends, and sealed with what. */
export interface SendHalfOptions {
  readonly host: ConnectionHost;
  readonly carrier: FlowControl;
  /** 32 bytes; undefined: clear text. */
  readonly key: Uint8Array | undefined;
}

/** Holds at most what is written to it, asks its writer to wait from 512 KiB on, and sends only when flushed. */
export class SendHalf {
  readonly #stream: SendingStream;
  readonly #host: ConnectionHost;
  readonly #carrier: FlowControl;
  readonly #sealer: Sealer | undefined;
  readonly #queue = new SendQueue();
  #state: SendState = ready;
  #writerWaits = false;

  constructor(stream: SendingStream, { host, carrier, key }: SendHalfOptions) {
    this.#stream = stream;
    this.#host = host;
    this.#carrier = carrier;
    this.#sealer = key === undefined ? undefined : new Sealer(key);
    // The encryption header goes out at once, before anything is written, for the other side waits for it.
    if (this.#sealer !== undefined) host.wantsFlush(stream);
  }

  get state(): SendState {
    return this.#state;
  }

  /** Written, and not yet handed to the carrier. */
  get hasUnsent(): boolean {
    return !this.#queue.empty;
  }

  /** Nothing will be handed to the carrier any more. */
  get hasEnded(): boolean {
    switch (this.#state.kind) {
      case 'Ready':
      case 'Send':
        return false;
      case 'DataSent':
      case 'DataRecvd':
      case 'ResetSent':
      case 'ResetRecvd':
        return true;
    }
  }

  /** A flush could bring the half, or the stream it ends with, further. */
  get wantsFlush(): boolean {
    switch (this.#state.kind) {
      case 'Ready':
      case 'DataSent':
      case 'ResetSent':
        return true;
      case 'Send':
        return !this.#queue.empty || this.#queue.ended;
      case 'DataRecvd':
      case 'ResetRecvd':
        return false;
    }
  }

  /** As `ByteStream.write`: true where the writer may go on. */
  write(chunk: Uint8Array): boolean {
    if (this.#queue.ended) return false;
    switch (this.#state.kind) {
      case 'Ready':
      case 'Send':
        if (chunk.length === 0 && !this.#carriesEmpty()) return true;
        this.#queue.push(chunk);
        this.#host.wantsFlush(this.#stream);
        if (this.#queue.bytes < highWaterBytes) return true;
        this.#writerWaits = true;
        return false;
      case 'ResetSent':
        if (chunk.length > 0) this.#state = resetSentWithLoss;
        return true;
      case 'DataSent':
      case 'DataRecvd':
      case 'ResetRecvd':
        return false;
    }
  }

  /** No more is written; the end goes out behind what was. Idempotent. */
  end(): void {
    switch (this.#state.kind) {
      case 'Ready':
      case 'Send':
      case 'ResetSent':
        this.#queue.end();
        this.#host.wantsFlush(this.#stream);
        return;
      case 'DataSent':
      case 'DataRecvd':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** Send as much as window, channel and share allow; true where only the share is used up. */
  flush(): boolean {
    switch (this.#state.kind) {
      case 'Ready':
        return this.#open() && this.#sendQueued();
      case 'Send':
        return this.#sendQueued();
      case 'DataSent':
      case 'DataRecvd':
      case 'ResetSent':
      case 'ResetRecvd':
        return false;
    }
  }

  /** The other side takes no more of what is sent to it: QUIC's STOP_SENDING. */
  stopped(): void {
    switch (this.#state.kind) {
      case 'Ready':
      case 'Send':
        this.#state = this.#queue.empty ? resetSent : resetSentWithLoss;
        this.#queue.clear();
        this.#tellDrain();
        return;
      case 'DataSent':
      case 'DataRecvd':
      case 'ResetSent':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** The stream closes in order: what was sent has arrived, or been given its time to. */
  arrived(): void {
    switch (this.#state.kind) {
      case 'DataSent':
        this.#state = dataRecvd;
        return;
      case 'Ready':
      case 'Send':
      case 'DataRecvd':
      case 'ResetSent':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** Nothing can be sent any more; what waits is dropped. */
  cut(): void {
    switch (this.#state.kind) {
      case 'Ready':
      case 'Send':
      case 'DataSent':
      case 'ResetSent':
        this.#state = resetRecvd;
        this.#queue.clear();
        return;
      case 'DataRecvd':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** Of datagrams. In clear text an empty message is a mere flag to the peers, and cannot be one. */
  #carriesEmpty(): boolean {
    if (this.#stream.kind !== 'datagram') return false;
    if (this.#sealer === undefined) this.#host.log.debug('ziti.empty_datagram_dropped');
    return this.#sealer !== undefined;
  }

  /** Send the encryption header; in clear text the first message opens. False where it has to wait. */
  #open(): boolean {
    if (this.#sealer === undefined) return true;
    if (!this.#carrier.mayStart()) return false;
    this.#state = send;
    this.#carrier.sendFlagged(this.#openingFlags(), this.#sealer.takeHeader());
    return true;
  }

  #sendQueued(): boolean {
    const host = this.#host;
    const carrier = this.#carrier;
    const queue = this.#queue;
    let share = flushShareBytes;
    while (!queue.empty && share > 0 && carrier.mayStart()) {
      if (!host.channel.writable()) {
        host.waitsForChannel(this.#stream);
        break;
      }
      share -= this.#sendOne();
    }
    this.#tellDrain();
    if (queue.empty && queue.ended && !this.hasEnded && carrier.mayStart()) {
      this.#state = dataSent;
      // Empty and never encrypted; without the EOF flag, which peers under the router's flow control do not get.
      if (this.#stream.kind === 'stream') carrier.sendFlagged(edgeFlag.fin, noBytes);
    }
    return share <= 0 && !queue.empty;
  }

  #sendOne(): number {
    const carrier = this.#carrier;
    const plain =
      this.#stream.kind === 'datagram'
        ? this.#queue.takeWhole()
        : this.#queue.takeCoalesced(maxMessageBytes, this.#host.pool.scratch);
    if (this.#sealer !== undefined) {
      this.#sealer.seal(carrier.begin(plain.length + sealOverheadBytes), plain);
      carrier.commit();
    } else if (this.#state === ready) {
      this.#state = send;
      carrier.sendFlagged(this.#openingFlags(), plain);
    } else {
      carrier.begin(plain.length).set(plain);
      carrier.commit();
    }
    return plain.length;
  }

  /** On the first message: what the other side may do with what it sends us. */
  #openingFlags(): number {
    return this.#stream.kind === 'stream' ? edgeFlag.multipart | edgeFlag.stream : edgeFlag.multipart;
  }

  #tellDrain(): void {
    if (!this.#writerWaits || this.#queue.bytes > highWaterBytes / 2) return;
    this.#writerWaits = false;
    if (!this.#queue.ended) this.#stream.drained();
  }
}

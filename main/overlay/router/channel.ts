/** One client's connection to the router: frames in and out, requests matched with replies, reading held while busy. */
import { defined } from '../../base/defined.ts';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { isTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { FrameDecoder } from '../../ziti/wire/frame-decoder.ts';
import { encodeFrame, type Frame } from '../../ziti/wire/frame.ts';
import { HeaderList } from '../../ziti/wire/header-block.ts';
import { headerId, reflectedHeaders } from '../../ziti/wire/header-id.ts';
import { peerChain } from '../controller/http.ts';
import { ChannelWriter, type Outbox } from './outbox.ts';

/** Larger than any client sends; a Go application may put one write into one message. */
const frameLimits = { headersBytes: 64 * 1024, bodyBytes: 16 * 1024 * 1024 };

/** What a channel tells its one owner. */
export interface ChannelHandler {
  /** A frame that answers no request of ours. Borrowed until this returns. */
  frame(frame: Frame): void;
  closed(): void;
}

interface Waiter {
  readonly onReply: (reply: Frame | undefined) => void;
  readonly timeout: Disposable;
}

/** Frames are handed on in order until it is closed; a request without an answer in its time is answered with nothing. */
export class RouterChannel {
  /** Channel id, told to the client in the Hello's Result. */
  readonly id: string;
  /** DER certificates of the client, leaf first. */
  readonly clientCertificates: readonly Buffer[];
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #writer: ChannelWriter;
  readonly #decoder: FrameDecoder;
  readonly #waiters = new Map<number, Waiter>();
  readonly #holders = new Set<object>();
  #handler: ChannelHandler | undefined;
  #sequence = 0;
  #isClosed = false;

  constructor(socket: TLSSocket, id: string, clock: Clock, log: Log) {
    this.id = id;
    this.#socket = socket;
    this.#clock = clock;
    this.#log = log;
    this.clientCertificates = peerChain(socket);
    this.#writer = new ChannelWriter(socket);
    this.#decoder = new FrameDecoder((frame) => this.#deliver(frame), frameLimits);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) =>
      this.#log.debug('overlay.channel_error', { channel: this.id, reason: error.message }),
    );
    socket.on('close', () => this.#closed());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Begin delivery. Once. */
  start(handler: ChannelHandler): void {
    this.#handler = handler;
  }

  /** A new queue for one connection's data. */
  newOutbox(): Outbox {
    return this.#writer.newOutbox();
  }

  /** Send a message of our own; returns its sequence. */
  send(contentType: number, headers: HeaderList, body?: Uint8Array): number {
    const sequence = this.nextSequence();
    this.#writer.sendNow(encodeFrame({ contentType, sequence, headers, ...defined({ body }) }));
    return sequence;
  }

  /** Answer `request`, reflecting what replies reflect. */
  reply(
    request: Pick<Frame, 'sequence' | 'headers'>,
    contentType: number,
    headers: HeaderList,
    body?: Uint8Array,
  ): void {
    headers.i32(headerId.replyFor, request.sequence).reflect(request.headers, reflectedHeaders);
    this.send(contentType, headers, body);
  }

  /** Send and wait for the reply; `onReply` is called once, synchronously as it comes, with undefined when none did in time. */
  request(
    contentType: number,
    headers: HeaderList,
    body: Uint8Array | undefined,
    timeoutMs: number,
    onReply: (reply: Frame | undefined) => void,
  ): void {
    const sequence = this.send(contentType, headers, body);
    if (this.#isClosed) {
      onReply(undefined);
      return;
    }
    const timeout = this.#clock.after(timeoutMs, () => {
      if (this.#waiters.delete(sequence)) onReply(undefined);
    });
    this.#waiters.set(sequence, { onReply, timeout });
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) & 0x7fffffff;
    return this.#sequence;
  }

  /** Stop reading until `holder` lets go; several may hold. */
  hold(holder: object): void {
    this.#holders.add(holder);
    this.#socket.pause();
  }

  release(holder: object): void {
    if (this.#holders.delete(holder) && this.#holders.size === 0) this.#socket.resume();
  }

  /** Drop the connection now, without a word. Idempotent. */
  close(): void {
    this.#decoder.stop();
    this.#socket.destroy();
    this.#closed();
  }

  #take(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      const reason = isTunnelerError(error) ? error.message : String(error);
      this.#log.warn('overlay.channel_malformed', { channel: this.id, reason });
      this.close();
    }
  }

  #deliver(frame: Frame): void {
    const replyFor = frame.headers.i32(headerId.replyFor);
    const waiter = replyFor === undefined ? undefined : this.#waiters.get(replyFor);
    if (replyFor === undefined || waiter === undefined) {
      this.#handler?.frame(frame);
      return;
    }
    this.#waiters.delete(replyFor);
    waiter.timeout[Symbol.dispose]();
    waiter.onReply(frame);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer.discardAll();
    for (const waiter of this.#waiters.values()) {
      waiter.timeout[Symbol.dispose]();
      waiter.onReply(undefined);
    }
    this.#waiters.clear();
    this.#handler?.closed();
  }
}

/** An empty header list; frames read better with it. */
export function headers(): HeaderList {
  return new HeaderList();
}

/** One authenticated connection to a router: hello, request and reply, liveness. What the messages mean is `edge`'s. */
import type { TLSSocket } from 'node:tls';
import { linkSignals } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { contentType } from '../wire/content-type.ts';
import { encodeFrame, helloSequence, type Frame } from '../wire/frame.ts';
import { FrameDecoder } from '../wire/frame-decoder.ts';
import { HeaderList } from '../wire/header-block.ts';
import { headerId, helloRejectClass, reflectedHeaders } from '../wire/header-id.ts';
import { readRouterCapabilities, type RouterCapabilities } from '../wire/router-capabilities.ts';
import { bytesText, textBytes } from '../wire/little-endian.ts';
import { Liveness, probeEveryMs, probeTimeoutMs } from './liveness.ts';
import { Outbox } from './outbox.ts';
import { PendingReplies, type OnReply } from './pending-replies.ts';
import { connectError, connectTls, parseRouterAddress, type Reader, type TlsCredentials } from './tls-connect.ts';

/** A router acknowledges the Hello before it looks at the session, and closes in silence about 5.2 s later where that is no good. */
const rejectionWindowMs = 6_000;
const defaultConnectTimeoutMs = 15_000;
/** What the host had taken in before it slept or moved is read first: it says nothing of the channel now. */
const settleMs = 100;

/** Underlay type of the one connection of our group (openziti/sdk-golang: ziti/edge/channel.go). */
const underlayType = 'edge.default';

/** Where a channel leads, as whom it greets, and how long that may take: 15 s where `connectTimeoutMs` is absent. */
export interface ChannelOptions {
  /** Names the router in errors and logs. */
  readonly name: string;
  readonly address: string;
  readonly tls: TlsCredentials;
  readonly token: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly connectTimeoutMs?: number;
}

/** What a channel tells the layer above. None of these may assume to be called before `openChannel` has resolved. */
export interface ChannelHandlers {
  /** A frame that is no reply to a request under way. Borrowed until this returns. */
  frame(frame: Frame): void;
  /** Frames are about to be written: add what has been waiting for that. */
  gather(): void;
  /** `writable` holds again. */
  drained(): void;
}

/** What the router said of itself in the Hello's Result. */
export interface HelloResult {
  readonly version: string | undefined;
  readonly supportsBindSuccess: boolean;
  readonly supportsPostureChecks: boolean;
  /** What release 2.1 and later say they take. */
  readonly capabilities: RouterCapabilities;
}

/** A message still to be numbered and framed; `body` is copied. */
export interface OutgoingMessage {
  readonly contentType: number;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
}

/**
 * Connect, greet, and resolve once the router has answered. Throws `ziti.channel.unreachable`, `.certificate`, `.rejected` or
 * `.malformed`; `base.cancelled` where `signal` aborts.
 */
export async function openChannel(options: ChannelOptions, handlers: ChannelHandlers): Promise<Channel> {
  const { clock, name, signal: given, connectTimeoutMs: timeoutMs = defaultConnectTimeoutMs } = options;
  const late = new AbortController();
  const startedMs = clock.monotonic();
  const timer = clock.after(timeoutMs, () => late.abort());
  const linked = linkSignals(given, late.signal);
  const reader: Reader = { take: () => undefined };
  try {
    const target = parseRouterAddress(options.address);
    const socket = await connectTls(target, options.tls, reader, { signal: linked.signal, clock });
    const leftMs = timeoutMs - (clock.monotonic() - startedMs);
    const channel = new Channel({ ...options, connectTimeoutMs: leftMs }, handlers, socket, reader);
    await channel.greeted;
    return channel;
  } catch (error) {
    if (error instanceof TunnelerError) throw error;
    if (given?.aborted === true) throw cancelled(name, given.reason);
    throw late.signal.aborted ? unanswered(name, timeoutMs) : connectError(error as Error, name);
  } finally {
    timer[Symbol.dispose]();
    linked[Symbol.dispose]();
  }
}

function unanswered(name: string, timeoutMs: number): TunnelerError {
  return new TunnelerError('ziti.channel.unreachable', `router ${name} did not answer within ${timeoutMs} ms`, {
    details: { timeoutMs },
  });
}

function cancelled(name: string, cause: unknown): TunnelerError {
  return new TunnelerError('base.cancelled', `connecting to router ${name} was cancelled`, { cause });
}

/** What connections need of a channel. */
export type FrameChannel = Pick<
  Channel,
  | 'hello'
  | 'nextSequence'
  | 'writable'
  | 'scheduleFlush'
  | 'sendEncoded'
  | 'send'
  | 'request'
  | 'reply'
  | 'pauseReading'
  | 'resumeReading'
>;

/** One greeted connection to a router: frames in and out, requests and replies, probes, and the reason of its end in `closed`. */
export class Channel implements AsyncDisposable {
  /** Resolves once, with why the channel is gone. */
  readonly closed: Promise<TunnelerError>;
  /** Settles with the router's answer to the Hello. */
  readonly greeted: Promise<void>;
  readonly #options: ChannelOptions;
  readonly #handlers: ChannelHandlers;
  readonly #clock: Clock;
  readonly #socket: TLSSocket;
  readonly #decoder: FrameDecoder;
  readonly #outbox: Outbox;
  readonly #replies: PendingReplies;
  readonly #timers: Disposable[] = [];
  #liveness: Liveness | undefined;
  #hello: HelloResult | undefined;
  #helloAtMs = 0;
  #sequence = 0;
  #closedWith: TunnelerError | undefined;
  #tellClosed!: (error: TunnelerError) => void;
  #tellGreeted!: { resolve(): void; reject(error: TunnelerError): void };

  /** `socket` has just connected, and `reader` is where it hands its bytes. */
  constructor(options: ChannelOptions, handlers: ChannelHandlers, socket: TLSSocket, reader: Reader) {
    this.#options = options;
    this.#handlers = handlers;
    this.#clock = options.clock;
    this.closed = new Promise((resolve) => (this.#tellClosed = resolve));
    this.greeted = new Promise((resolve, reject) => (this.#tellGreeted = { resolve, reject }));
    this.#replies = new PendingReplies(options.clock);
    this.#decoder = new FrameDecoder((frame) => this.#onFrame(frame));
    this.#socket = socket;
    reader.take = (bytes) => this.#onData(bytes);
    this.#outbox = new Outbox(this.#socket, {
      gather: () => this.#guard(() => handlers.gather()),
      drained: () => this.#guard(() => handlers.drained()),
    });
    this.#socket.once('secureConnect', () => this.#greet());
    this.#socket.on('error', (error) => this.#onSocketError(error));
    this.#socket.once('close', () => this.close(this.#lossError()));
    this.#boundConnecting();
  }

  get hello(): HelloResult {
    if (this.#hello === undefined) throw new TunnelerError('base.internal', 'the channel has not been greeted yet');
    return this.#hello;
  }

  latencyMs(): number {
    return this.#liveness?.latencyMs ?? 0;
  }

  /** Why it is closed, undefined while it lives. */
  get closedWith(): TunnelerError | undefined {
    return this.#closedWith;
  }

  /** A sequence no other frame of ours has. */
  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) & 0x7fffffff;
    return this.#sequence;
  }

  /** False asks whoever has bulk to send to wait for `drained`. */
  writable(): boolean {
    return this.#outbox.writable();
  }

  /** Call `gather` and write at the end of this turn of the event loop. */
  scheduleFlush(): void {
    this.#outbox.schedule();
  }

  /** Send an encoded frame, which must not change until it is written. Ignored once closed. */
  sendEncoded(frame: Uint8Array): void {
    this.#outbox.add(frame);
  }

  send(message: OutgoingMessage): void {
    this.#outbox.add(encodeFrame({ ...message, sequence: this.nextSequence() }));
  }

  /** Send and expect a reply; `onReply` is called once, within the frame's turn. Disposing gives up silently. */
  request(message: OutgoingMessage, timeoutMs: number, what: string, onReply: OnReply): Disposable {
    if (this.#closedWith !== undefined) {
      onReply(this.#closedWith);
      return { [Symbol.dispose]: () => undefined };
    }
    const sequence = this.nextSequence();
    const pending = this.#replies.expect(sequence, timeoutMs, what, onReply);
    this.#outbox.add(encodeFrame({ ...message, sequence }));
    return pending;
  }

  /** Answer `request`, reflecting what replies must reflect. */
  reply(request: Frame, message: OutgoingMessage): void {
    const headers = (message.headers ?? new HeaderList()).i32(headerId.replyFor, request.sequence);
    headers.reflect(request.headers, reflectedHeaders);
    this.send({ ...message, headers });
  }

  /** Stop reading from the router, all connections alike, until `resumeReading`. */
  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Close now; `closed` resolves with `error`. Idempotent: the first cause stands. */
  close(error: TunnelerError): void {
    if (this.#closedWith !== undefined) return;
    this.#closedWith = error;
    for (const timer of this.#timers.splice(0)) timer[Symbol.dispose]();
    this.#decoder.stop();
    this.#outbox.close();
    this.#socket.destroy();
    this.#replies.failAll(error);
    this.#tellGreeted.reject(error);
    // Where the greeting failed, `openChannel` has thrown it and nobody awaits this promise.
    this.greeted.catch(() => undefined);
    this.#tellClosed(error);
  }

  /** Write what is queued, then close. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closedWith === undefined) {
      this.#outbox.flush();
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(1_000, resolve);
        this.#socket.end(() => {
          timer[Symbol.dispose]();
          resolve();
        });
      });
    }
    this.close(new TunnelerError('ziti.channel.closed', `the channel to router ${this.#options.name} was closed here`));
  }

  #boundConnecting(): void {
    const { signal, name } = this.#options;
    const timeoutMs = this.#options.connectTimeoutMs ?? defaultConnectTimeoutMs;
    const timer = this.#clock.after(timeoutMs, () => this.close(unanswered(name, Math.round(timeoutMs))));
    const abort = (): void => this.close(cancelled(name, signal?.reason));
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const settled = (): void => {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', abort);
    };
    this.greeted.then(settled, settled);
  }

  #greet(): void {
    this.#helloAtMs = this.#clock.monotonic();
    const headers = new HeaderList()
      .string(headerId.sessionToken, this.#options.token)
      .bool(headerId.supportsInspect, true)
      // A grouped channel, if only of one connection, has a queue of 64 messages at the router instead of 4; what finds
      // it full is dropped (openziti/sdk-golang: ziti/edge/channel.go, openziti/channel: constants.go).
      .bool(headerId.isGrouped, true)
      .bool(headerId.isFirstGroupConnection, true)
      .string(headerId.underlayType, underlayType);
    const body = textBytes('culvert');
    this.#replies.expect(helloSequence, rejectionWindowMs, 'the hello', (reply) => this.#onHelloReply(reply));
    this.#outbox.add(encodeFrame({ contentType: contentType.hello, sequence: helloSequence, headers, body }));
    this.#outbox.flush();
  }

  #onHelloReply(reply: Frame | TunnelerError): void {
    if (reply instanceof TunnelerError) {
      this.close(
        new TunnelerError('ziti.channel.unreachable', `router ${this.#options.name} did not answer the hello`, {
          cause: reply,
        }),
      );
      return;
    }
    if (reply.contentType !== contentType.result || !reply.headers.bool(headerId.resultSuccess)) {
      const reason = bytesText(reply.body).slice(0, 200);
      const rejectClass = reply.headers.u32(headerId.helloRejectClass);
      const busy = rejectClass === helloRejectClass.busy;
      const permanent = rejectClass === helloRejectClass.notPermitted;
      this.close(
        new TunnelerError('ziti.channel.rejected', `router ${this.#options.name} refused the hello: ${reason}`, {
          details: { reason, ...(busy ? { retry: 'later' } : permanent ? { retry: 'not-as-it-stands' } : {}) },
        }),
      );
      return;
    }
    const nowMs = this.#clock.monotonic();
    this.#liveness = new Liveness(nowMs - this.#helloAtMs, nowMs);
    this.#hello = {
      version: reply.headers.string(headerId.helloVersion)?.split('|')[0],
      supportsBindSuccess: reply.headers.bool(headerId.supportsBindSuccess),
      supportsPostureChecks: reply.headers.bool(headerId.supportsPostureChecks),
      capabilities: readRouterCapabilities(reply.headers.bytes(headerId.routerCapabilities)),
    };
    this.#helloAtMs = nowMs;
    this.#timers.push(this.#clock.every(probeEveryMs, () => this.#probe()));
    this.#tellGreeted.resolve();
  }

  #onData(bytes: Uint8Array): void {
    this.#liveness?.inbound(this.#clock.monotonic());
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      this.close(
        error instanceof TunnelerError
          ? error
          : new TunnelerError('base.internal', 'a message could not be handled', { cause: error }),
      );
    }
  }

  #onFrame(frame: Frame): void {
    this.#guard(() => {
      const replyFor = frame.headers.i32(headerId.replyFor);
      if (replyFor !== undefined && this.#replies.settle(replyFor, frame)) return;
      if (this.#hello === undefined) return;
      switch (frame.contentType) {
        case contentType.latency:
        case contentType.ping:
          this.reply(frame, {
            contentType: contentType.result,
            headers: new HeaderList().bool(headerId.resultSuccess, true),
          });
          return;
        case contentType.result:
        case contentType.latencyResponse:
        case contentType.heartbeat:
          return;
        default:
          this.#handlers.frame(frame);
      }
    });
  }

  /** The network may have changed under it: where nothing comes in from the router within `timeoutMs`, it is closed. */
  confirm(timeoutMs: number): void {
    const liveness = this.#liveness;
    if (liveness === undefined || this.#closedWith !== undefined) return;
    this.#timers.push(
      this.#clock.after(settleMs, () => {
        if (this.#closedWith !== undefined) return;
        const askedMs = this.#clock.monotonic();
        this.send(this.#latencyProbe());
        this.#timers.push(
          this.#clock.after(timeoutMs, () => {
            if (liveness.silentSince(askedMs)) this.close(this.#unresponsive());
          }),
        );
      }),
    );
  }

  #latencyProbe(): OutgoingMessage {
    const headers = new HeaderList().u64(headerId.uuid, Math.floor(this.#clock.now()) * 1_000_000);
    return { contentType: contentType.latency, headers };
  }

  #unresponsive(): TunnelerError {
    return new TunnelerError('ziti.channel.unresponsive', `router ${this.#options.name} has stopped answering`);
  }

  #probe(): void {
    const liveness = this.#liveness;
    if (liveness?.probeDue(this.#clock.monotonic()) !== true) return;
    this.request(this.#latencyProbe(), probeTimeoutMs, 'a latency probe', (reply) => {
      if (!(reply instanceof TunnelerError)) {
        liveness.probeAnswered(this.#clock.monotonic());
      } else if (liveness.probeTimedOut(this.#clock.monotonic())) {
        this.close(this.#unresponsive());
      }
    });
  }

  #onSocketError(error: Error): void {
    if (this.#hello === undefined) this.close(connectError(error, this.#options.name));
    else this.close(this.#lossError(error));
  }

  #lossError(cause?: Error): TunnelerError {
    const { name } = this.#options;
    const options = defined({ cause });
    if (this.#hello === undefined) {
      return new TunnelerError(
        'ziti.channel.unreachable',
        `router ${name} closed the connection before its hello`,
        options,
      );
    }
    const livedMs = this.#clock.monotonic() - this.#helloAtMs;
    if (livedMs < rejectionWindowMs) {
      return new TunnelerError('ziti.channel.rejected', `router ${name} refused our session`, {
        ...options,
        details: { livedMs: Math.round(livedMs) },
      });
    }
    return new TunnelerError('ziti.channel.closed', `the channel to router ${name} was lost`, options);
  }

  /** One message's trouble is never the next one's. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.error('ziti.channel.handler_failed', { router: this.#options.name, error });
    }
  }
}

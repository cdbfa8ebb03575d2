/** One connection as a ByteStream: two halves above a carrier, and what closes both. */
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { ByteSink, StreamKind } from '../../base/stream.ts';
import type { ZitiStream } from '../model.ts';
import type { EdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';
import { connType, edgeFlag } from '../wire/header-id.ts';
import type { FlowControl, CarrierOwner } from './flow-control.ts';
import type { Connection, ConnectionHost, Flushable } from './connection.ts';
import type { SessionKeys } from './end-to-end.ts';
import { accessLost, isAccessLoss, streamReset } from './fault.ts';
import { ReceiveHalf } from './receive-half.ts';
import { SendHalf, type SendingStream } from './send-half.ts';

/** Both sides have ended: how long to wait for the last acknowledgements before closing regardless. */
const lingerMs = 15_000;

/** One connection of a channel, and how its messages travel. */
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

/** Where the stream as a whole stands. */
type Life =
  | { readonly kind: 'open' }
  /** Both sides have ended; the last acknowledgements are waited for. */
  | { readonly kind: 'lingering'; readonly timer: Disposable }
  /** The router closed it: nothing can be sent, and once the reader has what is held it closes, with `error`. */
  | { readonly kind: 'draining'; readonly error: TunnelerError | undefined }
  /** Over; the sink is told in a microtask. */
  | { readonly kind: 'closed'; readonly error: TunnelerError | undefined }
  /** Over, and the sink knows. */
  | { readonly kind: 'told' };

const open: Life = { kind: 'open' };
const told: Life = { kind: 'told' };

/** A dialled or accepted connection; lives until `closed` is told, and its connection id may then be used again. */
export class EdgeStream implements ZitiStream, Connection, CarrierOwner, SendingStream {
  readonly kind: StreamKind;
  readonly circuitId: string | undefined;
  readonly routerName: string;
  readonly encrypted: boolean;
  readonly connType = connType.dial;
  readonly #host: ConnectionHost;
  readonly #connId: number;
  readonly #carrier: FlowControl;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;
  #life: Life = open;
  #sink: ByteSink | undefined;
  #deliveryScheduled = false;
  #overListener: (() => void) | undefined;

  constructor(options: EdgeStreamOptions) {
    const { host, connId, kind, keys } = options;
    this.kind = kind;
    this.circuitId = options.circuitId;
    this.routerName = host.routerName;
    this.encrypted = keys !== undefined;
    this.#host = host;
    this.#connId = connId;
    const carrier = options.carrier(this);
    this.#carrier = carrier;
    this.#send = new SendHalf(this, { host, carrier, key: keys?.send });
    this.#receive = new ReceiveHalf(carrier, keys?.receive);
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    this.#receive.start(sink);
    this.#scheduleDelivery();
  }

  write(chunk: Uint8Array): boolean {
    return this.#send.write(chunk);
  }

  end(): void {
    this.#send.end();
  }

  reset(error?: TunnelerError): void {
    if (this.#isOver()) return;
    this.#carrier.close('abort');
    this.#finish(error ?? new TunnelerError('base.closed', 'the stream was reset here'));
  }

  pause(): void {
    this.#receive.pause();
  }

  resume(): void {
    this.#receive.resume();
    this.#scheduleDelivery();
  }

  /** Call back once when the stream is over; at once where it is. One listener. */
  onOver(listener: () => void): void {
    if (this.#isOver()) listener();
    else this.#overListener = listener;
  }

  // Called by the channel's side.

  receive(frame: Frame): void {
    if (!this.#isOver()) this.#carrier.receive(frame);
  }

  channelLost(error: TunnelerError): void {
    this.#carrier.dispose();
    this.#finish(error);
  }

  failed(error: TunnelerError): void {
    this.reset(error);
  }

  flush(): boolean {
    if (this.#isOver()) return false;
    // What is owed first: a sender that waits for it is worse than one of ours that waits.
    this.#carrier.flush();
    const more = this.#send.flush();
    this.#finishIfDone();
    return more;
  }

  // Called by the sending half.

  drained(): void {
    this.#sink?.drain();
  }

  // Called by the carrier.

  message(body: Uint8Array, edgeFlags: number): void {
    if (body.length > 0) this.#receive.message(body, edgeFlags);
    if ((edgeFlags & edgeFlag.fin) !== 0) this.remoteEnded();
  }

  remoteEnded(): void {
    if (this.#receive.ended()) this.#deliver();
  }

  sendingRefused(): void {
    // What is written from here on is lost, and the close will say so; the other direction may go on.
    this.#send.stopped();
    this.#finishIfDone();
  }

  closedByRouter(reason: string, fault: EdgeFault, complete: boolean): void {
    const life = this.#life;
    switch (life.kind) {
      case 'open':
      case 'lingering':
        this.#takeClose(reason, fault, complete);
        return;
      case 'draining':
      case 'closed':
      case 'told':
        return;
      default:
        life satisfies never;
    }
  }

  progressed(): void {
    if (this.#send.wantsFlush) this.#host.wantsFlush(this);
  }

  #takeClose(reason: string, fault: EdgeFault, complete: boolean): void {
    const nothingUnsent = !this.#send.hasUnsent && this.#carrier.settled();
    this.#carrier.dispose();
    if (isAccessLoss(reason, fault)) {
      this.#finish(accessLost(reason, fault));
      return;
    }
    const remoteEnded = this.#receive.state !== 'Recv';
    const orderly = this.kind === 'datagram' || (remoteEnded && this.#send.hasEnded);
    if (!complete || (!orderly && !remoteEnded && this.#isReset(reason))) {
      this.#finish(streamReset(reason));
      return;
    }
    this.#stopLingering();
    this.#life = { kind: 'draining', error: orderly || nothingUnsent ? undefined : streamReset(reason) };
    this.#send.cut();
    this.#receive.ended();
    this.#deliver();
  }

  #isReset(reason: string): boolean {
    return this.#carrier.tellsEnds || !(/^close called$/i.test(reason) || reason === '');
  }

  #isOver(): boolean {
    switch (this.#life.kind) {
      case 'open':
      case 'lingering':
      case 'draining':
        return false;
      case 'closed':
      case 'told':
        return true;
    }
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

  /** Tell the sink what there is to tell. */
  #deliver(): void {
    if (this.#sink === undefined) return;
    const life = this.#life;
    switch (life.kind) {
      case 'open':
      case 'lingering':
      case 'draining':
        this.#receive.deliver();
        this.#finishIfDone();
        return;
      case 'closed':
        this.#life = told;
        this.#sink.closed(life.error);
        return;
      case 'told':
        return;
      default:
        life satisfies never;
    }
  }

  #finishIfDone(): void {
    const life = this.#life;
    switch (life.kind) {
      case 'open':
        if (!this.#bothEnded()) return;
        if (this.#carrier.settled()) this.#closeDone();
        else this.#life = { kind: 'lingering', timer: this.#host.clock.after(lingerMs, () => this.#closeDone()) };
        return;
      case 'lingering':
        if (this.#carrier.settled()) this.#closeDone();
        return;
      case 'draining':
        if (this.#receive.state === 'DataRead') this.#finish(life.error);
        return;
      case 'closed':
      case 'told':
        return;
      default:
        life satisfies never;
    }
  }

  #bothEnded(): boolean {
    const received = this.#receive.state === 'DataRead';
    return this.kind === 'datagram' ? this.#send.hasEnded || received : this.#send.hasEnded && received;
  }

  #closeDone(): void {
    const { state } = this.#send;
    this.#carrier.close('done');
    this.#send.arrived();
    const lost = state.kind === 'ResetSent' && state.lost;
    this.#finish(lost ? streamReset('the other side stopped reading') : undefined);
  }

  #stopLingering(): void {
    if (this.#life.kind === 'lingering') this.#life.timer[Symbol.dispose]();
  }

  /** Over, once and for all. The carrier is closed or disposed already. */
  #finish(error: TunnelerError | undefined): void {
    if (this.#isOver()) return;
    this.#stopLingering();
    this.#life = { kind: 'closed', error };
    this.#send.cut();
    this.#receive.cut();
    this.#host.unregister(this.#connId, this);
    this.#overListener?.();
    this.#overListener = undefined;
    this.#scheduleDelivery();
  }
}

/**
 * A circuit on which both sides have ended, kept until the other side is through with it.
 *
 * Routers and other implementations acknowledge what they have received, not what they have handed on, and on a close they
 * drop the difference (openziti/sdk-golang: ziti/edge/network/conn.go, StateClosed in Read). So the close is left to them, or
 * comes from here once they have had time; the Go implementation waits 5 s likewise (xgress/link_send_buffer.go, checkForClose).
 */
import type { TunnelerError } from '../../base/errors.ts';
import { contentType } from '../wire/content-type.ts';
import type { Frame } from '../wire/frame.ts';
import { connType, headerId } from '../wire/header-id.ts';
import { textBytes } from '../wire/little-endian.ts';
import {
  encodeAcknowledgement,
  markRetransmission,
  payloadFlag,
  readAcknowledgedSequences,
  readPayload,
  type Originator,
  type PayloadWriter,
} from '../wire/xgress.ts';
import type { Connection, ConnectionHost, Flushable } from './connection.ts';
import type { XgressReceiver } from './xgress-receiver.ts';
import type { XgressSender } from './xgress-sender.ts';

const lingerMs = 5_000;
/** While the other side still reports unread bytes it is asked again after each `lingerMs`, so often at most. */
const maxLingers = 24;
/** Go reports its buffer again when it has halved, unless it is smaller than this. */
const smallReportBytes = 10_000;

/** What a carrier leaves behind. */
export interface LingeringCircuitOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly circuitId: string;
  readonly originator: Originator;
  readonly writer: PayloadWriter;
  readonly sender: XgressSender;
  readonly receiver: XgressReceiver<unknown>;
}

/** Answers and sends again in the carrier's place until the circuit closes; nobody is told of that. */
export class LingeringCircuit implements Connection, Flushable {
  readonly connType = connType.dial;
  readonly #options: LingeringCircuitOptions;
  #lingers = 0;
  #timer: Disposable;
  #resendTimer: Disposable | undefined;
  #over = false;

  /** Takes over the connection id and the carrier's state; says the circuit's end. */
  constructor(options: LingeringCircuitOptions) {
    const { host, connId, writer, sender } = options;
    this.#options = options;
    host.register(connId, this);
    this.#timer = host.clock.after(lingerMs, () => this.#onTimer());
    const flags = payloadFlag.circuitEnd;
    const frame = writer.special(host.channel.nextSequence(), sender.nextSequence, { flags }, host.clock.now());
    sender.sent(frame, 0, host.clock.monotonic());
    host.budget.sent(host.clock.monotonic());
    host.wantsFlush(this);
    host.channel.sendEncoded(frame);
    this.#armResend();
  }

  receive(frame: Frame): void {
    if (this.#over) return;
    if (frame.contentType === contentType.stateClosed) this.#finish();
    else if (frame.contentType === contentType.xgPayload) this.#receivePayload(frame);
    else if (frame.contentType === contentType.xgAcknowledgement) this.#receiveAcknowledgement(frame);
  }

  channelLost(): void {
    this.#finish();
  }

  failed(_error: TunnelerError): void {
    this.#close();
  }

  /** Acknowledge what still comes: the other side sends it until we do. */
  flush(): boolean {
    const { host, connId, circuitId, originator, receiver } = this.#options;
    if (this.#over || !receiver.owesAcknowledgement) return false;
    const { sequences, clock } = receiver.takeAcknowledgements();
    const frameSequence = host.channel.nextSequence();
    const ack = { frameSequence, connId, circuitId, originator, receiveBufferBytes: 0, clock, sequences };
    host.channel.sendEncoded(encodeAcknowledgement(ack));
    return false;
  }

  #receivePayload(frame: Frame): void {
    const { host, receiver } = this.#options;
    const fields = readPayload(frame.headers);
    if (fields === undefined) return;
    const acceptance = receiver.accept(fields.sequence, 0, fields.clock, false);
    if (acceptance === 'early') receiver.stash(fields.sequence, undefined, 0);
    host.wantsFlush(this);
    // It ended before; saying it again means that it is through with this circuit.
    if (acceptance !== 'duplicate' && (fields.flags & (payloadFlag.circuitEnd | payloadFlag.eof)) !== 0) this.#close();
  }

  #receiveAcknowledgement(frame: Frame): void {
    const { host, sender } = this.#options;
    const sequences = readAcknowledgedSequences(frame.body);
    if (sequences === undefined) return;
    const heldBytes = frame.headers.u32(headerId.xgRecvBufferSize) ?? 0;
    const outcome = sender.acknowledged(sequences, heldBytes, host.clock.monotonic());
    host.budget.answered(outcome.answered, sender.roundTrip.smoothedMs);
    this.#sendAgain(outcome.resend);
    this.#armResend();
  }

  #onTimer(): void {
    this.#lingers += 1;
    if (this.#lingers >= maxLingers || this.#options.sender.peerHeldBytes <= smallReportBytes) {
      this.#close();
      return;
    }
    this.#timer = this.#options.host.clock.after(lingerMs, () => this.#onTimer());
  }

  #armResend(): void {
    const { host, sender } = this.#options;
    const dueMs = sender.timerAtMs();
    if (dueMs === undefined || this.#over || this.#resendTimer !== undefined) return;
    this.#resendTimer = host.clock.after(Math.max(2, dueMs - host.clock.monotonic()), () => {
      this.#resendTimer = undefined;
      if (host.budget.mayStart(host.clock.monotonic())) this.#sendAgain(sender.timerFired(host.clock.monotonic()));
      this.#armResend();
    });
  }

  #sendAgain(frames: readonly Uint8Array[]): void {
    if (frames.length === 0) return;
    const { host } = this.#options;
    const nowMs = host.clock.monotonic();
    host.budget.lost(nowMs);
    for (const frame of frames) {
      markRetransmission(frame, host.clock.now());
      host.budget.sent(nowMs);
      host.channel.sendEncoded(frame);
    }
  }

  #close(): void {
    if (this.#over) return;
    const { host, circuitId } = this.#options;
    this.flush();
    host.channel.send({ contentType: contentType.xgClose, body: textBytes(circuitId) });
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer[Symbol.dispose]();
    this.#resendTimer?.[Symbol.dispose]();
    this.#options.host.unregister(this.#options.connId, this);
  }
}

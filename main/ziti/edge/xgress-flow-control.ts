/** A connection under the SDK's flow control: each message has a sequence, is acknowledged, and sent again where it was lost. */
import { contentType } from '../wire/content-type.ts';
import { readEdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';
import { edgeFlag, headerId } from '../wire/header-id.ts';
import { bytesText, copyBytes, noBytes, textBytes } from '../wire/little-endian.ts';
import {
  encodeAcknowledgement,
  markRetransmission,
  ownCapabilities,
  PayloadWriter,
  payloadFlag,
  readAcknowledgedSequences,
  readPayload,
  type Originator,
  type SpecialPayload,
} from '../wire/xgress.ts';
import type { FlowControl, CarrierOwner } from './flow-control.ts';
import type { ConnectionHost } from './connection.ts';
import { LingeringCircuit } from './lingering-circuit.ts';
import { XgressReceiver } from './xgress-receiver.ts';
import { windowBytes, XgressSender } from './xgress-sender.ts';

/** Peers stop at `windowBytes` of what we report; we report more than we hold, and so hold a quarter of that per stalled reader. */
const reportFactor = 4;
/** Held bytes at which further messages are dropped: reached only by a peer that ignores what we report. */
const heldLimitBytes = 2 * windowBytes;
/** Reports smaller than this are not worth an acknowledgement of their own (openziti/sdk-golang: xgress/xgress.go, tx). */
const smallReportBytes = 10_000;

/** A peer that holds a window's worth says when there is room; in case that was lost, one message asks, ever less often. */
const firstProbeMs = 1_000;
const lastProbeMs = 30_000;

interface Stashed {
  readonly body: Uint8Array;
  readonly flags: number;
  readonly edgeFlags: number;
  readonly capabilities: boolean;
}

/** The connection, its circuit, which side of it we are, and whom its messages are for. */
export interface XgressCarrierOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly circuitId: string;
  readonly originator: Originator;
  readonly owner: CarrierOwner & { flush(): boolean };
}

/** Messages as payloads with sequences, under a window; after an orderly close a {@link LingeringCircuit} takes its place. */
export class XgressFlowControl implements FlowControl {
  readonly tellsEnds = true;
  readonly #host: ConnectionHost;
  readonly #connId: number;
  readonly #circuitId: string;
  readonly #originator: Originator;
  readonly #owner: CarrierOwner & { flush(): boolean };
  readonly #writer: PayloadWriter;
  readonly #sender = new XgressSender();
  readonly #receiver = new XgressReceiver<Stashed>();
  #started = false;
  #refused = false;
  /** The other side said that the circuit is at its end. */
  #peerDone = false;
  #over = false;
  #begun: Uint8Array = noBytes;
  #heldBytes = 0;
  #reportedBytes = 0;
  #timer: Disposable | undefined;
  #timerAtMs = 0;
  #probeTimer: Disposable | undefined;
  #probeAfterMs = firstProbeMs;

  constructor(options: XgressCarrierOptions) {
    this.#host = options.host;
    this.#connId = options.connId;
    this.#circuitId = options.circuitId;
    this.#originator = options.originator;
    this.#owner = options.owner;
    this.#writer = new PayloadWriter(options.connId, options.circuitId, options.originator);
    if (options.originator === 'initiator') this.#host.wantsFlush(this.#owner);
  }

  /** The state of flow control, for those who inspect a circuit. */
  inspect(): Readonly<Record<string, unknown>> {
    return {
      circuitId: this.#circuitId,
      originator: this.#originator,
      messagesInFlight: this.#sender.messagesInFlight,
      bytesInFlight: this.#sender.bytesInFlight,
      windowMessages: this.#sender.windowMessages,
      resent: this.#sender.resent,
      roundTripMs: this.#sender.roundTrip.smoothedMs,
      heldBytes: this.#heldBytes,
    };
  }

  mayStart(): boolean {
    if (this.#over || this.#refused || !this.#start()) return false;
    if (!this.#sender.mayStart()) {
      if (this.#sender.waitsForPeer) this.#armProbe();
      return false;
    }
    if (this.#host.budget.mayStart(this.#host.clock.monotonic())) return true;
    this.#host.waitsForBudget(this.#owner);
    return false;
  }

  begin(bodyBytes: number): Uint8Array {
    const { headBytes } = this.#writer;
    const frame = this.#host.pool.take(headBytes + bodyBytes);
    this.#writer.writeHead(
      frame,
      this.#host.channel.nextSequence(),
      this.#sender.nextSequence,
      bodyBytes,
      this.#host.clock.now(),
    );
    this.#begun = frame;
    return frame.subarray(headBytes);
  }

  commit(): void {
    const frame = this.#begun;
    this.#begun = noBytes;
    this.#transmit(frame, frame.length - this.#writer.headBytes);
  }

  sendFlagged(edgeFlags: number, body: Uint8Array): void {
    this.#sendSpecial({ edgeFlags, body });
  }

  settled(): boolean {
    return this.#over || this.#refused || this.#sender.messagesInFlight === 0;
  }

  held(bytes: number): void {
    this.#heldBytes = bytes;
    // The sender may be waiting for us: tell it once there is room again.
    if (this.#reportedBytes > smallReportBytes && this.#report() < this.#reportedBytes / 2) {
      this.#host.wantsFlush(this.#owner);
    }
  }

  flush(): void {
    if (this.#over) return;
    this.#start();
    const report = this.#report();
    const roomGrew = this.#reportedBytes > smallReportBytes && report < this.#reportedBytes / 2;
    if (!this.#receiver.owesAcknowledgement && !roomGrew) return;
    this.#reportedBytes = report;
    const { sequences, clock } = this.#receiver.takeAcknowledgements();
    this.#host.channel.sendEncoded(
      encodeAcknowledgement({
        frameSequence: this.#host.channel.nextSequence(),
        connId: this.#connId,
        circuitId: this.#circuitId,
        originator: this.#originator,
        receiveBufferBytes: report,
        clock,
        sequences,
      }),
    );
  }

  receive(frame: Frame): void {
    if (this.#over) return;
    switch (frame.contentType) {
      case contentType.xgPayload:
        this.#receivePayload(frame);
        return;
      case contentType.xgAcknowledgement:
        this.#receiveAcknowledgement(frame);
        return;
      case contentType.stateClosed:
        this.#owner.closedByRouter(bytesText(frame.body), readEdgeFault(frame.headers), !this.#receiver.hasGap);
        return;
      default:
    }
  }

  /**
   * Once both sides have ended we say so in order (the circuit's end), but do not close the circuit yet unless the other side
   * said the same: on a close, other implementations drop what they have acknowledged and not yet handed on.
   */
  close(how: 'done' | 'abort'): void {
    if (this.#over) return;
    if (how === 'abort' || this.#peerDone) {
      this.flush();
      if (how === 'done') this.#sendSpecial({ flags: payloadFlag.circuitEnd });
      this.#host.channel.send({ contentType: contentType.xgClose, body: textBytes(this.#circuitId) });
      this.dispose();
      return;
    }
    this.#over = true;
    this.#stopTimers();
    new LingeringCircuit({
      host: this.#host,
      connId: this.#connId,
      circuitId: this.#circuitId,
      originator: this.#originator,
      writer: this.#writer,
      sender: this.#sender,
      receiver: this.#receiver,
    });
  }

  dispose(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimers();
    this.#sender.clear();
    this.#receiver.clear();
  }

  #stopTimers(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#probeTimer?.[Symbol.dispose]();
    this.#probeTimer = undefined;
  }

  #report(): number {
    return Math.min((this.#heldBytes + this.#receiver.stashedBytes) * reportFactor, 0xffffffff);
  }

  #receivePayload(frame: Frame): void {
    const fields = readPayload(frame.headers);
    if (fields === undefined) return;
    const { body } = frame;
    const full = this.#heldBytes > heldLimitBytes;
    const acceptance = this.#receiver.accept(fields.sequence, body.length, fields.clock, full);
    if (acceptance === 'dropped') return;
    // What opens, ends or repeats is answered at once: others wait for that.
    const plain = acceptance === 'now' && (fields.flags & ~payloadFlag.originator) === 0 && fields.edgeFlags === 0;
    if (plain && this.#receiver.owesLittle) this.#host.wantsFlushSoon(this.#owner);
    else this.#host.wantsFlush(this.#owner);
    if (acceptance === 'early') {
      const { flags, edgeFlags, capabilities } = fields;
      const stashed = { body: copyBytes(body), flags, edgeFlags, capabilities };
      this.#receiver.stash(fields.sequence, stashed, body.length);
      return;
    }
    if (acceptance === 'duplicate') return;
    this.#take(body, fields.flags, fields.edgeFlags, fields.capabilities);
    for (let next = this.#receiver.next(); next !== undefined && !this.#over; next = this.#receiver.next()) {
      this.#take(next.body, next.flags, next.edgeFlags, next.capabilities);
    }
  }

  /** A payload whose turn it is. */
  #take(body: Uint8Array, flags: number, edgeFlags: number, capabilities: boolean): void {
    if ((flags & payloadFlag.circuitStart) !== 0 && !this.#started) {
      this.#started = true;
      // Only to a side that spoke of capabilities itself: older ones take this payload for data.
      if (capabilities) this.#sendSpecial({ capabilities: ownCapabilities });
      this.#owner.progressed();
    }
    if ((flags & payloadFlag.writeFailed) !== 0) {
      this.#refused = true;
      this.#sender.clear();
      this.#owner.sendingRefused();
    }
    const fin = (edgeFlags & edgeFlag.fin) !== 0;
    if (body.length > 0 || fin) this.#owner.message(body, edgeFlags);
    if ((flags & payloadFlag.circuitEnd) !== 0) this.#peerDone = true;
    // Half-close has three spellings: the edge's FIN, EOF, and for sides that do not know EOF the circuit's end.
    if ((flags & (payloadFlag.eof | payloadFlag.circuitEnd)) !== 0 && !this.#over) this.#owner.remoteEnded();
  }

  #receiveAcknowledgement(frame: Frame): void {
    const sequences = readAcknowledgedSequences(frame.body);
    if (sequences === undefined) return;
    const peerHeldBytes = frame.headers.u32(headerId.xgRecvBufferSize) ?? 0;
    const outcome = this.#sender.acknowledged(sequences, peerHeldBytes, this.#host.clock.monotonic());
    this.#host.budget.answered(outcome.answered, this.#sender.roundTrip.smoothedMs);
    for (const released of outcome.released) this.#host.pool.release(released);
    this.#sendAgain(outcome.resend);
    this.#armTimer();
    if (!this.#sender.waitsForPeer) this.#probeAfterMs = firstProbeMs;
    this.#owner.progressed();
  }

  /** True once the circuit has started; the initiator starts it, as soon as the budget lets it. */
  #start(): boolean {
    if (this.#started || this.#originator === 'terminator') return this.#started;
    if (!this.#host.budget.mayStart(this.#host.clock.monotonic())) {
      this.#host.waitsForBudget(this.#owner);
      return false;
    }
    this.#started = true;
    this.#sendSpecial({ flags: payloadFlag.circuitStart, capabilities: ownCapabilities });
    return true;
  }

  #armProbe(): void {
    if (this.#probeTimer !== undefined) return;
    this.#probeTimer = this.#host.clock.after(this.#probeAfterMs, () => {
      this.#probeTimer = undefined;
      if (!this.#sender.waitsForPeer) return;
      this.#probeAfterMs = Math.min(2 * this.#probeAfterMs, lastProbeMs);
      this.#sender.probe();
      this.#owner.progressed();
    });
  }

  #sendSpecial(payload: SpecialPayload): void {
    const { channel, clock } = this.#host;
    const frame = this.#writer.special(channel.nextSequence(), this.#sender.nextSequence, payload, clock.now());
    this.#transmit(frame, payload.body?.length ?? 0);
  }

  #transmit(frame: Uint8Array, bodyBytes: number): void {
    const nowMs = this.#host.clock.monotonic();
    this.#sender.sent(frame, bodyBytes, nowMs);
    this.#host.budget.sent(nowMs);
    this.#host.channel.sendEncoded(frame);
    this.#armTimer();
  }

  #sendAgain(frames: readonly Uint8Array[]): void {
    if (frames.length === 0) return;
    const nowMs = this.#host.clock.monotonic();
    this.#host.budget.lost(nowMs);
    for (const frame of frames) {
      markRetransmission(frame, this.#host.clock.now());
      this.#host.budget.sent(nowMs);
      this.#host.channel.sendEncoded(frame);
    }
  }

  /** One timer, armed lazily: it is moved only to an earlier time, and looks again when it fires. */
  #armTimer(): void {
    const dueMs = this.#sender.timerAtMs();
    if (dueMs === undefined || this.#over) return;
    const nowMs = this.#host.clock.monotonic();
    const atMs = Math.max(dueMs, nowMs + 2);
    if (this.#timer !== undefined) {
      if (atMs >= this.#timerAtMs) return;
      this.#timer[Symbol.dispose]();
    }
    this.#timerAtMs = atMs;
    this.#timer = this.#host.clock.after(atMs - nowMs, () => {
      this.#timer = undefined;
      // Behind our own backlog nothing can have been answered yet; and what was lost to a flood must not make another.
      const firedMs = this.#host.clock.monotonic();
      if (this.#host.channel.writable() && this.#host.budget.mayStart(firedMs)) {
        this.#sendAgain(this.#sender.timerFired(firedMs));
      }
      this.#armTimer();
    });
  }
}

/**
 * The router's own end of SDK flow control: stands in for a client that speaks plain Data towards one that speaks
 * payloads and acknowledgements (openziti/sdk-golang: xgress/xgress.go, xgress/link_send_buffer.go).
 */
import type { Clock } from '../../base/clock.ts';
import { payloadFlag } from '../../ziti/wire/xgress.ts';

/** Bytes under way at most, and bytes the far side may hold at most (openziti/sdk-golang: xgress/options.go). */
const windowBytes = 4 * 1024 * 1024;
/** Waiting bytes at which the source is held, and at which it is let go again. */
const holdBytes = 1024 * 1024;
const releaseBytes = 512 * 1024;
const retransmitCheckMs = 250;
const retransmitMinimumMs = 500;

/** A payload as the router writes it. */
export interface OutgoingPayload {
  readonly sequence: number;
  readonly flags: number;
  readonly edgeFlags: number | undefined;
  readonly uuid: Uint8Array | undefined;
  readonly body: Uint8Array;
}

/** What a payload brings to the plain side. */
export interface DeliveredPayload {
  readonly flags: number;
  readonly edgeFlags: number | undefined;
  readonly uuid: Uint8Array | undefined;
  readonly body: Uint8Array;
}

/** Where the end acts. */
export interface XgressListener {
  sendPayload(payload: OutgoingPayload): void;
  sendAcknowledgement(sequences: readonly number[], recvBufferBytes: number, rtt: number | undefined): void;
  /** In order; never after the circuit's end. */
  deliver(payload: DeliveredPayload): void;
  /** Bytes delivered that the plain client has not taken yet. */
  undeliveredBytes(): number;
  /** Stop or go on reading from the plain client. */
  holdSource(hold: boolean): void;
}

interface Unacknowledged {
  readonly payload: OutgoingPayload;
  sentAt: number;
  resent: boolean;
}

/** Keeps what it sent until that is acknowledged, and puts what comes in order. */
export class XgressEnd {
  readonly #listener: XgressListener;
  readonly #clock: Clock;
  /** Set in the flags of all we send where this end stands in for the hosting side. */
  readonly #originatorFlag: number;
  readonly #unacknowledged = new Map<number, Unacknowledged>();
  readonly #early = new Map<number, DeliveredPayload>();
  #waiting: OutgoingPayload[] = [];
  #waitingBytes = 0;
  #underWayBytes = 0;
  #farBufferBytes = 0;
  #nextSequence = 0;
  #expectedSequence = 0;
  #roundTripMs = 0;
  #lastReportedBytes = 0;
  #holding = false;
  #started: boolean;
  #closed = false;
  #timer: Disposable | undefined;

  constructor(listener: XgressListener, clock: Clock, standsInFor: 'dialer' | 'host') {
    this.#listener = listener;
    this.#clock = clock;
    this.#originatorFlag = standsInFor === 'host' ? payloadFlag.originator : 0;
    this.#started = standsInFor === 'dialer';
    if (standsInFor === 'dialer') this.#queue(payloadFlag.circuitStart, undefined, undefined, new Uint8Array(0));
  }

  /** Data of the plain client. `body` is taken over. */
  send(edgeFlags: number | undefined, uuid: Uint8Array | undefined, body: Uint8Array): void {
    this.#queue(0, edgeFlags, uuid, body);
  }

  /** The plain client has closed: say so after what it sent. */
  finish(): void {
    this.#queue(payloadFlag.writeFailed, undefined, undefined, new Uint8Array(0));
    this.#queue(payloadFlag.circuitEnd, undefined, undefined, new Uint8Array(0));
  }

  /** A payload of the far side. `body` is taken over. */
  takePayload(sequence: number, payload: DeliveredPayload, rtt: number | undefined): void {
    if (this.#closed) return;
    if (this.#listener.undeliveredBytes() > 2 * windowBytes && sequence >= this.#expectedSequence) return;
    if (sequence >= this.#expectedSequence) this.#early.set(sequence, payload);
    for (;;) {
      const next = this.#early.get(this.#expectedSequence);
      if (next === undefined) break;
      this.#early.delete(this.#expectedSequence);
      this.#expectedSequence++;
      this.#listener.deliver(next);
    }
    this.#report([sequence], rtt);
    if ((payload.flags & payloadFlag.circuitStart) !== 0 && !this.#started) {
      this.#started = true;
      this.#flush();
    }
  }

  /** An acknowledgement of the far side. */
  takeAcknowledgement(sequences: readonly number[], farBufferBytes: number, rtt: number | undefined): void {
    for (const sequence of sequences) {
      const entry = this.#unacknowledged.get(sequence);
      if (entry === undefined) continue;
      this.#unacknowledged.delete(sequence);
      this.#underWayBytes -= entry.payload.body.length;
    }
    this.#farBufferBytes = farBufferBytes;
    if (rtt !== undefined && rtt !== 0) {
      const measured = (lowClock(this.#clock) - rtt) & 0xffff;
      this.#roundTripMs = this.#roundTripMs === 0 ? measured : (this.#roundTripMs * 7 + measured) / 8;
    }
    this.#flush();
  }

  /** The plain client took some of what was delivered: tell the far side once it is worth it. */
  deliveredShrunk(): void {
    if (this.#lastReportedBytes > 10_000 && this.#listener.undeliveredBytes() < this.#lastReportedBytes / 2) {
      this.#report([], undefined);
    }
  }

  /** Let go of everything. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#waiting = [];
    this.#unacknowledged.clear();
    this.#early.clear();
    if (this.#holding) this.#listener.holdSource(false);
    this.#holding = false;
  }

  #report(sequences: readonly number[], rtt: number | undefined): void {
    this.#lastReportedBytes = this.#listener.undeliveredBytes();
    this.#listener.sendAcknowledgement(sequences, this.#lastReportedBytes, rtt);
  }

  #queue(flags: number, edgeFlags: number | undefined, uuid: Uint8Array | undefined, body: Uint8Array): void {
    if (this.#closed) return;
    const sequence = this.#nextSequence++;
    this.#waiting.push({ sequence, flags: flags | this.#originatorFlag, edgeFlags, uuid, body });
    this.#waitingBytes += body.length;
    this.#flush();
    if (!this.#holding && this.#waitingBytes > holdBytes) {
      this.#holding = true;
      this.#listener.holdSource(true);
    }
  }

  #flush(): void {
    let sent = 0;
    for (const payload of this.#waiting) {
      if (!this.#started || !this.#maySend()) break;
      sent++;
      this.#waitingBytes -= payload.body.length;
      this.#underWayBytes += payload.body.length;
      this.#unacknowledged.set(payload.sequence, { payload, sentAt: this.#clock.monotonic(), resent: false });
      this.#listener.sendPayload(payload);
    }
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
    if (this.#unacknowledged.size > 0) this.#timer ??= this.#clock.every(retransmitCheckMs, () => this.#retransmit());
    if (this.#holding && this.#waitingBytes < releaseBytes) {
      this.#holding = false;
      this.#listener.holdSource(false);
    }
  }

  #maySend(): boolean {
    // With nothing under way one payload may always go, so that a stale report cannot stall the circuit.
    if (this.#underWayBytes === 0) return true;
    return this.#underWayBytes < windowBytes && this.#farBufferBytes <= windowBytes;
  }

  #retransmit(): void {
    if (this.#unacknowledged.size === 0) {
      this.#timer?.[Symbol.dispose]();
      this.#timer = undefined;
      return;
    }
    const now = this.#clock.monotonic();
    const patienceMs = Math.max(retransmitMinimumMs, this.#roundTripMs * 2);
    for (const entry of this.#unacknowledged.values()) {
      // A payload seen once and again late is not lost but slow: wait four times as long from the second time on.
      if (now - entry.sentAt < (entry.resent ? patienceMs * 4 : patienceMs)) continue;
      entry.sentAt = now;
      entry.resent = true;
      this.#listener.sendPayload({ ...entry.payload, flags: entry.payload.flags | payloadFlag.retransmit });
    }
  }
}

/** The low 16 bits of the millisecond clock, as payloads carry them. */
export function lowClock(clock: Clock): number {
  return clock.now() & 0xffff;
}

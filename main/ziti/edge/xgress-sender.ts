/**
 * The sending half of SDK-side flow control: what is in flight, what is lost, how much more may go.
 *
 * Pure state: takes events with their time, answers what to send again and when to be asked next.
 *
 * Routers do not wait for a slow reader: a payload (or an acknowledgement) that finds the queue to its channel full is
 * dropped (openziti/ziti: router/xgress_edge/listener.go, xgEdgeForwarder; the queue holds 64 messages, openziti/sdk-golang:
 * ziti/edge/channel.go). So the window is counted in messages, opens by what is acknowledged and closes on loss; and a
 * message counts as lost once later ones are acknowledged and a round trip has passed (in the manner of RFC 8985), so
 * that hardly anything waits for the time-out and nothing is sent again without cause.
 */
import { RoundTrip } from './round-trip.ts';

/** Bytes that may be in flight, and that a peer may hold unread before we wait (openziti/sdk-golang: xgress/options.go, TxPortalMaxSize, RxBufferSize). */
export const windowBytes = 4 * 1024 * 1024;

/** Messages in flight: below a router's queue of 64, with room for what else uses the channel. */
const maxWindowMessages = 48;
const initialWindowMessages = 24;
const minWindowMessages = 4;

/**
 * A message passed by later ones may only be late: peers hold several connections to a router, and messages change places
 * between them. So it is given at least this long beyond a round trip, and longer once that has proved too short.
 */
const minReorderMs = 25;
const maxReorderFactor = 8;

/** Growth stops where queues on the way delay messages by more than this. */
const tolerableQueueMs = 30;

/** One message in flight. The sender keeps `frame` until it is acknowledged. */
interface Flight {
  readonly sequence: number;
  readonly frame: Uint8Array;
  readonly bodyBytes: number;
  /** Position in the order of transmissions; changes when sent again. */
  order: number;
  sentAtMs: number;
  sentAgain: boolean;
}

/** What an acknowledgement changed. */
export interface AckOutcome {
  /** Messages that were in flight until now. */
  readonly answered: number;
  /** Frames that are done with; those never sent twice may be used again. */
  readonly released: readonly Uint8Array[];
  /** Frames to send again now. */
  readonly resend: readonly Uint8Array[];
}

const empty = new Map<number, never>();

/** Of one circuit; every time it takes or gives is monotonic milliseconds. */
export class XgressSender {
  readonly roundTrip = new RoundTrip();
  /** One of its own only while something is in flight. */
  #flights: Map<number, Flight> = empty;
  /** Transmissions in order; entries whose flight is gone or was sent again since are skipped. */
  #order: { readonly flight: Flight; readonly order: number }[] = [];
  #orderHead = 0;
  #nextOrder = 0;
  #highestAckedOrder = -1;
  #nextSequence = 0;
  #bytesInFlight = 0;
  #peerHeldBytes = 0;
  #windowMessages = initialWindowMessages;
  /** Losses among messages sent before this do not close the window again. */
  #recoveryOrder = 0;
  #windowBeforeLoss = 0;
  #reorderFactor = 1;
  #probing = false;
  #timerAtMs: number | undefined;
  #resent = 0;

  get nextSequence(): number {
    return this.#nextSequence;
  }

  get messagesInFlight(): number {
    return this.#flights.size;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Bytes the peer last said it holds unread. */
  get peerHeldBytes(): number {
    return this.#peerHeldBytes;
  }

  /** Messages sent more than once so far, counted by transmission. */
  get resent(): number {
    return this.#resent;
  }

  get windowMessages(): number {
    return Math.floor(this.#windowMessages);
  }

  /** May another message go now? */
  mayStart(): boolean {
    if (this.#flights.size === 0) return this.#peerHeldBytes < windowBytes || this.#probing;
    // What is in flight must still find room at a peer that drops what goes above the window.
    return this.#flights.size < this.#windowMessages && this.#bytesInFlight + this.#peerHeldBytes < windowBytes;
  }

  /** Nothing is in flight, and only the peer's unread bytes keep us from sending: it will say when there is room. */
  get waitsForPeer(): boolean {
    return this.#flights.size === 0 && this.#peerHeldBytes >= windowBytes;
  }

  /** Let one message go all the same: that the peer has room may have been said and lost. */
  probe(): void {
    this.#probing = true;
  }

  /** Take the next payload sequence for `frame`, which goes out now. */
  sent(frame: Uint8Array, bodyBytes: number, nowMs: number): void {
    const sequence = this.#nextSequence++;
    this.#probing = false;
    const flight: Flight = { sequence, frame, bodyBytes, order: 0, sentAtMs: nowMs, sentAgain: false };
    if (this.#flights.size === 0) this.#flights = new Map();
    this.#flights.set(sequence, flight);
    this.#bytesInFlight += bodyBytes;
    this.#transmit(flight, nowMs);
    this.#timerAtMs ??= nowMs + this.roundTrip.timeoutMs();
  }

  /** An acknowledgement came. */
  acknowledged(sequences: readonly number[], peerHeldBytes: number, nowMs: number): AckOutcome {
    this.#peerHeldBytes = peerHeldBytes;
    const released: Uint8Array[] = [];
    let answered = 0;
    let sampleMs: number | undefined;
    for (const sequence of sequences) {
      const flight = this.#flights.get(sequence);
      if (flight === undefined) continue;
      this.#flights.delete(sequence);
      answered += 1;
      this.#bytesInFlight -= flight.bodyBytes;
      if (flight.order > this.#highestAckedOrder) this.#highestAckedOrder = flight.order;
      if (flight.sentAgain) {
        this.#judgeResend(nowMs - flight.sentAtMs);
      } else {
        sampleMs = nowMs - flight.sentAtMs;
        released.push(flight.frame);
      }
    }
    if (this.#flights.size === 0) this.#flights = empty;
    if (sampleMs !== undefined) this.roundTrip.sample(sampleMs);
    if (released.length > 0) this.#grow(released.length, sampleMs ?? 0);
    const resend = this.#takeLost(nowMs);
    this.#setTimer(nowMs);
    return { answered, released, resend };
  }

  /** When to call `timerFired`, undefined while nothing waits. */
  timerAtMs(): number | undefined {
    return this.#timerAtMs;
  }

  /** The time of `timerAtMs` has come: frames to send again now. */
  timerFired(nowMs: number): readonly Uint8Array[] {
    if (this.#timerAtMs === undefined || nowMs < this.#timerAtMs) return [];
    const resend = this.#takeLost(nowMs);
    if (resend.length === 0) {
      const oldest = this.#oldest();
      if (oldest !== undefined && nowMs - oldest.sentAtMs >= this.roundTrip.timeoutMs()) {
        this.roundTrip.timedOut();
        this.#windowBeforeLoss = this.#windowMessages;
        this.#windowMessages = minWindowMessages;
        this.#recoveryOrder = this.#nextOrder;
        resend.push(this.#sendAgain(oldest, nowMs));
      }
    }
    this.#setTimer(nowMs);
    return resend;
  }

  /** The stream is over: forget everything. */
  clear(): void {
    this.#flights = empty;
    this.#order = [];
    this.#orderHead = 0;
    this.#bytesInFlight = 0;
    this.#timerAtMs = undefined;
  }

  #transmit(flight: Flight, nowMs: number): void {
    flight.order = this.#nextOrder++;
    flight.sentAtMs = nowMs;
    this.#order.push({ flight, order: flight.order });
  }

  #sendAgain(flight: Flight, nowMs: number): Uint8Array {
    flight.sentAgain = true;
    this.#resent += 1;
    this.#transmit(flight, nowMs);
    return flight.frame;
  }

  /** Oldest transmission still unanswered. */
  #oldest(): Flight | undefined {
    const order = this.#order;
    for (; this.#orderHead < order.length; this.#orderHead++) {
      const entry = order[this.#orderHead];
      if (entry === undefined) break;
      if (entry.flight.order === entry.order && this.#flights.has(entry.flight.sequence)) return entry.flight;
    }
    this.#order = [];
    this.#orderHead = 0;
    return undefined;
  }

  /** Age at which a message passed by later acknowledgements is taken for lost. */
  #lossAgeMs(): number {
    const smoothedMs = this.roundTrip.smoothedMs ?? this.roundTrip.timeoutMs();
    return smoothedMs + this.#reorderFactor * Math.max(minReorderMs, smoothedMs / 2, 2 * this.roundTrip.variationMs);
  }

  /** An acknowledgement that comes too soon after sending again is one for the first time: nothing had been lost. */
  #judgeResend(elapsedMs: number): void {
    const smoothedMs = this.roundTrip.smoothedMs ?? 0;
    if (elapsedMs < Math.max(this.roundTrip.leastMs, smoothedMs / 2)) {
      this.#reorderFactor = Math.min(maxReorderFactor, this.#reorderFactor * 1.5);
      this.#windowMessages = Math.max(this.#windowMessages, this.#windowBeforeLoss);
    } else {
      this.#reorderFactor = Math.max(1, this.#reorderFactor * 0.9);
    }
  }

  #takeLost(nowMs: number): Uint8Array[] {
    const resend: Uint8Array[] = [];
    const lossAgeMs = this.#lossAgeMs();
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      if (oldest.order > this.#highestAckedOrder || nowMs - oldest.sentAtMs < lossAgeMs) break;
      if (oldest.order >= this.#recoveryOrder) {
        this.#windowBeforeLoss = this.#windowMessages;
        this.#windowMessages = Math.max(minWindowMessages, this.#windowMessages * 0.7);
        this.#recoveryOrder = this.#nextOrder;
      }
      resend.push(this.#sendAgain(oldest, nowMs));
    }
    this.#compact();
    return resend;
  }

  #grow(messages: number, sampleMs: number): void {
    if (this.#flights.size + messages < this.#windowMessages / 2) return;
    const queueMs = sampleMs - this.roundTrip.leastMs;
    if (queueMs > 3 * tolerableQueueMs && this.#windowMessages > initialWindowMessages / 2) {
      this.#windowMessages -= messages / this.#windowMessages;
    } else if (queueMs < tolerableQueueMs) {
      // Doubles each round trip until the first loss, then one message more each.
      const step = this.#recoveryOrder === 0 ? messages : messages / this.#windowMessages;
      this.#windowMessages = Math.min(maxWindowMessages, this.#windowMessages + step);
    }
  }

  #setTimer(nowMs: number): void {
    const oldest = this.#oldest();
    if (oldest === undefined) {
      this.#timerAtMs = undefined;
      return;
    }
    const waitMs = oldest.order <= this.#highestAckedOrder ? this.#lossAgeMs() : this.roundTrip.timeoutMs();
    this.#timerAtMs = Math.max(nowMs + 1, oldest.sentAtMs + waitMs);
  }

  #compact(): void {
    if (this.#orderHead > 256) {
      this.#order = this.#order.slice(this.#orderHead);
      this.#orderHead = 0;
    }
  }
}

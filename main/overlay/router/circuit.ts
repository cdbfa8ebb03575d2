/**
 * One circuit: a dialling and a hosting side, each speaking either plain Data or SDK flow control (xgress), joined here.
 *
 * Plain ↔ plain and xgress ↔ xgress are relayed; between the two kinds an {@link XgressEnd} stands in for the plain
 * side. Data waits in bounded queues: beyond them a plain source's channel is not read on (as a real router does), and an
 * xgress source is told to slow down.
 */
import type { Clock } from '../../base/clock.ts';
import { contentType } from '../../ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../ziti/wire/frame.ts';
import { HeaderList } from '../../ziti/wire/header-block.ts';
import { headerId } from '../../ziti/wire/header-id.ts';
import { copyBytes, readU32 } from '../../ziti/wire/little-endian.ts';
import { payloadFlag, readAcknowledgedSequences } from '../../ziti/wire/xgress.ts';
import { headers, type RouterChannel } from './channel.ts';
import type { Outbox } from './outbox.ts';
import { lowClock, XgressEnd, type DeliveredPayload, type OutgoingPayload } from './xgress.ts';

/** Bytes queued towards a slow plain client at which its plain peer's channel is held, and let go. */
const holdBytes = 4 * 1024 * 1024;
const releaseBytes = 2 * 1024 * 1024;
/** Relayed payloads beyond this are dropped; their sender sends them again. */
const relayLimitBytes = 16 * 1024 * 1024;
/** A side that keeps a circuit after the other has left is told so after this. */
const lingerMs = 5000;

/** Which side of a circuit a client is. */
export type CircuitRole = 'dialer' | 'host';

/** One side of a circuit on its channel. */
export interface CircuitSide {
  readonly role: CircuitRole;
  readonly channel: RouterChannel;
  readonly connId: number;
  readonly usesXgress: boolean;
  /** Forget this connection id. */
  unregister(): void;
}

interface Side extends CircuitSide {
  readonly outbox: Outbox;
  isOpen: boolean;
}

/** The two sides a circuit joins, and who hears of its end. */
export interface CircuitOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly dialer: CircuitSide;
  readonly host: CircuitSide;
  onClosed(): void;
}

/** Its end is told once, by `onClosed`; what comes for it after that is dropped. */
export class Circuit {
  readonly id: string;
  readonly #clock: Clock;
  readonly #dialer: Side;
  readonly #host: Side;
  readonly #onClosed: () => void;
  /** Between a plain and an xgress side. */
  readonly #end: XgressEnd | undefined;
  #sawEof = false;
  #sawWriteFailed = false;
  #linger: Disposable | undefined;
  #isFinished = false;
  #bytes = 0;

  constructor(options: CircuitOptions) {
    this.id = options.id;
    this.#clock = options.clock;
    this.#onClosed = () => options.onClosed();
    this.#dialer = openSide(options.dialer);
    this.#host = openSide(options.host);
    if (this.#dialer.usesXgress !== this.#host.usesXgress) {
      const [plain, xgress] = this.#dialer.usesXgress ? [this.#host, this.#dialer] : [this.#dialer, this.#host];
      this.#end = this.#standIn(plain, xgress);
    }
  }

  /** Payload bytes carried so far, both ways. */
  get bytes(): number {
    return this.#bytes;
  }

  get isClosed(): boolean {
    return !this.#dialer.isOpen && !this.#host.isOpen;
  }

  /** The connection id of this side, where it lives on `channel` and is open. */
  connIdOn(channel: RouterChannel, role: CircuitRole): number | undefined {
    const [side] = this.#sides(role);
    return side.isOpen && side.channel === channel ? side.connId : undefined;
  }

  /** A Data message of a plain side. */
  takeData(role: CircuitRole, frame: Frame): void {
    const [source, target] = this.#sides(role);
    if (source.usesXgress || !source.isOpen) return;
    this.#bytes += frame.body.length;
    const flags = frame.headers.u32(headerId.flags);
    const uuid = frame.headers.bytes(headerId.uuid);
    if (this.#end !== undefined) {
      this.#end.send(flags, uuid === undefined ? undefined : copyBytes(uuid), copyBytes(frame.body));
      return;
    }
    if (!target.isOpen) return;
    target.outbox.send(dataFrame(target, flags, uuid, frame.body));
    if (target.outbox.queuedBytes > holdBytes) {
      source.channel.hold(target);
      target.outbox.onShrunk = () => {
        if (target.outbox.queuedBytes < releaseBytes) source.channel.release(target);
      };
    }
  }

  /** A payload, acknowledgement or control message of an xgress side. */
  takeXgress(role: CircuitRole, frame: Frame): void {
    const [source, target] = this.#sides(role);
    if (!source.usesXgress || !source.isOpen) return;
    if (frame.contentType === contentType.xgPayload) this.#bytes += frame.body.length;
    if (this.#end === undefined) {
      if (target.isOpen && target.outbox.queuedBytes < relayLimitBytes) target.outbox.send(relayedFrame(target, frame));
      return;
    }
    if (frame.contentType === contentType.xgPayload) this.#takePayload(this.#end, frame);
    if (frame.contentType === contentType.xgAcknowledgement) this.#takeAcknowledgement(this.#end, frame);
  }

  /** A side has closed in an orderly way: what it sent is delivered first, then the other side hears of it. */
  takeClose(role: CircuitRole): void {
    const [source, target] = this.#sides(role);
    if (!source.isOpen) return;
    this.#closeSide(source);
    if (!target.isOpen) {
      this.#finished();
      return;
    }
    if (target.usesXgress && !source.usesXgress) {
      this.#end?.finish();
      this.#linger ??= this.#clock.after(lingerMs, () => this.#tell(target, 'xgress unrouted'));
      return;
    }
    target.outbox.afterwards(() => this.#tell(target, closedText(target)));
  }

  /** A side's channel is gone: the other side hears of it at once. */
  takeChannelLoss(role: CircuitRole): void {
    const [source, target] = this.#sides(role);
    this.#closeSide(source);
    this.#tell(target, closedText(target));
  }

  /** End the circuit now because this side's access is over: it is told why, the other that it closed. */
  revoke(role: CircuitRole, reason: string, extra?: (list: HeaderList) => HeaderList): void {
    const [side, other] = this.#sides(role);
    this.#tell(side, reason, extra);
    this.#tell(other, closedText(other));
  }

  #sides(role: CircuitRole): readonly [Side, Side] {
    return role === 'dialer' ? [this.#dialer, this.#host] : [this.#host, this.#dialer];
  }

  #closeSide(side: Side): void {
    if (!side.isOpen) return;
    side.isOpen = false;
    side.outbox.discard();
    const [, other] = this.#sides(side.role);
    other.channel.release(side);
    side.channel.release(other);
    side.unregister();
  }

  /** StateClosed to a side that is still there, ahead of anything queued. */
  #tell(side: Side, reason: string, extra?: (list: HeaderList) => HeaderList): void {
    if (side.isOpen) {
      this.#closeSide(side);
      const list = headers().u32(headerId.connId, side.connId).string(headerId.circuitId, this.id);
      side.channel.send(contentType.stateClosed, extra === undefined ? list : extra(list), Buffer.from(reason));
    }
    if (this.isClosed) this.#finished();
  }

  #finished(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#linger?.[Symbol.dispose]();
    this.#linger = undefined;
    this.#end?.close();
    this.#onClosed();
  }

  #standIn(plain: Side, xgress: Side): XgressEnd {
    const originator = plain.role === 'host' ? payloadFlag.originator : 0;
    return new XgressEnd(
      {
        sendPayload: (payload) => xgress.outbox.send(payloadFrame(this.id, xgress, payload, this.#clock)),
        sendAcknowledgement: (sequences, recvBufferBytes, rtt) => {
          const list = headers()
            .u32(headerId.connId, xgress.connId)
            .string(headerId.xgCircuitId, this.id)
            .u32(headerId.xgFlags, originator)
            .u32(headerId.xgRecvBufferSize, recvBufferBytes)
            .u16(headerId.xgRtt, rtt ?? 0);
          if (xgress.isOpen) xgress.channel.send(contentType.xgAcknowledgement, list, bigEndian(sequences));
        },
        deliver: (payload) => this.#deliver(plain, payload),
        undeliveredBytes: () => plain.outbox.queuedBytes,
        holdSource: (hold) => (hold ? plain.channel.hold(xgress) : plain.channel.release(xgress)),
      },
      this.#clock,
      plain.role,
    );
  }

  #takePayload(end: XgressEnd, frame: Frame): void {
    const sequence = frame.headers.u64(headerId.xgSequence);
    if (sequence === undefined) return;
    const flags = frame.headers.u32(headerId.xgFlags) ?? 0;
    const edgeFlags = frame.headers.u32(headerId.payloadEdgeFlags);
    // Payload header 0, the trace id, travels as 2000.
    const uuid = frame.headers.bytes(headerId.payloadCapabilities - 1);
    if ((flags & payloadFlag.writeFailed) !== 0) this.#sawWriteFailed = true;
    end.takePayload(
      sequence,
      { flags, edgeFlags, uuid: uuid === undefined ? undefined : copyBytes(uuid), body: copyBytes(frame.body) },
      frame.headers.u16(headerId.xgRtt),
    );
    if (this.#sawEof && this.#sawWriteFailed) this.#xgressLeft();
  }

  #takeAcknowledgement(end: XgressEnd, frame: Frame): void {
    end.takeAcknowledgement(
      readAcknowledgedSequences(frame.body) ?? [],
      frame.headers.u32(headerId.xgRecvBufferSize) ?? 0,
      frame.headers.u16(headerId.xgRtt),
    );
  }

  /** In order, from the xgress side to the plain one. End-of-file by flag alone does not cross, as with real routers. */
  #deliver(plain: Side, payload: DeliveredPayload): void {
    if ((payload.flags & payloadFlag.eof) !== 0) this.#sawEof = true;
    if ((payload.flags & payloadFlag.circuitEnd) !== 0) {
      this.#xgressLeft();
      return;
    }
    const saysNothing = payload.body.length === 0 && payload.edgeFlags === undefined;
    if (!plain.isOpen || saysNothing) return;
    plain.outbox.send(dataFrame(plain, payload.edgeFlags, payload.uuid, payload.body));
    plain.outbox.onShrunk = () => this.#end?.deliveredShrunk();
  }

  /** The xgress side will neither send nor take more: the plain side hears of it after its data. */
  #xgressLeft(): void {
    const plain = this.#dialer.usesXgress ? this.#host : this.#dialer;
    const xgress = this.#dialer.usesXgress ? this.#dialer : this.#host;
    if (!plain.isOpen) return;
    plain.outbox.afterwards(() => this.#tell(plain, 'close called'));
    this.#end?.finish();
    this.#linger ??= this.#clock.after(lingerMs, () => this.#tell(xgress, 'xgress unrouted'));
  }
}

/** What a side is told when it was the other one that went. */
function closedText(side: Side): string {
  return side.usesXgress ? 'xgress unrouted' : 'close called';
}

function openSide(side: CircuitSide): Side {
  return {
    role: side.role,
    channel: side.channel,
    connId: side.connId,
    usesXgress: side.usesXgress,
    unregister: () => side.unregister(),
    outbox: side.channel.newOutbox(),
    isOpen: true,
  };
}

function dataFrame(side: Side, flags: number | undefined, uuid: Uint8Array | undefined, body: Uint8Array): Uint8Array {
  const list = headers().u32(headerId.connId, side.connId);
  if (flags !== undefined) list.u32(headerId.flags, flags);
  if (uuid !== undefined) list.bytes(headerId.uuid, uuid);
  return encodeFrame({ contentType: contentType.data, sequence: side.channel.nextSequence(), headers: list, body });
}

function payloadFrame(circuitId: string, side: Side, payload: OutgoingPayload, clock: Clock): Uint8Array {
  const list = headers()
    .u32(headerId.connId, side.connId)
    .string(headerId.xgCircuitId, circuitId)
    .u64(headerId.xgSequence, payload.sequence)
    .u16(headerId.xgRtt, lowClock(clock));
  if (payload.flags !== 0) list.u32(headerId.xgFlags, payload.flags);
  if (payload.edgeFlags !== undefined) list.u32(headerId.payloadEdgeFlags, payload.edgeFlags);
  if (payload.uuid !== undefined) list.bytes(headerId.payloadCapabilities - 1, payload.uuid);
  const sequence = side.channel.nextSequence();
  return encodeFrame({ contentType: contentType.xgPayload, sequence, headers: list, body: payload.body });
}

/** The same message for the other side: only the connection id differs. */
function relayedFrame(side: Side, frame: Frame): Uint8Array {
  const list = new HeaderList().u32(headerId.connId, side.connId);
  for (const [id, value] of frame.headers.entries()) {
    if (id !== headerId.connId && id !== headerId.replyFor) list.bytes(id, value);
  }
  const sequence = side.channel.nextSequence();
  return encodeFrame({ contentType: frame.contentType, sequence, headers: list, body: frame.body });
}

function bigEndian(sequences: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(sequences.length * 4);
  sequences.forEach((sequence, i) => bytes.writeInt32BE(sequence, i * 4));
  return bytes;
}

/** Which side of a circuit sent an xgress message, by its originator flag. */
export function senderRole(frame: Frame): CircuitRole {
  const raw = frame.headers.bytes(headerId.xgFlags);
  const flags = raw?.length === 4 ? readU32(raw, 0) : 0;
  return (flags & payloadFlag.originator) !== 0 ? 'host' : 'dialer';
}

/**
 * Payloads and acknowledgements of SDK-side flow control (openziti/sdk-golang: xgress/messages.go, ziti/edge/network/xg_adapter.go).
 *
 * Payload frames are written once per message on the data path, hence the fixed layout: a head copied from a template and
 * patched, with flags and clock at known places so that a retransmission changes them without encoding anew.
 */
import { contentType } from './content-type.ts';
import { encodeFrame, frameHeadBytes, writeFrameHead } from './frame.ts';
import { HeaderList, type HeaderBlock } from './header-block.ts';
import { headerId } from './header-id.ts';
import { noBytes, readI32, readU16, readU32, textBytes, writeU32 } from './little-endian.ts';

/** Bits of header 2258. */
export const payloadFlag = {
  circuitEnd: 1,
  /** Set on everything the terminating side sends. */
  originator: 2,
  circuitStart: 4,
  chunk: 8,
  retransmit: 16,
  eof: 32,
  writeFailed: 64,
} as const;

/** Value of header 2001: we know the EOF flag (bit 8), 4 bytes big-endian (openziti/sdk-golang: xgress/xgress.go, CapabilityEOFMask). */
export const ownCapabilities = Uint8Array.of(0, 0, 1, 0);

/** The side of a circuit: the dialler is the initiator, the host the terminator. */
export type Originator = 'initiator' | 'terminator';

const sequenceAt = frameHeadBytes + 12 + 8;
const flagsAt = sequenceAt + 8 + 8;
const clockAt = flagsAt + 4 + 8;
const circuitAt = clockAt + 2;

/** Writes the payload frames of one circuit. */
export class PayloadWriter {
  /** Bytes before the body of a plain payload. */
  readonly headBytes: number;
  readonly #template: Uint8Array;
  readonly #originatorFlag: number;

  constructor(connId: number, circuitId: string, originator: Originator) {
    const circuit = textBytes(circuitId);
    this.#originatorFlag = originator === 'terminator' ? payloadFlag.originator : 0;
    this.headBytes = circuitAt + 8 + circuit.length;
    const head = new Uint8Array(this.headBytes);
    let at = writeFrameHead(head, 0, contentType.xgPayload, 0, this.headBytes - frameHeadBytes, 0);
    at = writeHeaderStart(head, at, headerId.connId, 4);
    at = writeU32(head, at, connId);
    at = writeHeaderStart(head, at, headerId.xgSequence, 8) + 8;
    at = writeHeaderStart(head, at, headerId.xgFlags, 4);
    at = writeU32(head, at, this.#originatorFlag);
    at = writeHeaderStart(head, at, headerId.xgRtt, 2) + 2;
    at = writeHeaderStart(head, at, headerId.xgCircuitId, circuit.length);
    head.set(circuit, at);
    this.#template = head;
  }

  /** Write the head of a plain payload at the start of `frame`; the body of `bodyBytes` goes right after it. */
  writeHead(frame: Uint8Array, frameSequence: number, payloadSequence: number, bodyBytes: number, nowMs: number): void {
    frame.set(this.#template);
    writeU32(frame, 8, frameSequence);
    writeU32(frame, 16, bodyBytes);
    writeU32(frame, sequenceAt, payloadSequence);
    writeClock(frame, nowMs);
  }

  /** A whole payload frame with flags or headers of its own, in a new buffer. */
  special(frameSequence: number, payloadSequence: number, parts: SpecialPayload, nowMs: number): Uint8Array {
    const body = parts.body ?? noBytes;
    const extra = new HeaderList();
    if (parts.edgeFlags !== undefined) extra.u32(headerId.payloadEdgeFlags, parts.edgeFlags);
    if (parts.capabilities !== undefined) extra.bytes(headerId.payloadCapabilities, parts.capabilities);
    const headBytes = this.headBytes + extra.encodedLengthBytes;
    const frame = new Uint8Array(headBytes + body.length);
    this.writeHead(frame, frameSequence, payloadSequence, body.length, nowMs);
    writeU32(frame, 12, headBytes - frameHeadBytes);
    writeU32(frame, flagsAt, this.#originatorFlag | (parts.flags ?? 0));
    extra.write(frame, this.headBytes);
    frame.set(body, headBytes);
    return frame;
  }
}

/** A payload that carries more than data. */
export interface SpecialPayload {
  /** Bits of payloadFlag; the originator's is added. */
  readonly flags?: number;
  /** Edge flags to travel with the payload (header 2016). */
  readonly edgeFlags?: number;
  readonly capabilities?: Uint8Array;
  readonly body?: Uint8Array;
}

/** Turn a payload frame sent before into its retransmission, in place. */
export function markRetransmission(frame: Uint8Array, nowMs: number): void {
  writeU32(frame, flagsAt, readU32(frame, flagsAt) | payloadFlag.retransmit);
  writeClock(frame, nowMs);
}

/** Fields of a received payload. */
export interface PayloadFields {
  sequence: number;
  flags: number;
  edgeFlags: number;
  /** The payload carries a capabilities header. */
  capabilities: boolean;
  /** The sender's clock, to be echoed in the acknowledgement; 0 where there is none. */
  clock: number;
}

/** The one that `readPayload` fills: a connection reads thousands a second, and none of them twice. */
const fields: PayloadFields = { sequence: 0, flags: 0, edgeFlags: 0, capabilities: false, clock: 0 };

/** A payload's headers, read in one pass; undefined where there is no sequence, so no payload. Valid until the next call. */
export function readPayload(headers: HeaderBlock): Readonly<PayloadFields> | undefined {
  const encoded = headers.encoded;
  fields.sequence = -1;
  fields.flags = 0;
  fields.edgeFlags = 0;
  fields.capabilities = false;
  fields.clock = 0;
  for (let at = 0; at < encoded.length;) {
    const id = readI32(encoded, at);
    const length = readU32(encoded, at + 4);
    const value = at + 8;
    if (id === headerId.xgSequence && length === 8) fields.sequence = readI32(encoded, value);
    else if (id === headerId.xgFlags && length === 4) fields.flags = readU32(encoded, value);
    else if (id === headerId.payloadEdgeFlags && length === 4) fields.edgeFlags = readU32(encoded, value);
    else if (id === headerId.payloadCapabilities) fields.capabilities = true;
    else if (id === headerId.xgRtt && length === 2) fields.clock = readU16(encoded, value);
    at = value + length;
  }
  return fields.sequence < 0 ? undefined : fields;
}

/** What one acknowledgement tells; each sequence in 32 bits, big-endian. */
export interface Acknowledgement {
  readonly frameSequence: number;
  readonly connId: number;
  readonly circuitId: string;
  /** The acknowledging side. */
  readonly originator: Originator;
  /** Bytes held for the reader; the sender waits while this is above its window. */
  readonly receiveBufferBytes: number;
  /** Clock of the latest payload acknowledged here, 0 for none. */
  readonly clock: number;
  /** Empty: only tells of the receive buffer. */
  readonly sequences: readonly number[];
}

/** The whole frame, in a buffer of its own. */
export function encodeAcknowledgement(ack: Acknowledgement): Uint8Array {
  const body = new Uint8Array(ack.sequences.length * 4);
  let at = 0;
  for (const sequence of ack.sequences) {
    body[at++] = sequence >>> 24;
    body[at++] = sequence >>> 16;
    body[at++] = sequence >>> 8;
    body[at++] = sequence;
  }
  const headers = new HeaderList()
    .u32(headerId.connId, ack.connId)
    .string(headerId.xgCircuitId, ack.circuitId)
    .u32(headerId.xgFlags, ack.originator === 'terminator' ? payloadFlag.originator : 0)
    .u32(headerId.xgRecvBufferSize, ack.receiveBufferBytes)
    .u16(headerId.xgRtt, ack.clock);
  return encodeFrame({ contentType: contentType.xgAcknowledgement, sequence: ack.frameSequence, headers, body });
}

/** Payload sequences of an acknowledgement's body (big-endian); undefined where its length fits none. */
export function readAcknowledgedSequences(body: Uint8Array): number[] | undefined {
  if (body.length % 4 !== 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const sequences: number[] = [];
  for (let at = 0; at < body.length; at += 4) sequences.push(view.getInt32(at));
  return sequences;
}

function writeHeaderStart(target: Uint8Array, at: number, id: number, lengthBytes: number): number {
  return writeU32(target, writeU32(target, at, id), lengthBytes);
}

function writeClock(frame: Uint8Array, nowMs: number): void {
  const clock = Math.floor(nowMs) % 0x10000;
  frame[clockAt] = clock;
  frame[clockAt + 1] = clock >>> 8;
}

/**
 * Frames of a websocket, read into whole messages and written anew, without extensions. Pure.
 * Source: RFC 6455 sections 5.2 to 5.5.
 */
import { HeldBytes, joinBytes } from '../bytes.ts';

/** A message, or a control frame. */
export interface SocketMessage {
  readonly kind: keyof typeof opcodes;
  /** Unmasked, its reader's own copy. */
  readonly payload: Uint8Array;
  /** Four bytes that masked it (its first frame); undefined where nothing did. */
  readonly mask: Uint8Array | undefined;
}

const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const kinds = new Map(Object.entries(opcodes).map(([kind, code]) => [code as number, kind as keyof typeof opcodes]));
const [continuation, firstControl, maxControlBytes] = [0, 8, 125];

interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly mask: Uint8Array | undefined;
  left: number;
  /** Payload read so far, for the mask goes on where it was. */
  at: number;
  readonly into: HeldBytes;
}

/** Reads one direction. */
export class FrameReader {
  readonly #masked: boolean;
  readonly #limitBytes: number;
  readonly #head: number[] = [];
  #frame: Frame | undefined;
  /** The message whose frames come. */
  #message:
    { readonly kind: 'text' | 'binary'; readonly mask: Uint8Array | undefined; readonly into: HeldBytes } | undefined;
  #fault: string | undefined;

  /** `masked`: a client's frames are, a server's are not. */
  constructor(masked: boolean, limitBytes: number) {
    this.#masked = masked;
    this.#limitBytes = limitBytes;
  }

  /** Why nothing is read any more. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Bytes of a message that is not complete. */
  get heldBytes(): number {
    return (this.#message?.into.length ?? 0) + (this.#frame?.at ?? 0);
  }

  /** Every message these bytes complete. */
  push(bytes: Uint8Array): readonly SocketMessage[] {
    const messages: SocketMessage[] = [];
    for (let at = 0; at < bytes.length && this.#fault === undefined;) {
      const frame = this.#frame;
      if (frame === undefined) {
        this.#head.push(bytes[at] ?? 0);
        at += 1;
        this.#begin();
      } else {
        const taken = Math.min(frame.left, bytes.length - at);
        this.#take(frame, bytes.subarray(at, at + taken));
        at += taken;
      }
      if (this.#frame?.left === 0) messages.push(...this.#end(this.#frame));
    }
    return messages;
  }

  /** The head of a frame, once all of it is there. */
  #begin(): void {
    const [first = 0, second] = this.#head;
    if (second === undefined) return;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const isMasked = (second & 0x80) !== 0;
    if (this.#head.length < 2 + lengthBytes + (isMasked ? 4 : 0)) return;
    const [opcode, isFinal] = [first & 0x0f, (first & 0x80) !== 0];
    const left =
      lengthBytes === 0 ? short : this.#head.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
    const mask = isMasked ? Uint8Array.from(this.#head.slice(2 + lengthBytes)) : undefined;
    this.#head.length = 0;
    this.#fault = this.#against(first, isMasked, opcode, isFinal, left);
    if (this.#fault !== undefined) return;
    if (opcode === 1 || opcode === 2) {
      this.#message = { kind: opcode === 1 ? 'text' : 'binary', mask, into: new HeldBytes() };
    }
    const into = opcode < firstControl && this.#message !== undefined ? this.#message.into : new HeldBytes();
    this.#frame = { opcode, isFinal, mask, left, at: 0, into };
  }

  #against(first: number, isMasked: boolean, opcode: number, isFinal: boolean, left: number): string | undefined {
    if ((first & 0x70) !== 0) return 'a frame of an extension nobody agreed on';
    if (isMasked !== this.#masked) return isMasked ? 'a masked frame' : 'a frame without a mask';
    if (opcode !== continuation && !kinds.has(opcode)) return 'a frame of no known kind';
    if (opcode >= firstControl && (!isFinal || left > maxControlBytes)) return 'a control frame that is none';
    if (opcode === continuation && this.#message === undefined) return 'a frame that continues nothing';
    if ((opcode === 1 || opcode === 2) && this.#message !== undefined) return 'a message within a message';
    const whole = opcode < firstControl ? (this.#message?.into.length ?? 0) + left : left;
    return whole > this.#limitBytes ? `a message of more than ${this.#limitBytes} bytes` : undefined;
  }

  #take(frame: Frame, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    frame.into.push(masked(bytes, frame.mask, frame.at));
    frame.at += bytes.length;
    frame.left -= bytes.length;
  }

  #end({ opcode, isFinal, mask, into }: Frame): readonly SocketMessage[] {
    this.#frame = undefined;
    const control = opcode >= firstControl ? kinds.get(opcode) : undefined;
    if (control !== undefined) return [{ kind: control, payload: joinBytes(into.parts()), mask }];
    const message = this.#message;
    if (message === undefined || !isFinal) return [];
    this.#message = undefined;
    return [{ kind: message.kind, payload: joinBytes(into.parts()), mask: message.mask }];
  }
}

/** One message as one frame; `mask`: four bytes, for what a client sends. */
export function encodeFrame(kind: SocketMessage['kind'], payload: Uint8Array, mask?: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = [0x80 | opcodes[kind]];
  const bit = mask === undefined ? 0 : 0x80;
  if (length < 126) head.push(bit | length);
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 0xff);
  else head.push(bit | 127, ...[56, 48, 40, 32, 24, 16, 8, 0].map((shift) => Math.floor(length / 2 ** shift) % 256));
  return joinBytes([Uint8Array.from([...head, ...(mask ?? [])]), masked(payload, mask, 0)]);
}

/** The payload of a close frame. Codes: RFC 6455 section 7.4.1. */
export function closePayload(code: number, why: string): Uint8Array {
  // A control frame has no room for more.
  const text = new TextEncoder().encode(why).subarray(0, maxControlBytes - 2);
  return joinBytes([Uint8Array.of(code >> 8, code & 0xff), text]);
}

/** A copy, masked or unmasked. `from`: how much of the payload came before it. */
function masked(bytes: Uint8Array, mask: Uint8Array | undefined, from: number): Uint8Array {
  const copy = bytes.slice();
  if (mask === undefined) return copy;
  for (let at = 0; at < copy.length; at += 1) copy[at] = (copy[at] ?? 0) ^ (mask[(from + at) % 4] ?? 0);
  return copy;
}

/**
 * Frame v2 of the channel protocol (openziti/channel: message.go):
 * `magic[4] contentType[i32] sequence[i32] headersLength[u32] bodyLength[u32] headers body`, little-endian.
 */
import { noBytes, writeU32 } from './little-endian.ts';
import type { HeaderBlock, HeaderList } from './header-block.ts';

/** Bytes before the headers. */
export const frameHeadBytes = 20;

/** First four bytes of each frame. */
export const frameMagic = Uint8Array.of(0x03, 0x06, 0x09, 0x0c);

/** First four bytes of a peer's answer that it does not speak this version. */
export const unknownVersionMagic = Uint8Array.of(0x03, 0x06, 0x09, 0x0a);

/** Sequence of a Hello. */
export const helloSequence = -1;

/** A frame as decoded. Headers and body are borrowed: valid only until the callback that got it returns. */
export interface Frame {
  readonly contentType: number;
  readonly sequence: number;
  readonly headers: HeaderBlock;
  readonly body: Uint8Array;
}

/** A frame to encode. */
export interface OutgoingFrame {
  readonly contentType: number;
  readonly sequence: number;
  readonly headers?: HeaderList;
  /** Only its length goes into the head; it is left untouched. */
  readonly body?: Uint8Array;
}

/** Everything before the body, in a buffer of its own; send the body right after it. */
export function encodeFrameHead(frame: OutgoingFrame): Uint8Array {
  const head = new Uint8Array(frameHeadBytes + (frame.headers?.encodedLengthBytes ?? 0));
  writeHead(head, frame);
  return head;
}

/** The whole frame in one new buffer (TLS sockets copy several buffers into one anyway). */
export function encodeFrame(frame: OutgoingFrame): Uint8Array {
  const body = frame.body ?? noBytes;
  const headBytes = frameHeadBytes + (frame.headers?.encodedLengthBytes ?? 0);
  const encoded = new Uint8Array(headBytes + body.length);
  writeHead(encoded, frame);
  encoded.set(body, headBytes);
  return encoded;
}

/** The fixed part alone, for those who lay out headers and body themselves. Returns the offset after it. */
export function writeFrameHead(
  target: Uint8Array,
  offset: number,
  contentType: number,
  sequence: number,
  headersBytes: number,
  bodyBytes: number,
): number {
  target[offset] = 0x03;
  target[offset + 1] = 0x06;
  target[offset + 2] = 0x09;
  target[offset + 3] = 0x0c;
  writeU32(target, offset + 4, contentType);
  writeU32(target, offset + 8, sequence);
  writeU32(target, offset + 12, headersBytes);
  return writeU32(target, offset + 16, bodyBytes);
}

function writeHead(target: Uint8Array, frame: OutgoingFrame): void {
  const headersBytes = frame.headers?.encodedLengthBytes ?? 0;
  const offset = writeFrameHead(target, 0, frame.contentType, frame.sequence, headersBytes, frame.body?.length ?? 0);
  frame.headers?.write(target, offset);
}

/** Bytes in any chunking → frames. Strict: the first malformed byte ends the channel it came from. */
import { TunnelerError } from '../../base/errors.ts';
import { frameHeadBytes, frameMagic, unknownVersionMagic, type Frame } from './frame.ts';
import { HeaderBlock } from './header-block.ts';
import { noBytes, readI32, readU32 } from './little-endian.ts';

/** A frame that claims more than either is malformed. */
export interface FrameLimits {
  readonly headersBytes: number;
  readonly bodyBytes: number;
}

/** What Culvert takes from a router. A Go application may put any one write into one message, hence the room. */
export const defaultFrameLimits: FrameLimits = { headersBytes: 64 * 1024, bodyBytes: 64 * 1024 * 1024 };

/** An assembly buffer larger than this is let go once its frame is done. */
const keptBufferBytes = 192 * 1024;

/**
 * Incremental decoder. Frames that lie whole in one chunk are views of it; others are put together in one buffer that is
 * used again, so a frame is borrowed until `onFrame` returns. Memory grows with bytes received, never with lengths claimed.
 */
export class FrameDecoder {
  readonly #onFrame: (frame: Frame) => void;
  readonly #limits: FrameLimits;
  #partial: Uint8Array = noBytes;
  #partialBytes = 0;
  #stopped = false;

  /** @param onFrame must not throw: what it throws passes through `push` and the rest of that chunk is lost. */
  constructor(onFrame: (frame: Frame) => void, limits: FrameLimits = defaultFrameLimits) {
    this.#onFrame = onFrame;
    this.#limits = limits;
  }

  /** Bytes of an unfinished frame held now. */
  get heldBytes(): number {
    return this.#partialBytes;
  }

  /** Ignore everything from here on; may be called from within `onFrame`. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#partial = noBytes;
    this.#partialBytes = 0;
  }

  /** Take bytes, which stay the caller's after this returns. Throws `ziti.channel.malformed`, once; then it is stopped. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    try {
      while (!this.#stopped && (offset < chunk.length || this.#partialBytes > 0)) {
        const before = offset;
        offset = this.#partialBytes > 0 ? this.#continuePartial(chunk, offset) : this.#readWhole(chunk, offset);
        if (offset === before) return;
      }
    } catch (error) {
      if (error instanceof TunnelerError && error.code === 'ziti.channel.malformed') this.stop();
      throw error;
    }
  }

  /** A frame that starts in `chunk`: deliver it where it is whole, else keep its beginning. */
  #readWhole(chunk: Uint8Array, offset: number): number {
    const available = chunk.length - offset;
    const frameBytes = this.#frameLength(chunk, offset, available);
    if (available < frameBytes) {
      this.#keep(chunk, offset, available, frameBytes);
      return chunk.length;
    }
    this.#deliver(chunk, offset);
    return offset + frameBytes;
  }

  /** Add to the frame begun earlier; deliver it once whole. */
  #continuePartial(chunk: Uint8Array, offset: number): number {
    if (this.#partialBytes < frameHeadBytes) {
      const taken = Math.min(frameHeadBytes - this.#partialBytes, chunk.length - offset);
      this.#keep(chunk, offset, taken, frameHeadBytes);
      this.#frameLength(this.#partial, 0, this.#partialBytes);
      if (this.#partialBytes < frameHeadBytes) return offset + taken;
      offset += taken;
    }
    const frameBytes = this.#frameLength(this.#partial, 0, this.#partialBytes);
    const taken = Math.min(frameBytes - this.#partialBytes, chunk.length - offset);
    this.#keep(chunk, offset, taken, frameBytes);
    if (this.#partialBytes === frameBytes) {
      // Emptied first, so that a handler that throws leaves the decoder at a frame's border.
      this.#partialBytes = 0;
      const whole = this.#partial;
      if (whole.length > keptBufferBytes) this.#partial = noBytes;
      this.#deliver(whole, 0);
    }
    return offset + taken;
  }

  /** Length of the frame at `offset` as far as it can be told: at least a head. Checks each byte that is there. */
  #frameLength(bytes: Uint8Array, offset: number, available: number): number {
    for (let i = 0; i < 4 && i < available; i++) {
      if (bytes[offset + i] !== frameMagic[i]) throw badMagic(bytes, offset, available);
    }
    if (available < frameHeadBytes) return frameHeadBytes;
    const headersBytes = readU32(bytes, offset + 12);
    const bodyBytes = readU32(bytes, offset + 16);
    if (headersBytes > this.#limits.headersBytes || bodyBytes > this.#limits.bodyBytes) {
      throw new TunnelerError('ziti.channel.malformed', 'malformed message from a router: larger than any may be', {
        details: { headersBytes, bodyBytes },
      });
    }
    return frameHeadBytes + headersBytes + bodyBytes;
  }

  #keep(chunk: Uint8Array, offset: number, length: number, expected: number): void {
    const needed = this.#partialBytes + length;
    if (this.#partial.length < needed) {
      // Doubles up to what is expected, so that neither many small chunks nor one great claim cost much.
      const room = Math.max(needed, Math.min(expected, Math.max(2 * needed, 16 * 1024)));
      const grown = new Uint8Array(room);
      grown.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = grown;
    }
    this.#partial.set(length === chunk.length ? chunk : chunk.subarray(offset, offset + length), this.#partialBytes);
    this.#partialBytes = needed;
  }

  #deliver(bytes: Uint8Array, offset: number): void {
    const headersBytes = readU32(bytes, offset + 12);
    const headersStart = offset + frameHeadBytes;
    const bodyStart = headersStart + headersBytes;
    this.#onFrame({
      contentType: readI32(bytes, offset + 4),
      sequence: readI32(bytes, offset + 8),
      headers: headersBytes === 0 ? HeaderBlock.empty : HeaderBlock.parse(bytes.subarray(headersStart, bodyStart)),
      body: bytes.subarray(bodyStart, bodyStart + readU32(bytes, offset + 16)),
    });
  }
}

function badMagic(bytes: Uint8Array, offset: number, available: number): TunnelerError {
  const seen = bytes.subarray(offset, offset + Math.min(4, available));
  const otherVersion = seen.length === 4 && unknownVersionMagic.every((byte, i) => seen[i] === byte);
  return new TunnelerError(
    'ziti.channel.malformed',
    otherVersion
      ? 'the router does not speak this version of the channel protocol'
      : 'malformed message from a router: it does not begin as a message does',
    { details: { magic: [...seen].map((byte) => byte.toString(16).padStart(2, '0')).join('') } },
  );
}

/** Written bytes waiting to be sent, and the end behind them, cut into messages without copying where a message lies within one chunk. */
import { noBytes } from '../wire/little-endian.ts';

/** Owns the chunks pushed until they are taken; what it gives out is read before anything else is asked of it. */
export class SendQueue {
  #chunks: Uint8Array[] = [];
  #head = 0;
  /** Bytes of the head chunk already taken. */
  #offset = 0;
  #bytes = 0;
  #ended = false;

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#head === this.#chunks.length;
  }

  /** The end stands behind what is here; nothing is pushed any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Idempotent. */
  end(): void {
    this.#ended = true;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next `limitBytes` or fewer, as one piece: a view of a chunk, or of `scratch` where several were put together. */
  takeCoalesced(limitBytes: number, scratch: Uint8Array): Uint8Array {
    const first = this.#chunks[this.#head];
    if (first === undefined) return noBytes;
    const inFirst = first.length - this.#offset;
    if (inFirst >= limitBytes || inFirst === this.#bytes) {
      const end = this.#offset + Math.min(inFirst, limitBytes);
      const piece = first.subarray(this.#offset, end);
      this.#advance(piece.length);
      return piece;
    }
    let filled = 0;
    while (filled < limitBytes) {
      const chunk = this.#chunks[this.#head];
      if (chunk === undefined) break;
      const length = Math.min(chunk.length - this.#offset, limitBytes - filled);
      scratch.set(chunk.subarray(this.#offset, this.#offset + length), filled);
      filled += length;
      this.#advance(length);
    }
    return scratch.subarray(0, filled);
  }

  /** The next chunk as it was written: a datagram. */
  takeWhole(): Uint8Array {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return noBytes;
    this.#head += 1;
    this.#bytes -= chunk.length;
    this.#compact();
    return chunk;
  }

  /** Drop what waits; the end, where it was put, stands. */
  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#offset = 0;
    this.#bytes = 0;
  }

  #advance(bytes: number): void {
    this.#bytes -= bytes;
    this.#offset += bytes;
    if (this.#offset === this.#chunks[this.#head]?.length) {
      this.#head += 1;
      this.#offset = 0;
      this.#compact();
    }
  }

  #compact(): void {
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head > 64) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }
}

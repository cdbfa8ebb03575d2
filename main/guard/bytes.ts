/** Small tools on bytes that every guard needs. Pure. */

/** Collects bytes that come in pieces; grows by doubling, so that piece after piece stays linear. */
export class ByteCollector {
  #buffer = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, 256));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  /** A view of the last bytes, at most `count`; good until the next call. */
  tail(count: number): Uint8Array {
    return this.#buffer.subarray(Math.max(0, this.#length - count), this.#length);
  }

  /** What was collected, as its taker's own; the collector is empty then. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
    return taken;
  }
}

/** Below this size a piece is copied when held: a view would cost more than its bytes. */
const smallBytes = 1024;
/** Up to this size what was held goes on as one piece: a copy costs less than another write. */
const onePieceBytes = 512 * 1024;

/** Holds pieces back; memory stays near the number of bytes, however they come. */
export class HeldBytes {
  #parts: Uint8Array[] = [];
  readonly #small = new ByteCollector();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    const last = this.#small.length === 0 ? this.#parts.at(-1) : undefined;
    const joined = last === undefined ? undefined : adjoin(last, bytes);
    if (joined !== undefined) {
      this.#parts[this.#parts.length - 1] = joined;
    } else if (bytes.length < smallBytes && this.#parts.length > 0) {
      this.#small.append(bytes);
    } else {
      this.#settle();
      this.#parts.push(bytes);
    }
  }

  /** Everything held, in order and in few pieces; nothing may be pushed afterwards. */
  parts(): readonly Uint8Array[] {
    this.#settle();
    if (this.#parts.length > 1 && this.#length <= onePieceBytes) this.#parts = [joinBytes(this.#parts)];
    return this.#parts;
  }

  #settle(): void {
    if (this.#small.length > 0) this.#parts.push(this.#small.take());
  }
}

/** One array from many; the very same one where there is only one. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Two views that lie side by side in one buffer, as one view; undefined where they do not. No copy. */
export function adjoin(left: Uint8Array, right: Uint8Array): Uint8Array | undefined {
  if (left.buffer !== right.buffer || left.byteOffset + left.length !== right.byteOffset) return undefined;
  return new Uint8Array(left.buffer, left.byteOffset, left.length + right.length);
}

const encoder = new TextEncoder();

/** The bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

// Whole pieces only: a decoder that has streamed once is several times slower ever after.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text of UTF-8 pieces; undefined where they are not UTF-8. A byte order mark stays: JSON has none. */
export function textOf(parts: readonly Uint8Array[]): string | undefined {
  try {
    return decoder.decode(joinBytes(parts));
  } catch (error) {
    // The decoder names malformed bytes by a TypeError; anything else is a fault of ours.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

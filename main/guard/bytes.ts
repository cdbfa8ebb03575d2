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

/** Holds pieces back without copying the large ones; memory stays near the number of bytes, however they come. */
export class HeldBytes {
  readonly #parts: Uint8Array[] = [];
  readonly #small = new ByteCollector();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length < smallBytes) {
      this.#small.append(bytes);
      return;
    }
    this.#settle();
    this.#parts.push(bytes);
  }

  /** Everything held, in order; nothing may be pushed afterwards. */
  parts(): readonly Uint8Array[] {
    this.#settle();
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

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 pieces; undefined where they are not UTF-8. A byte order mark stays: JSON has none. */
export function textOf(parts: readonly Uint8Array[]): string | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    const texts = parts.map((part) => decoder.decode(part, { stream: true }));
    return texts.join('') + decoder.decode();
  } catch (error) {
    // The decoder names malformed bytes by a TypeError; anything else is a fault of ours.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

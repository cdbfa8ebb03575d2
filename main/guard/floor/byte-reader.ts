/** Reads numbers and bytes one behind the other; what is too short is malformed. Pure. */

/** What was read is not what the protocol has; the sentence part says what. */
export class Malformed extends Error {}

/** A cursor over bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The byte that would be read, and stays; -1 at the end. */
  next(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }

  u16be(): number {
    return this.#view.getUint16(this.#step(2));
  }

  u16le(): number {
    return this.#view.getUint16(this.#step(2), true);
  }

  u24le(): number {
    const at = this.#step(3);
    return this.#view.getUint16(at, true) | (this.#view.getUint8(at + 2) << 16);
  }

  u24be(): number {
    const at = this.#step(3);
    return (this.#view.getUint8(at) << 16) | this.#view.getUint16(at + 1);
  }

  u32le(): number {
    return this.#view.getUint32(this.#step(4), true);
  }

  i32le(): number {
    return this.#view.getInt32(this.#step(4), true);
  }

  /** A view, no copy. */
  bytes(count: number): Uint8Array {
    const at = this.#step(count);
    return this.#bytes.subarray(at, at + count);
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** Nothing may stand behind what was read. */
  end(): void {
    if (this.left !== 0) throw new Malformed('more bytes than it has a use for');
  }

  #step(count: number): number {
    const at = this.#at;
    if (count < 0 || count > this.left) throw new Malformed('fewer bytes than it counts');
    this.#at += count;
    return at;
  }
}

/** Throws `Malformed` where `isTrue` is false. */
export function demand(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Malformed(what);
}

/** What `parse` returns, or undefined where the bytes are malformed. */
export function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Lower-hex. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

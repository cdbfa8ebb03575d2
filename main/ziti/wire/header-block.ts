/** A frame's headers: `{ key i32, length u32, bytes }*`, order irrelevant, of duplicates the last wins (openziti/channel: message.go). */
import { TunnelerError } from '../../base/errors.ts';
import {
  bytesText,
  copyBytes,
  noBytes,
  readI32,
  readU16,
  readU32,
  textBytes,
  u32Bytes,
  writeU32,
} from './little-endian.ts';

/** A string slice holds at most so many entries, each at most so long (openziti/channel: message.go). */
const maxSliceEntries = 128;
const maxSliceEntryBytes = 8192;

/**
 * Read access to an encoded header block. Borrows `bytes`: what `bytes()` returns is a view that lives only as long as
 * the frame. A value of the wrong length reads as absent, as the peers treat it.
 */
export class HeaderBlock {
  /** The encoded block itself, borrowed. */
  readonly encoded: Uint8Array;

  private constructor(encoded: Uint8Array) {
    this.encoded = encoded;
  }

  static readonly empty = new HeaderBlock(noBytes);

  /** Check that every length lies within the block. Throws `ziti.channel.malformed`. */
  static parse(encoded: Uint8Array): HeaderBlock {
    const end = encoded.length;
    let offset = 0;
    while (offset < end) {
      if (end - offset < 8) throw malformedHeaders('a header is cut short', offset);
      const length = readU32(encoded, offset + 4);
      offset += 8;
      if (length > end - offset) throw malformedHeaders('a header runs past its block', offset);
      offset += length;
    }
    return new HeaderBlock(encoded);
  }

  bytes(id: number): Uint8Array | undefined {
    const at = this.#find(id);
    return at < 0 ? undefined : this.encoded.subarray(at, at + readU32(this.encoded, at - 4));
  }

  has(id: number): boolean {
    return this.#find(id) >= 0;
  }

  u32(id: number): number | undefined {
    const at = this.#findSized(id, 4);
    return at < 0 ? undefined : readU32(this.encoded, at);
  }

  i32(id: number): number | undefined {
    const at = this.#findSized(id, 4);
    return at < 0 ? undefined : readI32(this.encoded, at);
  }

  u16(id: number): number | undefined {
    const at = this.#findSized(id, 2);
    return at < 0 ? undefined : readU16(this.encoded, at);
  }

  u8(id: number): number | undefined {
    const at = this.#findSized(id, 1);
    return at < 0 ? undefined : this.encoded[at];
  }

  /** The low 53 bits' worth of a u64; absent where it is larger. */
  u64(id: number): number | undefined {
    const at = this.#findSized(id, 8);
    if (at < 0) return undefined;
    const high = readU32(this.encoded, at + 4);
    return high > 0x1fffff ? undefined : high * 0x1_0000_0000 + readU32(this.encoded, at);
  }

  /** True only for the one byte 1. */
  bool(id: number): boolean {
    return this.u8(id) === 1;
  }

  string(id: number): string | undefined {
    const value = this.bytes(id);
    return value === undefined ? undefined : bytesText(value);
  }

  /** `count u32, (length u32, bytes)*`; absent where it is malformed. */
  stringSlice(id: number): readonly string[] | undefined {
    const value = this.bytes(id);
    if (value === undefined || value.length < 4) return undefined;
    const count = readU32(value, 0);
    if (count > maxSliceEntries) return undefined;
    const entries: string[] = [];
    let offset = 4;
    for (let i = 0; i < count; i++) {
      if (value.length - offset < 4) return undefined;
      const length = readU32(value, offset);
      offset += 4;
      if (length > maxSliceEntryBytes || length > value.length - offset) return undefined;
      entries.push(bytesText(value.subarray(offset, offset + length)));
      offset += length;
    }
    return entries;
  }

  /** Every header in order of the wire, duplicates included; values are borrowed views. */
  *entries(): Generator<readonly [id: number, value: Uint8Array]> {
    for (let at = 0; at < this.encoded.length;) {
      const length = readU32(this.encoded, at + 4);
      yield [readI32(this.encoded, at), this.encoded.subarray(at + 8, at + 8 + length)];
      at += 8 + length;
    }
  }

  /** Offset of the last value of `id`, −1 where there is none. */
  #find(id: number): number {
    const encoded = this.encoded;
    const end = encoded.length;
    let found = -1;
    for (let at = 0; at < end;) {
      if (readI32(encoded, at) === id) found = at + 8;
      at += 8 + readU32(encoded, at + 4);
    }
    return found;
  }

  #findSized(id: number, lengthBytes: number): number {
    const at = this.#find(id);
    return at >= 0 && readU32(this.encoded, at - 4) === lengthBytes ? at : -1;
  }
}

/** Headers on their way out; each method adds one and returns the list. Owns what it is given. */
export class HeaderList {
  readonly #headers: { readonly id: number; readonly value: Uint8Array }[] = [];
  #lengthBytes = 0;

  get encodedLengthBytes(): number {
    return this.#lengthBytes;
  }

  bytes(id: number, value: Uint8Array): this {
    this.#headers.push({ id, value });
    this.#lengthBytes += 8 + value.length;
    return this;
  }

  u32(id: number, value: number): this {
    return this.bytes(id, u32Bytes(value));
  }

  i32(id: number, value: number): this {
    return this.bytes(id, u32Bytes(value));
  }

  u16(id: number, value: number): this {
    return this.bytes(id, Uint8Array.of(value, value >>> 8));
  }

  u8(id: number, value: number): this {
    return this.bytes(id, Uint8Array.of(value));
  }

  u64(id: number, value: number): this {
    const encoded = new Uint8Array(8);
    writeU32(encoded, writeU32(encoded, 0, value % 0x1_0000_0000), Math.floor(value / 0x1_0000_0000));
    return this.bytes(id, encoded);
  }

  bool(id: number, value: boolean): this {
    return this.u8(id, value ? 1 : 0);
  }

  string(id: number, value: string): this {
    return this.bytes(id, textBytes(value));
  }

  stringSlice(id: number, values: readonly string[]): this {
    const parts = values.map(textBytes);
    const encoded = new Uint8Array(4 + parts.reduce((sum, part) => sum + 4 + part.length, 0));
    let offset = writeU32(encoded, 0, parts.length);
    for (const part of parts) {
      offset = writeU32(encoded, offset, part.length);
      encoded.set(part, offset);
      offset += part.length;
    }
    return this.bytes(id, encoded);
  }

  /** Copy of every header of `request` that a reply must reflect. */
  reflect(request: HeaderBlock, range: { readonly first: number; readonly last: number }): this {
    for (const [id, value] of request.entries()) {
      if (id >= range.first && id <= range.last) this.bytes(id, copyBytes(value));
    }
    return this;
  }

  /** Write the block at `offset`, which has room for `encodedLengthBytes`; returns the offset after it. */
  write(target: Uint8Array, offset: number): number {
    for (const { id, value } of this.#headers) {
      offset = writeU32(target, offset, id);
      offset = writeU32(target, offset, value.length);
      target.set(value, offset);
      offset += value.length;
    }
    return offset;
  }

  /** The same headers as a block that can be read. */
  toBlock(): HeaderBlock {
    const encoded = new Uint8Array(this.#lengthBytes);
    this.write(encoded, 0);
    return HeaderBlock.parse(encoded);
  }
}

function malformedHeaders(what: string, offset: number): TunnelerError {
  return new TunnelerError('ziti.channel.malformed', `malformed message from a router: ${what}`, {
    details: { offset },
  });
}

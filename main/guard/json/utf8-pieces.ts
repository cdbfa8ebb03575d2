/** UTF-8 that comes in pieces, as text: whole characters now, a cut one with the next piece. Pure. */
import { joinBytes } from '../bytes.ts';

// Pieces are cut at whole characters: a decoder that has streamed once is several times slower ever after.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One text that comes in pieces. */
export class Utf8Pieces {
  #cut: Uint8Array | undefined;

  /** Nothing of a character waits for its rest. */
  get whole(): boolean {
    return this.#cut === undefined;
  }

  /** The text these bytes complete; undefined where they are no UTF-8. A byte order mark stays: JSON has none. */
  push(bytes: Uint8Array): string | undefined {
    const all = this.#cut === undefined ? bytes : joinBytes([this.#cut, bytes]);
    const waiting = cutTail(all);
    this.#cut = waiting === 0 ? undefined : all.slice(all.length - waiting);
    try {
      return decoder.decode(waiting === 0 ? all : all.subarray(0, all.length - waiting));
    } catch (error) {
      // The decoder names malformed bytes by a TypeError; anything else is a fault of ours.
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  }
}

/** Bytes at the end that begin a character and do not end it. Source: RFC 3629 section 3. */
function cutTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? back : 0;
  }
  return 0;
}

const [high, blanks] = [0x80808080 | 0, 0x20202020];

/** Whether any of these bytes is below 0x20. Four at a time: this is asked of every byte that passes. */
export function hasControls(bytes: Uint8Array): boolean {
  let at = 0;
  const aligned = bytes.length < 8 ? bytes.length : (4 - (bytes.byteOffset & 3)) & 3;
  while (at < aligned) {
    if ((bytes[at] ?? 0) < 0x20) return true;
    at += 1;
  }
  if (at === bytes.length) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2);
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? 0;
    if (((word - blanks) & ~word & high) !== 0) return true;
  }
  for (at += words.length * 4; at < bytes.length; at += 1) if ((bytes[at] ?? 0) < 0x20) return true;
  return false;
}

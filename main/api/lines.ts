/** Bytes in any chunking → whole lines, in bounded memory. */
import { maxLineBytes } from './wire.ts';

/** A whole line, or why there is none: one too long or not UTF-8 is skipped to its end. */
export type Line = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'oversized' | 'not-utf8' };

const newline = 0x0a;

/** Splits a byte stream at `\n`. A line over the bound is dropped to its end and reported once; what follows is read on. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #skipping = false;

  constructor(maxBytes: number = maxLineBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Take a chunk (copied only where a line spans chunks); returns the lines that ended in it. Empty lines are left out. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#finish(chunk.subarray(start, end));
      if (line !== undefined) lines.push(line);
      start = end + 1;
    }
    this.#hold(chunk.subarray(start), lines);
    return lines;
  }

  #hold(rest: Uint8Array, lines: Line[]): void {
    if (rest.length === 0 || this.#skipping) return;
    if (this.#heldBytes + rest.length > this.#maxBytes) {
      this.#drop();
      this.#skipping = true;
      lines.push({ kind: 'oversized' });
      return;
    }
    this.#held.push(rest.slice());
    this.#heldBytes += rest.length;
  }

  #finish(tail: Uint8Array): Line | undefined {
    if (this.#skipping) {
      this.#skipping = false;
      return undefined;
    }
    const bytes = this.#held.length === 0 ? tail : this.#join(tail);
    this.#drop();
    if (bytes.length > this.#maxBytes) return { kind: 'oversized' };
    try {
      const text = this.#decoder.decode(bytes);
      return text.trim() === '' ? undefined : { kind: 'line', text };
    } catch {
      // The one thing a fatal decoder throws for: bytes that are no UTF-8.
      return { kind: 'not-utf8' };
    }
  }

  #join(tail: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#heldBytes + tail.length);
    let at = 0;
    for (const part of [...this.#held, tail]) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}

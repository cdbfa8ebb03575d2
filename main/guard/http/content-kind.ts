/** What a body is by what stands in it, whatever it says of itself: JSON, text, or neither. Pure. */

/** Told of a body as it comes. */
export class ContentKind {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #start: Uint8Array = new Uint8Array(0);
  #first: string | undefined;
  #isUtf8 = true;

  push(bytes: Uint8Array): void {
    if (this.#start.length < 2) this.#start = Uint8Array.of(...this.#start, ...bytes.subarray(0, 2));
    this.#decode(bytes, true);
  }

  /** The body is complete: a character that was cut off is none. */
  end(): void {
    this.#decode(undefined, false);
  }

  /** It begins as JSON does. */
  get isJson(): boolean {
    return this.#first === '{' || this.#first === '[';
  }

  /** No reader takes it for JSON or for text: once true, it stays so. */
  get isBinary(): boolean {
    return !this.#isUtf8 && !this.isJson && !this.#hasWideMark();
  }

  #decode(bytes: Uint8Array | undefined, stream: boolean): void {
    if (!this.#isUtf8) return;
    try {
      const text = this.#decoder.decode(bytes, { stream });
      this.#first ??= /[^\s\uFEFF]/.exec(text)?.[0];
    } catch (error) {
      // The decoder names malformed bytes by a TypeError; anything else is a fault of ours.
      if (!(error instanceof TypeError)) throw error;
      this.#isUtf8 = false;
      const begin = this.#first ?? /[^\s\uFEFF]/.exec(latin.decode(bytes))?.[0];
      this.#first = begin;
    }
  }

  /** A byte order mark of UTF-16, in which text stands as well. */
  #hasWideMark(): boolean {
    const [one, two] = this.#start;
    return (one === 0xff && two === 0xfe) || (one === 0xfe && two === 0xff);
  }
}

const latin = new TextDecoder('latin1');

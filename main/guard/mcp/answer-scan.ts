/**
 * Sees whether one JSON-RPC answer tells of a failure, while its bytes pass: `error`, or `result.isError`. Pure, no copy, no decoding;
 * long strings are stepped over by search. It judges nothing: what must be judged is held and parsed.
 */
const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
/** Longer keys are none of those looked for. */
const longestKey = 8;

export class AnswerScan {
  failed = false;
  /** Bytes seen. */
  bytes = 0;
  #depth = 0;
  /** Whether the containers down to the second are objects. */
  readonly #isObject = [false, false, false];
  #inString = false;
  /** Backslashes just before, within a string. */
  #slashes = 0;
  #expectsKey = false;
  #expectsValue = false;
  #readsKey = false;
  #key = '';
  /** The last key of the outermost object. */
  #outerKey = '';

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) at = this.#inString ? this.#string(chunk, at) : this.#token(chunk, at);
  }

  #string(chunk: Uint8Array, start: number): number {
    const found = chunk.indexOf(quote, start);
    const end = found < 0 ? chunk.length : found;
    let slashes = 0;
    while (end - 1 - slashes >= start && chunk[end - 1 - slashes] === backslash) slashes += 1;
    // A run of them may have begun in the chunk before.
    if (slashes === end - start) slashes += this.#slashes;
    if (this.#readsKey && this.#key.length <= longestKey) {
      this.#key += String.fromCharCode(...chunk.subarray(start, Math.min(end, start + longestKey + 1)));
    }
    if (found < 0) {
      this.#slashes = slashes;
      return end;
    }
    this.#slashes = 0;
    if (slashes % 2 === 0) {
      this.#inString = false;
      if (this.#readsKey && this.#depth === 1) this.#outerKey = this.#key;
      this.#readsKey = false;
    }
    return found + 1;
  }

  #token(chunk: Uint8Array, at: number): number {
    const byte = chunk[at] ?? 0;
    switch (byte) {
      case quote:
        this.#inString = true;
        this.#slashes = 0;
        this.#readsKey = this.#expectsKey;
        if (this.#readsKey) this.#key = '';
        else this.#value(byte);
        this.#expectsKey = false;
        break;
      case openBrace:
      case openBracket:
        this.#value(byte);
        this.#depth += 1;
        if (this.#depth < this.#isObject.length) this.#isObject[this.#depth] = byte === openBrace;
        this.#expectsKey = byte === openBrace && this.#depth < this.#isObject.length;
        break;
      case closeBrace:
      case closeBracket:
        this.#depth -= 1;
        this.#expectsKey = false;
        break;
      case comma:
        this.#expectsKey = this.#isObject[this.#depth] === true;
        break;
      case colon:
        this.#expectsValue = true;
        break;
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        break;
      default:
        this.#value(byte);
    }
    return at + 1;
  }

  /** A value begins with this byte. */
  #value(first: number): void {
    if (!this.#expectsValue) return;
    this.#expectsValue = false;
    const [isNull, isTrue] = [first === 0x6e, first === 0x74];
    if (this.#depth === 1 && this.#key === 'error' && !isNull) this.failed = true;
    if (this.#depth === 2 && this.#outerKey === 'result' && this.#key === 'isError' && isTrue) this.failed = true;
  }
}

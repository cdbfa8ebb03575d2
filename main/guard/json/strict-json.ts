/**
 * JSON read so that no second reader can understand it differently: no doubled keys, no byte order mark, no endless nesting.
 * Pure. Sources: RFC 8259 (grammar; section 4, unique names), RFC 7493 (I-JSON).
 *
 * One pass that reads and checks at once. A long string is found by searching its end and becomes a view of the text, which is what makes
 * messages of many kilobytes cheap: the platform's parser looks at every character, and copies.
 */

export type JsonResult =
  { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'fault'; readonly why: string };

/** Deeper nesting is refused: readers differ in where they give up. Implementation limit. */
const maxDepth = 256;

/** Read one JSON text; never throws. */
export function parseStrictJson(text: string): JsonResult {
  const reader = new Reader(text);
  const value = reader.document();
  return reader.why === undefined ? { kind: 'json', value } : { kind: 'fault', why: reader.why };
}

/** An object, as JSON knows them. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const numberAt = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// The characters a string must not hold as they are.
const control = /[\u0000-\u001f]/;
/** Beyond this a string is searched for the controls that do occur, instead of looked at character by character. */
const longString = 1024;

class Reader {
  readonly #text: string;
  /** Sticky expressions remember a place: this reader has its own. */
  readonly #number = new RegExp(numberAt);
  #at = 0;
  #depth = 0;
  why: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    const value = this.#value();
    this.#skipBlanks();
    if (this.#at < this.#text.length) this.#fail('invalid JSON');
    return value;
  }

  #value(): unknown {
    this.#skipBlanks();
    switch (this.#text.charCodeAt(this.#at)) {
      case 0x7b:
        return this.#nested(() => this.#object());
      case 0x5b:
        return this.#nested(() => this.#array());
      case 0x22:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#numeral();
    }
  }

  #nested(read: () => unknown): unknown {
    this.#depth += 1;
    const value = this.#depth > maxDepth ? this.#fail('nesting without end') : read();
    this.#depth -= 1;
    return value;
  }

  #object(): unknown {
    const entries = new Map<string, unknown>();
    this.#at += 1;
    if (this.#next(0x7d)) return {};
    do {
      this.#skipBlanks();
      if (this.#text.charCodeAt(this.#at) !== 0x22) return this.#fail('invalid JSON');
      const key = this.#string();
      if (key === undefined || !this.#next(0x3a)) return this.#fail('invalid JSON');
      if (entries.has(key)) return this.#fail(`the key "${key.slice(0, 64)}" twice in one object`);
      entries.set(key, this.#value());
      if (this.why !== undefined) return undefined;
    } while (this.#next(0x2c));
    if (!this.#next(0x7d)) return this.#fail('invalid JSON');
    // Defines fields of its own, also one called __proto__.
    return Object.fromEntries(entries);
  }

  #array(): unknown {
    const items: unknown[] = [];
    this.#at += 1;
    if (this.#next(0x5d)) return items;
    do {
      items.push(this.#value());
      if (this.why !== undefined) return undefined;
    } while (this.#next(0x2c));
    return this.#next(0x5d) ? items : this.#fail('invalid JSON');
  }

  #string(): string | undefined {
    const start = this.#at + 1;
    let end = this.#text.indexOf('"', start);
    while (end >= 0 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end < 0) return this.#fail('invalid JSON');
    this.#at = end + 1;
    const raw = this.#text.slice(start, end);
    if (raw.includes('\\')) return this.#unescaped(raw);
    const spoilt =
      raw.length < longString ? control.test(raw) : ['\n', '\r', '\t', '\0'].some((char) => raw.includes(char));
    return spoilt ? this.#fail('invalid JSON') : raw;
  }

  #isEscaped(quote: number): boolean {
    let backslashes = 0;
    while (this.#text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1;
    return backslashes % 2 === 1;
  }

  #unescaped(raw: string): string | undefined {
    try {
      return JSON.parse(`"${raw}"`) as string;
    } catch (error) {
      // The platform's parser names bad escapes by a SyntaxError; anything else is a fault of ours.
      if (error instanceof SyntaxError) return this.#fail('invalid JSON');
      throw error;
    }
  }

  #numeral(): number | undefined {
    this.#number.lastIndex = this.#at;
    const found = this.#number.exec(this.#text)?.[0];
    if (found === undefined) return this.#fail('invalid JSON');
    this.#at += found.length;
    return Number(found);
  }

  #word<T>(word: string, value: T): T | undefined {
    if (!this.#text.startsWith(word, this.#at)) return this.#fail('invalid JSON');
    this.#at += word.length;
    return value;
  }

  /** Step over one character where it is the next. */
  #next(code: number): boolean {
    this.#skipBlanks();
    if (this.why !== undefined || this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at += 1;
    return true;
  }

  #skipBlanks(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  #fail(why: string): undefined {
    this.why ??= why;
    this.#at = this.#text.length;
    return undefined;
  }
}

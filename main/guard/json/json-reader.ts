/**
 * JSON read so that no second reader can understand it differently, as its bytes come, and written anew from what was read: UTF-8 only, no
 * name twice in one object (whatever the letter case), no byte order mark, no half characters, a bound on depth, digits and values. Pure.
 * Sources: RFC 8259 (grammar; section 4, unique names), RFC 7493 (I-JSON).
 *
 * The work is done piece by piece, so that a long message holds nobody up at its end. A long string is found by searching its end and becomes
 * views of the text, which is what makes messages of many kilobytes cheap.
 */
import { utf8 } from '../bytes.ts';
import { foldName } from './fold-name.ts';
import { numberFrom, type JsonNumber } from './json-number.ts';
import { closingQuote, hasLineEnds, readPiece, safeCut } from './json-strings.ts';
import { hasControls, Utf8Pieces } from './utf8-pieces.ts';

/** A document that was read whole. */
export interface JsonDocument {
  readonly kind: 'json';
  /** Numbers that no double holds as written are `JsonNumber`. */
  readonly value: unknown;
  /** The canonical text: no blanks, names in the order they came, digits as they came, ASCII where a character could end a line. */
  readonly written: readonly Uint8Array[];
  /** No string in it needs an escape. */
  readonly plain: boolean;
  /** How many there are in it, names not counted. */
  readonly values: number;
  /** Where the items of an array stand in the text as it came, start and end in turn; kept on request. */
  itemsOf(array: readonly unknown[]): readonly number[];
  /** Where the value of a field stands, for objects near the top; kept on request. */
  fieldOf(object: object, name: string): readonly [start: number, end: number] | undefined;
}

/** Told of names and texts as they are read, and of numerals long enough to be something else; `within` is the object or list they stand in. */
export interface JsonWatch {
  name(within: object, name: string): void;
  /** A piece of a value; the next piece is of the same value until one completes it. */
  text(within: object, key: string | number, piece: string, complete: boolean): void;
}

/** A document, or why it is none that every reader takes alike. */
export type JsonReading = JsonDocument | { readonly kind: 'fault'; readonly why: string };

/** Deeper nesting is refused: readers differ in where they give up. Implementation limit. */
const maxDepth = 256;
/** More values than this, names not counted, are refused: each costs time that others wait for. Implementation limit. */
const maxValues = 100_000;
/** More names in one object are refused, for the same reason. Implementation limit. */
const maxNames = 10_000;
/** A longer numeral is refused: some readers give up. Implementation limit; CPython's is 4,300. */
const maxDigits = 1_000;
/** Shorter numerals are numbers and nothing else. */
const watchedDigits = 9;
/** Places of fields are kept of objects down to here: an answer, its result, one of a batch. */
const placedDepth = 3;
/** Pieces of strings from this length on are not encoded again where their encoding is at hand. */
const longPiece = 2 * 1024;
/** Written text is encoded whenever so much of it has come together. */
const writeLength = 32 * 1024;

interface Frame {
  readonly items: unknown[] | undefined;
  readonly fields: Record<string, unknown> | undefined;
  /** Folded names so far. */
  readonly names: Set<string> | undefined;
  /** Start and end of each item or field, where they are kept. */
  readonly places: number[] | undefined;
  /** The fields' names in the order of their places. */
  readonly order: string[];
  key: string;
}

/** What may come next. */
type Next = 'value' | 'item' | 'first-item' | 'key' | 'first-key' | 'colon' | 'comma' | 'nothing' | 'key-text' | 'text';

const numeralRun = /[-+.0-9eE]+/y;
const numeral = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const words = new Map<number, readonly [string, unknown]>([
  [0x74, ['true', true]],
  [0x66, ['false', false]],
  [0x6e, ['null', null]],
]);

/** Reads one document. */
export class JsonReader {
  readonly #utf8 = new Utf8Pieces();
  readonly #keepsPlaces: boolean;
  readonly #watch: JsonWatch | undefined;
  readonly #numeralRun = new RegExp(numeralRun);
  readonly #places = new Map<readonly unknown[], readonly number[]>();
  readonly #fieldPlaces = new Map<object, ReadonlyMap<string, readonly [number, number]>>();
  readonly #written: Uint8Array[] = [];
  readonly #frames: Frame[] = [];
  #next: Next = 'value';
  /** A token that is not complete. */
  #carry = '';
  /** Characters read before the present text. */
  #before = 0;
  #string = '';
  /** The bytes that are read, where each is a character; and where the first of them stands in the text. */
  #ascii: Uint8Array | undefined;
  #asciiFrom = 0;
  #out = '';
  #values = 0;
  #value: unknown;
  #plain = true;
  #why: string | undefined;

  /** `places`: remember where array items stand, for a document that is cut in place. */
  constructor(options: { readonly places?: boolean; readonly watch?: JsonWatch | undefined } = {}) {
    this.#keepsPlaces = options.places === true;
    this.#watch = options.watch;
  }

  /** What is wrong with it already. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Nothing has come yet but blanks. */
  get blank(): boolean {
    return this.#next === 'value' && this.#frames.length === 0 && this.#carry === '' && this.#utf8.whole && !this.#why;
  }

  push(bytes: Uint8Array): void {
    if (this.#why !== undefined) return;
    const came = this.#utf8.push(bytes);
    if (came === undefined) return void this.#fail('bytes that are no UTF-8');
    // As many characters as bytes: each is ASCII, and its own encoding.
    this.#ascii = came.length === bytes.length ? bytes : undefined;
    this.#asciiFrom = this.#carry.length;
    this.#run(`${this.#carry}${came}`, !hasControls(bytes) && !hasLineEnds(came), false);
    this.#ascii = undefined;
  }

  /** The document is complete. Once. */
  end(): JsonReading {
    if (this.#why === undefined && !this.#utf8.whole) this.#fail('bytes that are no UTF-8');
    if (this.#why === undefined) this.#run(this.#carry, false, true);
    if (this.#why === undefined && this.#next !== 'nothing') this.#fail('invalid JSON');
    if (this.#why !== undefined) return { kind: 'fault', why: this.#why };
    this.#flush();
    const [places, fieldPlaces] = [this.#places, this.#fieldPlaces];
    return {
      kind: 'json',
      value: this.#value,
      written: this.#written,
      plain: this.#plain,
      values: this.#values,
      itemsOf: (array) => places.get(array) ?? [],
      fieldOf: (object, name) => fieldPlaces.get(object)?.get(name),
    };
  }

  #run(text: string, clean: boolean, last: boolean): void {
    let at = 0;
    while (at < text.length && this.#why === undefined) {
      const from = at;
      at =
        this.#next === 'text' || this.#next === 'key-text'
          ? this.#piece(text, at, clean, last)
          : this.#token(text, at, last);
      if (at === from) break;
    }
    this.#carry = text.slice(at);
    this.#before += at;
  }

  /** Step over one token; the same place where it is not complete yet. */
  #token(text: string, at: number, last: boolean): number {
    const code = text.charCodeAt(at);
    if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) return at + 1;
    switch (this.#next) {
      case 'colon':
        return code === 0x3a ? this.#sign(':', 'value', at) : this.#fail('invalid JSON');
      case 'comma':
        return this.#afterValue(code, at);
      case 'first-key':
        if (code === 0x7d) return this.#close('}', at);
        return code === 0x22 ? this.#sign('"', 'key-text', at) : this.#fail('invalid JSON');
      case 'key':
        return code === 0x22 ? this.#sign('"', 'key-text', at) : this.#fail('invalid JSON');
      case 'first-item':
        return code === 0x5d ? this.#close(']', at) : this.#begin(text, code, at, last);
      case 'value':
      case 'item':
        return this.#begin(text, code, at, last);
      default:
        return this.#fail('invalid JSON');
    }
  }

  #afterValue(code: number, at: number): number {
    const inObject = this.#frames.at(-1)?.fields !== undefined;
    if (code === 0x2c) return this.#sign(',', inObject ? 'key' : 'item', at);
    if (code === (inObject ? 0x7d : 0x5d)) return this.#close(inObject ? '}' : ']', at);
    return this.#fail('invalid JSON');
  }

  /** A value begins here. */
  #begin(text: string, code: number, at: number, last: boolean): number {
    if (code === 0x22) {
      this.#place(at);
      return this.#sign('"', 'text', at);
    }
    if (code === 0x7b || code === 0x5b) return this.#open(code === 0x7b, at);
    const [word, value] = words.get(code) ?? ['', undefined];
    if (word !== '') {
      if (text.startsWith(word, at)) return this.#scalar(word, value, at);
      return !last && word.startsWith(text.slice(at)) ? at : this.#fail('invalid JSON');
    }
    return this.#numeral(text, at, last);
  }

  #numeral(text: string, at: number, last: boolean): number {
    this.#numeralRun.lastIndex = at;
    const found = this.#numeralRun.exec(text)?.[0] ?? '';
    if (found.length > maxDigits) return this.#fail(`a number of more than ${maxDigits} digits`);
    if (!last && found !== '' && at + found.length === text.length) return at;
    return numeral.test(found) ? this.#scalar(found, numberFrom(found), at) : this.#fail('invalid JSON');
  }

  #scalar(text: string, value: unknown | JsonNumber, at: number): number {
    this.#place(at);
    this.#emit(text);
    if (text.length >= watchedDigits) this.#watched(text, true);
    this.#complete(value, at + text.length);
    return at + text.length;
  }

  #open(isObject: boolean, at: number): number {
    if (this.#frames.length >= maxDepth) return this.#fail('nesting without end');
    this.#place(at);
    this.#frames.push({
      items: isObject ? undefined : [],
      fields: isObject ? {} : undefined,
      names: isObject ? new Set() : undefined,
      places: this.#keepsPlaces && (!isObject || this.#frames.length < placedDepth) ? [] : undefined,
      order: [],
      key: '',
    });
    return this.#sign(isObject ? '{' : '[', isObject ? 'first-key' : 'first-item', at);
  }

  #close(sign: string, at: number): number {
    const frame = this.#frames.pop();
    if (frame?.items !== undefined && frame.places !== undefined) this.#places.set(frame.items, frame.places);
    if (frame?.fields !== undefined && frame.places !== undefined) {
      const { places } = frame;
      const byName = frame.order.map(
        (name, index) => [name, [places[index * 2] ?? 0, places[index * 2 + 1] ?? 0]] as const,
      );
      this.#fieldPlaces.set(frame.fields, new Map(byName));
    }
    this.#emit(sign);
    this.#complete(frame?.fields ?? frame?.items, at + 1);
    return at + 1;
  }

  /** Of a string, what is here. */
  #piece(text: string, at: number, clean: boolean, last: boolean): number {
    const quote = closingQuote(text, at);
    if (quote < 0 && last) return this.#fail('invalid JSON');
    const stop = quote < 0 ? safeCut(text, at) : quote;
    const piece = readPiece(text.slice(at, stop), clean);
    if (typeof piece === 'string') return this.#fail(piece);
    this.#plain &&= piece.text === piece.written;
    this.#string = this.#string === '' ? piece.text : this.#string + piece.text;
    if (this.#next === 'text') this.#watched(piece.text, quote >= 0);
    if (piece.written.length < longPiece || piece.written !== piece.text || !this.#emitBytes(at, stop)) {
      this.#emit(piece.written);
    }
    if (quote < 0) return stop;
    const whole = this.#string;
    this.#string = '';
    this.#emit('"');
    if (this.#next === 'text') this.#complete(whole, stop + 1);
    else if (!this.#name(whole)) return stop;
    return stop + 1;
  }

  #watched(piece: string, complete: boolean): void {
    const frame = this.#watch === undefined ? undefined : this.#frames.at(-1);
    if (frame?.items !== undefined) this.#watch?.text(frame.items, frame.items.length, piece, complete);
    else if (frame?.fields !== undefined) this.#watch?.text(frame.fields, frame.key, piece, complete);
  }

  #name(name: string): boolean {
    const frame = this.#frames.at(-1);
    const folded = foldName(name);
    if (frame?.names?.has(folded) === true) {
      this.#fail(`the name "${name.slice(0, 64)}" twice in one object, letter case aside`);
      return false;
    }
    if ((frame?.names?.size ?? 0) >= maxNames) {
      this.#fail(`an object of more than ${maxNames} names`);
      return false;
    }
    frame?.names?.add(folded);
    if (frame !== undefined) frame.key = name;
    if (frame?.fields !== undefined) this.#watch?.name(frame.fields, name);
    if (frame?.places !== undefined) frame.order.push(name);
    this.#next = 'colon';
    return true;
  }

  #complete(value: unknown, end: number): void {
    this.#values += 1;
    if (this.#values > maxValues) return void this.#fail(`more than ${maxValues} values`);
    const frame = this.#frames.at(-1);
    this.#next = frame === undefined ? 'nothing' : 'comma';
    frame?.places?.push(this.#before + end);
    if (frame === undefined) this.#value = value;
    else if (frame.items !== undefined) frame.items.push(value);
    else if (frame.fields !== undefined) {
      // A field of its own, also one called __proto__.
      if (frame.key !== '__proto__') frame.fields[frame.key] = value;
      else
        Object.defineProperty(frame.fields, frame.key, { value, enumerable: true, configurable: true, writable: true });
    }
  }

  #place(at: number): void {
    this.#frames.at(-1)?.places?.push(this.#before + at);
  }

  #sign(sign: string, next: Next, at: number): number {
    this.#emit(sign);
    this.#next = next;
    return at + 1;
  }

  #emit(text: string): void {
    this.#out = this.#out === '' ? text : this.#out + text;
    if (this.#out.length > writeLength) this.#flush();
  }

  /** The same for a long piece whose encoding is at hand; false where it is not. */
  #emitBytes(at: number, stop: number): boolean {
    if (this.#ascii === undefined || at < this.#asciiFrom) return false;
    this.#flush();
    this.#written.push(this.#ascii.subarray(at - this.#asciiFrom, stop - this.#asciiFrom));
    return true;
  }

  #flush(): void {
    if (this.#out !== '') this.#written.push(utf8(this.#out));
    this.#out = '';
  }

  #fail(why: string): number {
    this.#why ??= why;
    this.#carry = '';
    return Infinity;
  }
}

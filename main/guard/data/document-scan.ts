/**
 * Looks through the values and names of a JSON document while it is read. Pure.
 *
 * What is read is put together to one text, `"name": "value"` a line, and detectors are asked for a window of it at a time: their work follows the
 * bytes as they come, however they are cut into values, and a name stands beside its value as in a file. Windows overlap, so that whatever is no
 * longer than the overlap is seen whole in one of them.
 */
import type { JsonWatch } from '../json/json-reader.ts';
import type { Detector } from './found.ts';

/** Where something stands: under a name or index of an object or list of the document. */
export interface FoundPlace {
  readonly within: object;
  readonly key: string | number;
  /** It stands in the name, not in the value. */
  readonly inName: boolean;
  /** Its class. */
  readonly name: string;
  /** The part of the value, or of the name, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

const windowLength = 8 * 1024;
/** The longest of what is looked for: a private key of 4096 bits with its armour. */
const overlapLength = 4 * 1024;
/** Long pieces are taken in parts, so that no window is much longer than it has to be. */
const partLength = 1024;
/** What a window sees before its first own character, so that nothing begins in the middle of a word. */
const contextLength = 64;
/** More of one document are not told apart: it is then full of them. */
const maxFound = 10_000;

/** One value or name, and where it stands in the text. */
interface Span {
  readonly within: object;
  readonly key: string | number;
  readonly inName: boolean;
  readonly start: number;
  end: number;
}

/** Told of a document by its reader; gives what was found once it is complete. */
export class DocumentScan implements JsonWatch {
  readonly #detect: Detector;
  readonly #found: FoundPlace[] = [];
  #text = '';
  /** Where the text here stands in the whole; what begins before `#own` was told by the window before. */
  #base = 0;
  #own = 0;
  #spans: Span[] = [];
  /** The value that is not complete. */
  #open: Span | undefined;

  constructor(detect: Detector) {
    this.#detect = detect;
  }

  name(within: object, name: string): void {
    this.#append('"');
    this.#spans.push({ within, key: name, inName: true, start: this.#end, end: this.#end + name.length });
    this.#append(`${name}": `);
  }

  text(within: object, key: string | number, piece: string, complete: boolean): void {
    if (this.#open === undefined) {
      this.#append('"');
      this.#open = { within, key, inName: false, start: this.#end, end: this.#end };
      this.#spans.push(this.#open);
    }
    for (let at = 0; at < piece.length; at += partLength) {
      const part = piece.slice(at, at + partLength);
      this.#open.end += part.length;
      this.#append(part);
    }
    if (!complete) return;
    this.#open = undefined;
    this.#append('"\n');
  }

  /** The document is complete. What was found in it, in its order. */
  end(): readonly FoundPlace[] {
    this.#look(this.#end);
    return this.#found;
  }

  get #end(): number {
    return this.#base + this.#text.length;
  }

  #append(text: string): void {
    this.#text += text;
    while (this.#text.length >= windowLength + overlapLength) {
      this.#look(this.#end - overlapLength);
    }
  }

  /** Tell what begins before `until`, and go on from there. */
  #look(until: number): void {
    for (const { name, start, end } of this.#detect(this.#text)) {
      const from = this.#base + start;
      if (from >= this.#own && from < until) this.#tell(name, from, this.#base + end);
    }
    const kept = Math.max(this.#base, until - contextLength);
    this.#text = this.#text.slice(kept - this.#base);
    this.#base = kept;
    this.#own = until;
    this.#spans = this.#spans.filter((span) => span.end > kept || span === this.#open);
  }

  /** What reaches over several values is told of each; a name beside its value only helped to find it. */
  #tell(name: string, from: number, to: number): void {
    const touched = this.#spans.filter(({ start, end }) => start < to && end > from);
    const values = touched.filter(({ inName }) => !inName);
    for (const { within, key, inName, start, end } of values.length === 0 ? touched : values) {
      if (this.#found.length >= maxFound) return;
      this.#found.push({ within, key, inName, name, start: Math.max(0, from - start), end: Math.min(end, to) - start });
    }
  }
}

/**
 * A `text/event-stream` cut into whole events, as the bytes come. Pure.
 * Source: HTML standard, section 9.2.6 "Interpreting an event stream": lines end with CRLF, LF or CR, an empty one ends the event.
 */
import { HeldBytes, textOf, utf8 } from '../bytes.ts';

const [lf, cr] = [10, 13];

/** The events of one answer, each with the bytes it stood in. */
/** Told of the data of one event as it comes, a line break behind each line of it. */
export interface EventSink {
  push(bytes: Uint8Array): void;
}

/** One event that is complete. */
export interface SplitEvent<S> {
  /** The pieces it came in, its empty line included. */
  readonly parts: readonly Uint8Array[];
  /** What was told of its data; undefined where that began in a way that readers take differently. */
  readonly sink: S | undefined;
}

const dataField: Uint8Array = Uint8Array.of(0x64, 0x61, 0x74, 0x61, 0x3a); // data:
const lineBreak: Uint8Array = Uint8Array.of(lf);
/** A byte order mark begins with it. */
const markByte = 0xef;

/** Cuts a stream into events; `open` makes a sink for the data of each. */
export class EventSplitter<S extends EventSink = EventSink> {
  readonly #open: (() => S) | undefined;
  #held = new HeldBytes();
  #lineIsEmpty = true;
  #afterCr = false;
  #sink: S | undefined;
  #isFirstByte = true;
  /** Of the name of the line's field, how many bytes are those of `data:`; beyond them its value is told, `other`: it is not. */
  #line: number | 'data' | 'other' = 0;

  constructor(open?: () => S) {
    this.#open = open;
    this.#sink = open?.();
  }

  /** Bytes of an event that is not complete. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Every event these bytes complete. */
  push(bytes: Uint8Array): readonly SplitEvent<S>[] {
    const events: SplitEvent<S>[] = [];
    let start = 0;
    let value = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte === lf && this.#afterCr) {
        // The second half of a line end that counted already.
        this.#afterCr = false;
        // Behind an event that went on with it.
        if (start === at && this.#held.length === 0) start = at + 1;
        continue;
      }
      this.#afterCr = byte === cr;
      if (byte !== lf && byte !== cr) {
        this.#lineIsEmpty = false;
        if (this.#line !== 'data' && this.#line !== 'other') value = this.#named(byte, at);
        continue;
      }
      if (this.#line === 'data') {
        this.#sink?.push(bytes.subarray(value, at));
        this.#sink?.push(lineBreak);
      }
      this.#line = 0;
      if (this.#lineIsEmpty) {
        if (byte === cr && bytes[at + 1] === lf) {
          at += 1;
          this.#afterCr = false;
        }
        this.#held.push(bytes.subarray(start, at + 1));
        // Readers wait for what may follow a CR, which may come late or be the end: the line ends with both.
        if (this.#afterCr) this.#held.push(lineBreak);
        events.push({ parts: this.#held.parts(), sink: this.#sink });
        this.#held = new HeldBytes();
        this.#sink = this.#open?.();
        this.#isFirstByte = true;
        start = at + 1;
      }
      this.#lineIsEmpty = true;
    }
    if (this.#line === 'data') this.#sink?.push(bytes.subarray(value));
    if (start < bytes.length) this.#held.push(bytes.subarray(start));
    return events;
  }

  /** A byte of the line before its value; where the value begins. */
  #named(byte: number, at: number): number {
    if (this.#isFirstByte && byte === markByte) this.#sink = undefined;
    this.#isFirstByte = false;
    if (this.#line === dataField.length) {
      this.#line = 'data';
      return byte === 0x20 ? at + 1 : at;
    }
    if (typeof this.#line === 'number') this.#line = byte === dataField[this.#line] ? this.#line + 1 : 'other';
    return 0;
  }
}

/** One event, read. */
export interface ServerEvent {
  /** `message` where none is named. */
  readonly type: string;
  readonly data: string;
  /** The lines that are not data, as they came. */
  readonly otherLines: readonly string[];
}

/** Read one event; undefined where it is not UTF-8. */
export function parseEvent(parts: readonly Uint8Array[]): ServerEvent | undefined {
  const text = textOf(parts);
  if (text === undefined) return undefined;
  const data: string[] = [];
  const otherLines: string[] = [];
  let type = 'message';
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    else otherLines.push(line);
    if (field === 'event' && value !== '') type = value;
  }
  return { type, data: data.join('\n'), otherLines };
}

/** The event with other data (one line, as JSON is). */
export function encodeEvent(event: ServerEvent, data: string): Uint8Array {
  return utf8(`${event.otherLines.map((line) => `${line}\n`).join('')}data: ${data}\n\n`);
}

/**
 * A `text/event-stream` cut into whole events, as the bytes come. Pure.
 * Source: HTML standard, section 9.2.6 "Interpreting an event stream": lines end with CRLF, LF or CR, an empty one ends the event.
 */
import { HeldBytes, textOf, utf8 } from '../bytes.ts';

const [lf, cr] = [10, 13];

/** The events of one answer, each with the bytes it stood in. */
export class EventSplitter {
  #held = new HeldBytes();
  #lineIsEmpty = true;
  #afterCr = false;

  /** Bytes of an event that is not complete. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Every event these bytes complete, as the pieces it came in, its empty line included. */
  push(bytes: Uint8Array): readonly (readonly Uint8Array[])[] {
    const events: (readonly Uint8Array[])[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte === lf && this.#afterCr) {
        // The second half of a line end that counted already.
        this.#afterCr = false;
        continue;
      }
      this.#afterCr = byte === cr;
      if (byte !== lf && byte !== cr) {
        this.#lineIsEmpty = false;
        continue;
      }
      if (this.#lineIsEmpty) {
        this.#held.push(bytes.subarray(start, at + 1));
        events.push(this.#held.parts());
        this.#held = new HeldBytes();
        start = at + 1;
      }
      this.#lineIsEmpty = true;
    }
    if (start < bytes.length) this.#held.push(bytes.subarray(start));
    return events;
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

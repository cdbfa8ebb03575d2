/** Server-sent events, as far as MCP uses them. Source: WHATWG HTML, section 9.2 (server-sent events). */

export interface ServerEvent {
  /** `message` where it says nothing else. */
  readonly type: string;
  readonly data: string;
}

/** Feed decoded text in any chunking; finished events come out. Memory is bounded by `maxChars`. */
export class EventStream {
  /** Id of the last event that had one: where to go on after a break. */
  lastId: string | undefined;
  /** How long the server asks to wait before that, in ms. */
  retryMs: number | undefined;
  readonly #maxChars: number;
  /** A line without its end yet, in the pieces it came in: a long one is put together once. */
  #rest: string[] = [];
  #restChars = 0;
  #data: string[] = [];
  #dataChars = 0;
  #type = '';
  #first = true;

  constructor(maxChars = 64 * 1024 * 1024) {
    this.#maxChars = maxChars;
  }

  /** Events that ended in this chunk. Throws RangeError beyond the bound. */
  push(text: string): ServerEvent[] {
    const piece = this.#first ? text.replace(/^\uFEFF/, '') : text;
    this.#first &&= text === '';
    this.#hold(piece);
    if (this.#restChars + this.#dataChars > this.#maxChars) throw new RangeError('an event is too large');
    // A lone CR at the end may be the first half of CRLF: it waits for what follows.
    if (!/[\r\n]/.test(piece) && this.#rest.at(-2)?.endsWith('\r') !== true) return [];
    const whole = this.#rest.join('');
    const events: ServerEvent[] = [];
    let start = 0;
    const breaks = /\r\n|\n|\r(?!$)/g;
    for (let found = breaks.exec(whole); found !== null; found = breaks.exec(whole)) {
      const event = this.#line(whole.slice(start, found.index));
      if (event !== undefined) events.push(event);
      start = breaks.lastIndex;
    }
    this.#rest = [];
    this.#restChars = 0;
    this.#hold(whole.slice(start));
    return events;
  }

  #hold(piece: string): void {
    if (piece === '') return;
    this.#rest.push(piece);
    this.#restChars += piece.length;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') return this.#finish();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#dataChars += value.length;
    } else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.lastId = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #finish(): ServerEvent | undefined {
    const [data, type] = [this.#data, this.#type];
    this.#data = [];
    this.#dataChars = 0;
    this.#type = '';
    return data.length === 0 ? undefined : { type: type === '' ? 'message' : type, data: data.join('\n') };
  }
}

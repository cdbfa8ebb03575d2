/** Server-sent events, as far as MCP uses them: the data of each event. Source: WHATWG HTML, section 9.2 (server-sent events). */

/** Feed decoded text in any chunking; each finished event's data comes out. Memory is bounded by `maxChars`. */
export class EventStream {
  readonly #maxChars: number;
  #rest = '';
  #data: string[] = [];

  constructor(maxChars = 64 * 1024 * 1024) {
    this.#maxChars = maxChars;
  }

  /** Data of the events that ended in this chunk. Throws RangeError beyond the bound. */
  push(text: string): string[] {
    this.#rest += text;
    if (this.#rest.length > this.#maxChars) throw new RangeError('an event is too large');
    const events: string[] = [];
    // A lone CR at the end may be the first half of CRLF: it waits for what follows.
    for (;;) {
      const found = /\r\n|\n|\r(?!$)/.exec(this.#rest);
      if (found === null) return events;
      const line = this.#rest.slice(0, found.index);
      this.#rest = this.#rest.slice(found.index + found[0].length);
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'));
        this.#data = [];
      } else if (line.startsWith('data:')) this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    }
  }
}

/** Looks for token figures in an answer as it passes: event by event, or in JSON at its end. What it keeps are copies. Pure. */
import { HeldBytes, textOf } from '../bytes.ts';
import { parseStrictJson } from '../json/strict-json.ts';
import { EventSplitter, parseEvent } from './event-stream.ts';
import type { AnswerPlan } from './exchanges.ts';
import { fieldOf, mediaTypeOf, type ResponseHead } from './head.ts';
import { TokenMeter, type TokenUse } from './llm.ts';

/** An answer or event beyond this is no longer read; its tokens are estimated. */
const maxReadBytes = 32 * 1024 * 1024;

export class TokenReader {
  readonly #meter = new TokenMeter();
  readonly #splitter = new EventSplitter();
  readonly #json = new HeldBytes();
  #how: 'events' | 'json' | 'count' = 'count';
  #bytes = 0;

  /** Begin with an answer's head; the plan passes everything on. */
  read(head: ResponseHead): AnswerPlan {
    const coding = fieldOf(head, 'content-encoding');
    const type = mediaTypeOf(head) ?? '';
    if (coding === undefined || coding === 'identity') {
      if (type === 'text/event-stream') this.#how = 'events';
      else if (type.endsWith('json')) this.#how = 'json';
    }
    return { kind: 'pass', tap: (payload) => this.#see(payload) };
  }

  /** What was used, once the answer is over. */
  total(requestBytes: number): TokenUse {
    if (this.#how === 'json') this.#text(textOf(this.#json.parts()));
    return this.#meter.total(requestBytes, this.#bytes);
  }

  #see(payload: Uint8Array): void {
    this.#bytes += payload.length;
    if (this.#how === 'count') return;
    // The payload has another owner from here on.
    const copy = payload.slice();
    if (this.#how === 'json') this.#json.push(copy);
    else for (const parts of this.#splitter.push(copy)) this.#text(parseEvent(parts)?.data);
    if (Math.max(this.#json.length, this.#splitter.heldBytes) > maxReadBytes) this.#how = 'count';
  }

  #text(text: string | undefined): void {
    const json = text === undefined ? undefined : parseStrictJson(text);
    if (json?.kind === 'json') this.#meter.see(json.value);
  }
}

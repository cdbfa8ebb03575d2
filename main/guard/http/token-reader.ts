/**
 * Looks for token figures in an answer as it passes: event by event, line by line, message by message, or in JSON at its end. Where the call
 * may use no more than a part of a budget, a stream is ended at the number, in the words of its dialect. Pure; what it keeps are copies.
 */
import type { Reason } from '../../base/reason.ts';
import { ByteCollector, HeldBytes, textOf, utf8 } from '../bytes.ts';
import { isRecord, parseStrictJson } from '../json/strict-json.ts';
import { AwsMessages } from './aws-event-stream.ts';
import { writeJson } from '../json/write-json.ts';
import { encodeEvent, EventSplitter, parseEvent } from './event-stream.ts';
import { fieldOf, mediaTypeOf, type ResponseHead } from './head.ts';
import type { AnswerPlan } from './plans.ts';
import { StreamEnd } from './stream-end.ts';
import type { StreamLook } from './stream-look.ts';
import { TokenEstimate } from './token-estimate.ts';
import { TokenMeter, type TokenUse } from './token-meter.ts';

/** An answer or event beyond this is no longer read; its tokens are estimated. */
const maxReadBytes = 32 * 1024 * 1024;
/** A stream that goes on only as it is read is ended where one event is longer: it would be held without an end. An image in one piece has room. */
const maxEventBytes = 16 * 1024 * 1024;
const lf = 10;
/** The end of OpenAI's streams, which is no JSON. */
const lastData = '[DONE]';

/** Where an answer is to be ended. */
export interface TokenLimit {
  /** Why the answer ends here where this call has used so much, what it asks included; undefined where it may go on. */
  beyond(use: TokenUse): Reason | undefined;
}

/** Looks into one answer. */
export class TokenReader {
  readonly #requestTokens: number;
  readonly #limit: TokenLimit | undefined;
  readonly #meter = new TokenMeter();
  readonly #splitter = new EventSplitter();
  readonly #aws = new AwsMessages();
  readonly #line = new ByteCollector();
  #json = new HeldBytes();
  readonly #end: StreamEnd;
  #how: 'events' | 'lines' | 'aws' | 'json' | 'count' = 'count';
  readonly #passed = new TokenEstimate();
  #isJsonWhole = false;
  #over: Reason | undefined;
  #look: StreamLook | undefined;
  #isLimited = false;

  /** `target`: what was asked, whose dialect the answer speaks; `requestTokens`: by estimate. */
  constructor(target: string, requestTokens: number, limit?: TokenLimit) {
    this.#requestTokens = requestTokens;
    this.#limit = limit;
    this.#end = new StreamEnd(target);
  }

  /** Begin with an answer's head; `look`: a stream is also looked through. */
  read(head: ResponseHead, look?: StreamLook): AnswerPlan {
    const coding = fieldOf(head, 'content-encoding');
    const type = mediaTypeOf(head) ?? '';
    if (coding === undefined || coding === 'identity') this.#how = howToRead(type);
    const counted = ['input', 'output'].map((kind) => Number(fieldOf(head, `x-amzn-bedrock-${kind}-token-count`)) || 0);
    this.#meter.seeCounts(counted[0] ?? 0, counted[1] ?? 0);
    this.#isLimited = this.#limit !== undefined && head.status < 300;
    if (this.streams && (this.#isLimited || look !== undefined)) {
      this.#look = look;
      return {
        kind: 'rewrite',
        write: (payload) => this.#written(payload),
        end: () => this.#lastWritten(),
        ended: () => this.#over,
        heldBytes: () => this.#heldBytes(),
      };
    }
    return { kind: 'pass', tap: (payload) => this.#see(payload) };
  }

  /** It is read piece by piece: what passed of it is known even where it was cut off. */
  get streams(): boolean {
    return this.#how === 'events' || this.#how === 'lines' || this.#how === 'aws';
  }

  /** The answer says itself that it is all there: its document is whole, or its stream said its last. Once it is over. */
  sawItsEnd(): boolean {
    this.#readRest();
    return this.streams ? this.#end.hasEnded : this.#isJsonWhole;
  }

  /** What was used, once the answer is over; `complete` is false where it was cut off. */
  total(complete: boolean): TokenUse {
    this.#readRest();
    if (this.#over !== undefined) return this.#meter.running(this.#requestTokens);
    return this.#meter.total(this.#requestTokens, this.#passed.tokens, complete);
  }

  /** What is read only at its end. */
  #readRest(): void {
    if (this.#how === 'json' && this.#json.length > 0) {
      this.#isJsonWhole = this.#text(textOf(this.#json.parts())) !== undefined;
      this.#json = new HeldBytes();
    }
    if (this.#how === 'lines' && this.#line.length > 0) this.#text(textOf([this.#line.take()]));
  }

  #see(payload: Uint8Array): void {
    this.#passed.push(payload);
    if (this.#how === 'count') return;
    // The payload has another owner from here on.
    const copy = payload.slice();
    if (this.#how === 'json') this.#json.push(copy);
    else for (const piece of this.#pieces(copy)) this.#text(piece.text);
    if (this.#heldBytes() > maxReadBytes) this.#how = 'count';
  }

  /** Of whatever it is read as, what waits for its end. */
  #heldBytes(): number {
    return this.#json.length + this.#splitter.heldBytes + this.#line.length + this.#aws.heldBytes;
  }

  /** The same, piece by piece: what goes on, and behind the number the stream's end. */
  #written(payload: Uint8Array): readonly Uint8Array[] {
    if (this.#over !== undefined) return [];
    this.#passed.push(payload);
    const written = this.#goingOn(this.#pieces(payload));
    if (this.#over !== undefined || this.#heldBytes() <= maxEventBytes) return written;
    const sentence = `an answer was ended: an event of it is longer than ${maxEventBytes} bytes`;
    this.#over = { code: 'guard.http.too_large', sentence, rule: 'guard:http.size' };
    return [...written, ...this.#end.write(this.#how, this.#meter.running(this.#requestTokens))];
  }

  /** A line that nothing ended, and what was held to be looked through. */
  #lastWritten(): readonly Uint8Array[] {
    if (this.#over !== undefined) return [];
    const rest = this.#line.length > 0 ? [this.#line.take()] : [];
    const last = this.#goingOn(rest.map((line) => ({ bytes: [line], text: textOf([line]) })));
    const held = this.#over === undefined ? (this.#look?.end() ?? []) : [];
    return [...last, ...held, ...(this.#over === undefined ? this.#endedByLook() : [])];
  }

  #goingOn(pieces: readonly Piece[]): readonly Uint8Array[] {
    const written: Uint8Array[] = [];
    for (const piece of pieces) {
      const read = this.#text(piece.text);
      const used = this.#meter.running(this.#requestTokens);
      const over = this.#isLimited ? this.#limit?.beyond(used) : undefined;
      if (over !== undefined && !this.#end.isEnd) {
        this.#over = over;
        return [...written, ...(this.#look?.end() ?? []), ...this.#end.write(this.#how, used)];
      }
      written.push(...this.#looked(piece, read));
      const ended = this.#endedByLook();
      if (ended.length > 0) return [...written, ...ended];
    }
    return written;
  }

  #looked({ bytes, text }: Piece, read: Read | undefined): readonly Uint8Array[] {
    if (this.#look === undefined) return bytes;
    const isEmpty = text !== undefined && (text.trim() === '' || text.trim() === lastData);
    // What cannot be looked through does not go on where something might be withheld.
    if (read === undefined && !isEmpty && this.#look.binds) return [];
    return this.#look.take(bytes, read?.value, this.#writing(bytes));
  }

  /** How a piece is written anew; a binary message is not. */
  #writing(bytes: readonly Uint8Array[]): ((value: unknown) => Uint8Array) | undefined {
    if (this.#how === 'lines') return (value) => utf8(`${writeJson(value)}\n`);
    if (this.#how !== 'events') return undefined;
    return (value) => {
      const event = parseEvent(bytes);
      return event === undefined ? utf8('') : encodeEvent(event, writeJson(value));
    };
  }

  /** The stream's end, where it ends for what was found in it. */
  #endedByLook(): readonly Uint8Array[] {
    const refused = this.#look?.refused;
    if (refused === undefined) return [];
    const sentence = `an answer was ended: ${refused.why}`;
    this.#over = { code: 'guard.http.data_refused', sentence, rule: refused.rule };
    return this.#end.write(this.#how, this.#meter.running(this.#requestTokens), 'filtered');
  }

  #pieces(bytes: Uint8Array): readonly Piece[] {
    if (this.#how === 'events') {
      return this.#splitter.push(bytes).map(({ parts }) => ({ bytes: parts, text: parseEvent(parts)?.data }));
    }
    if (this.#how === 'aws') {
      const messages = this.#aws.push(bytes);
      if (messages === undefined) {
        this.#how = 'count';
        return [{ bytes: [bytes], text: undefined }];
      }
      return messages.map(({ whole, payload }) => ({ bytes: [whole], text: textOf([payload]) }));
    }
    return this.#lines(bytes);
  }

  #lines(bytes: Uint8Array): readonly Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    for (let found = bytes.indexOf(lf); found >= 0; found = bytes.indexOf(lf, start)) {
      this.#line.append(bytes.subarray(start, found + 1));
      start = found + 1;
      const line = this.#line.take();
      pieces.push({ bytes: [line], text: textOf([line]) });
    }
    this.#line.append(bytes.subarray(start));
    return pieces;
  }

  /** Undefined where it is no document. */
  #text(text: string | undefined): Read | undefined {
    if (text?.trim() === lastData) this.#end.hasEnded = true;
    const json = text === undefined || !/^\s*[[{]/.test(text) ? undefined : parseStrictJson(text);
    if (json?.kind !== 'json') return undefined;
    const value = isRecord(json.value) ? unwrapped(json.value) : json.value;
    this.#meter.see(value);
    this.#end.see(value);
    return { value };
  }
}

/** A document that was read. */
interface Read {
  readonly value: unknown;
}

/** One event, line or message: its bytes as they came, and the text that may hold figures. */
interface Piece {
  readonly bytes: readonly Uint8Array[];
  readonly text: string | undefined;
}

function howToRead(type: string): 'events' | 'lines' | 'aws' | 'json' | 'count' {
  if (type === 'text/event-stream') return 'events';
  if (type === 'application/vnd.amazon.eventstream') return 'aws';
  if (/^application\/(?:x-)?(?:ndjson|jsonl|json-seq|jsonlines)$|^application\/stream\+json$/.test(type))
    return 'lines';
  return type.endsWith('json') ? 'json' : 'count';
}

/** Bedrock's invoke stream holds the model's own event in base64. */
function unwrapped(event: Readonly<Record<string, unknown>>): unknown {
  const bytes = typeof event.bytes === 'string' ? event.bytes : undefined;
  if (bytes === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(bytes)) return event;
  try {
    const inner = parseStrictJson(textOf([Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0))]) ?? '');
    return inner.kind === 'json' ? inner.value : event;
  } catch (error) {
    // atob names bad input by a DOMException; there is nothing else it throws.
    if (error instanceof Error) return event;
    throw error;
  }
}

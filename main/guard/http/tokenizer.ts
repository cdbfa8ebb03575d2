/**
 * One direction of an HTTP/1.x connection cut into heads, payload, framing and ends, as the bytes come. Pure, no copy of payload.
 *
 * A fault ends it: from there on nobody can say where a message begins. Source: RFC 9112.
 */
import { ByteCollector } from '../bytes.ts';
import { framingOf, isFault, maxHeadBytes, parseHead, type BodyFraming, type HttpHead } from './head.ts';

/** The longest chunk-size or trailer line. Implementation limit. */
const maxLineBytes = 8 * 1024;
const maxTrailerBytes = 16 * 1024;
const [cr, lf] = [13, 10];

/** Is told what was found, in order. Views are of the chunk pushed, or its own copies. */
export interface TokenSink {
  /** Method the next response answers; undefined where none is expected. Responses only. */
  answersTo?(): string | undefined;
  head(head: HttpHead, framing: BodyFraming): void;
  /** Payload. */
  data(bytes: Uint8Array): void;
  /** Bytes between the payload that carry none: chunk sizes, line ends, trailers. */
  framing(bytes: Uint8Array): void;
  /** The message is complete. */
  end(): void;
  /** Bytes after `switchToTunnel`. */
  tunnelled(bytes: Uint8Array): void;
  /** Not HTTP, or ambiguous. Last call. */
  fault(why: string): void;
}

type State = 'head' | 'length' | 'until-close' | 'size' | 'chunk' | 'chunk-end' | 'trailer' | 'tunnel' | 'dead';

/** One direction of one connection. */
export class HttpTokenizer {
  readonly #side: 'request' | 'response';
  readonly #sink: TokenSink;
  readonly #partial = new ByteCollector();
  #state: State = 'head';
  /** Payload bytes left of the length or chunk. */
  #left = 0;
  #trailerBytes = 0;
  #paused = false;

  constructor(side: 'request' | 'response', sink: TokenSink) {
    this.#side = side;
    this.#sink = sink;
  }

  /** Bytes of a line or head that is not complete yet. */
  get heldBytes(): number {
    return this.#partial.length;
  }

  /** True between messages, with nothing begun. */
  get idle(): boolean {
    return this.#state === 'head' && this.#partial.length === 0;
  }

  /** From the next byte on nothing is HTTP any more (after 101). */
  switchToTunnel(): void {
    if (this.#state !== 'dead') this.#state = 'tunnel';
  }

  /** Read these bytes; what is left of them where a sink called `pause` meanwhile. */
  push(chunk: Uint8Array): Uint8Array | undefined {
    let at = 0;
    while (at < chunk.length && this.#state !== 'dead' && !this.#paused) at = this.#step(chunk, at);
    return this.#paused && at < chunk.length ? chunk.subarray(at) : undefined;
  }

  /** Stop behind the message that is read; `resume`, then push what was left. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  /** The stream ended: a body that runs until then is complete. */
  finish(): void {
    if (this.#state !== 'until-close') return;
    this.#state = 'head';
    this.#sink.end();
  }

  #step(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(chunk, at);
      case 'length':
      case 'chunk':
        return this.#readPayload(chunk, at);
      case 'until-close':
        this.#sink.data(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
      case 'tunnel':
        this.#sink.tunnelled(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
      case 'size':
      case 'chunk-end':
      case 'trailer':
        return this.#readLine(chunk, at);
      case 'dead':
        return chunk.length;
    }
  }

  #readHead(chunk: Uint8Array, at: number): number {
    const end = this.#headEnd(chunk, at);
    if (end === 'bare') return this.#fail('a bare LF', chunk);
    if (this.#partial.length + (end ?? chunk.length) - at > maxHeadBytes)
      return this.#fail('a head without end', chunk);
    if (end === undefined) {
      this.#partial.append(chunk.subarray(at));
      return chunk.length;
    }
    const raw = this.#whole(chunk.subarray(at, end));
    const head = parseHead(raw, this.#side);
    if (isFault(head)) return this.#fail(head.why, chunk);
    const framing = framingOf(head, this.#sink.answersTo?.());
    if (isFault(framing)) return this.#fail(framing.why, chunk);
    this.#enterBody(framing);
    this.#sink.head(head, framing);
    if (framing.kind === 'none') this.#sink.end();
    return end;
  }

  /** Index behind the empty line that ends the head; the last three bytes may stand in what was kept. */
  #headEnd(chunk: Uint8Array, at: number): number | 'bare' | undefined {
    const kept = this.#partial.tail(3);
    for (let found = chunk.indexOf(lf, at); found >= 0; found = chunk.indexOf(lf, found + 1)) {
      const byteAt = (index: number): number | undefined =>
        index >= at ? chunk[index] : kept[kept.length + index - at];
      if (byteAt(found - 1) !== cr) return 'bare';
      if (byteAt(found - 2) === lf && byteAt(found - 3) === cr) return found + 1;
    }
    return undefined;
  }

  #enterBody(framing: BodyFraming): void {
    this.#trailerBytes = 0;
    if (framing.kind === 'length') this.#left = framing.lengthBytes;
    const states = { none: 'head', length: 'length', chunked: 'size', 'until-close': 'until-close' } as const;
    this.#state = states[framing.kind];
  }

  #readPayload(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    const complete = this.#left === 0;
    const state = this.#state;
    if (complete) this.#state = state === 'length' ? 'head' : 'chunk-end';
    this.#sink.data(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (complete && state === 'length') this.#sink.end();
    return end;
  }

  #readLine(chunk: Uint8Array, at: number): number {
    const found = chunk.indexOf(lf, at);
    const end = found < 0 ? chunk.length : found + 1;
    if (this.#partial.length + end - at > maxLineBytes) return this.#fail('a chunk line without end', chunk);
    if (found < 0) {
      this.#partial.append(chunk.subarray(at));
      return chunk.length;
    }
    const line = this.#whole(chunk.subarray(at, end));
    const text = String.fromCharCode(...line);
    if (!text.endsWith('\r\n')) return this.#fail('a chunk line without CR', chunk);
    const why = this.#lineRead(text.slice(0, -2), line);
    return why === undefined ? end : this.#fail(why, chunk);
  }

  /** Act on one line of chunked framing; the fault in words where it is none. */
  #lineRead(text: string, line: Uint8Array): string | undefined {
    if (this.#state === 'chunk-end') {
      if (text !== '') return 'a chunk longer than its size';
      this.#state = 'size';
      this.#sink.framing(line);
      return undefined;
    }
    if (this.#state === 'size') {
      // Chunk extensions are read differently by different readers, and nobody here needs them.
      if (!/^[0-9A-Fa-f]{1,13}$/.test(text)) return `a chunk size "${text.slice(0, 32)}"`;
      this.#left = Number.parseInt(text, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'chunk';
      this.#sink.framing(line);
      return undefined;
    }
    this.#trailerBytes += line.length;
    if (this.#trailerBytes > maxTrailerBytes) return 'trailers without end';
    if (text === '') {
      this.#state = 'head';
      this.#sink.framing(line);
      this.#sink.end();
      return undefined;
    }
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/.test(text)) return 'a trailer that is none';
    if (/^(content-length|transfer-encoding|host|trailer|content-encoding|authorization):/i.test(text)) {
      return 'a trailer that would change the message';
    }
    this.#sink.framing(line);
    return undefined;
  }

  /** What was kept and what came now, as one; a view of the chunk where nothing was kept. */
  #whole(view: Uint8Array): Uint8Array {
    if (this.#partial.length === 0) return view;
    this.#partial.append(view);
    return this.#partial.take();
  }

  #fail(why: string, chunk: Uint8Array): number {
    this.#state = 'dead';
    this.#partial.take();
    this.#sink.fault(why);
    return chunk.length;
  }
}

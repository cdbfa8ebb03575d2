/** A stream as lines of JSON, both ways, with back-pressure: what devices and whoever keeps their records say to each other. */
import { TunnelerError } from '../../base/errors.ts';
import type { ByteSink, ByteStream } from '../../base/stream.ts';

/** Longest line taken: a journal's record has 1 MiB at most, and its escapes. */
const maxLineBytes = 4 * 1024 * 1024;
/** Lines held for a slow reader before the far side is made to wait. */
const holdLines = 2000;
const newline = 0x0a;

/** One line's two ends; iterating reads lines until the other side ends. */
export class RecordLink implements AsyncIterable<string> {
  readonly #stream: ByteStream;
  readonly #lines: string[] = [];
  #rest: Buffer[] = [];
  #restBytes = 0;
  #ended = false;
  #error: TunnelerError | undefined;
  #paused = false;
  #wake: () => void = () => undefined;
  #drained: (() => void) | undefined;

  /** Takes the stream over and starts it. */
  constructor(stream: ByteStream) {
    this.#stream = stream;
    const sink: ByteSink = {
      data: (chunk) => this.#take(chunk),
      end: () => this.#finish(undefined),
      drain: () => this.#release(),
      closed: (error) => this.#finish(error),
    };
    stream.start(sink);
  }

  /** Resolves once the stream takes more. Rejects where it is closed. */
  async send(message: object | string): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) throw new TunnelerError('base.closed', 'the other side has hung up');
    const line = typeof message === 'string' ? message : JSON.stringify(message);
    if (this.#stream.write(Buffer.from(`${line}\n`))) return;
    await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Lines that are there already, without waiting. */
  waiting(): number {
    return this.#lines.length;
  }

  /** The next line; undefined at an orderly end. Throws where the stream broke. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        if (this.#paused && this.#lines.length < holdLines / 2) {
          this.#paused = false;
          this.#stream.resume();
        }
        return line;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (let line = await this.next(); line !== undefined; line = await this.next()) yield line;
  }

  /** What was sent goes out; nothing more is read. */
  close(): void {
    this.#stream.end();
  }

  reset(error?: TunnelerError): void {
    this.#stream.reset(error);
  }

  #take(chunk: Uint8Array): void {
    let data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline)) {
      const head = data.subarray(0, end);
      const line = this.#restBytes === 0 ? head : Buffer.concat([...this.#rest, head]);
      this.#rest = [];
      this.#restBytes = 0;
      if (line.length > 0) this.#lines.push(line.toString('utf8'));
      data = data.subarray(end + 1);
    }
    if (data.length > 0) {
      this.#rest.push(data);
      this.#restBytes += data.length;
      if (this.#restBytes > maxLineBytes) {
        this.reset(new TunnelerError('base.invalid', 'a line of the record is longer than any record may be'));
        return;
      }
    }
    if (this.#lines.length > holdLines && !this.#paused) {
      this.#paused = true;
      this.#stream.pause();
    }
    this.#wake();
  }

  #finish(error: TunnelerError | undefined): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
    this.#release();
  }

  #release(): void {
    this.#drained?.();
    this.#drained = undefined;
  }
}

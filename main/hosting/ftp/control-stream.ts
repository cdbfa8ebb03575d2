/**
 * A control connection of FTP with somebody beside it who looks at each command and reply. Commands go on whole; one may go on as another, or be
 * answered here. Once the two ends have agreed on TLS, or where the server does not speak first, nothing is seen and everything passes.
 */
import type { TunnelerError } from '../../base/errors.ts';
import type { ByteSink, ByteStream } from '../../base/stream.ts';
import { ReplyReader } from './control-lines.ts';

/** What becomes of a command: goes on as it is, as other words, or is answered with these. Words have no line end. */
export type CommandFate = 'pass' | { readonly send: string } | { readonly answer: string };

/** Who looks at a control connection. */
export interface ControlWatch {
  /** Commands behind it wait where it takes its time. Never rejects. */
  command(line: string): CommandFate | Promise<CommandFate>;
  /** Of a whole reply, before it is handed on. */
  replied(code: number): void;
  /** Once: the connection is over. */
  closed(): void;
}

/** A longer line is no command that matters, and passes as it comes. */
const longestLineBytes = 4_096;
/** Of replies that are held back. */
const heldBytes = 64 * 1024;
const lineFeed = 0x0a;
/** AUTH and ADAT succeeded: RFC 2228 section 5.4, RFC 4217 section 4. */
const secured: readonly number[] = [234, 235];

/** The stream to the server: commands are written to it, replies come from it. */
export class ControlStream implements ByteStream {
  readonly kind = 'stream';
  readonly #inner: ByteStream;
  readonly #watch: ControlWatch;
  readonly #replies = new ReplyReader();
  #sink: ByteSink | undefined;
  /** Nothing can be read any more. */
  #opaque = false;
  /** The server has spoken, and as one of FTP does. */
  #greeted = false;
  /** Of a command that is not whole yet. */
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  #longLine = false;
  /** A command is being decided; what came behind it. */
  #deciding = false;
  readonly #waiting: Uint8Array[] = [];
  #endAsked = false;
  /** The writer was told to wait. */
  #writerWaits = false;
  /** Replies not handed on yet. */
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  /** Answers of our own that wait for the end of a server's reply. */
  readonly #answers: Uint8Array[] = [];
  /** Replies that wait to be let go. */
  #held: Uint8Array[] | undefined;
  /** Among them is one that ends what was asked. */
  #finished = false;
  /** Said as soon as that has come; nothing else is, before. */
  #replacing: Uint8Array | undefined;
  #paused = false;
  #ended = false;
  #over: { readonly error: TunnelerError | undefined } | undefined;

  constructor(inner: ByteStream, watch: ControlWatch) {
    this.#inner = inner;
    this.#watch = watch;
  }

  /** Hand on no replies until `release` or `replace`; they are looked at all the same. */
  hold(): void {
    this.#held ??= [];
  }

  /** Hand on what was held. Idempotent. */
  release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#finished = false;
    this.#incoming.push(...held);
    this.#deliver();
    if (!this.#paused) this.#inner.resume();
  }

  /** Say this in place of what was held, and of what comes up to the reply that ends it. */
  replace(answer: string): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#incomingBytes -= held.reduce((sum, { length }) => sum + length, 0);
    if (this.#finished) this.#held = [bytesOf(answer)];
    else [this.#held, this.#replacing] = [[], bytesOf(answer)];
    this.#incomingBytes += this.#held[0]?.length ?? 0;
    this.release();
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    this.#inner.start({
      data: (chunk) => this.#data(chunk),
      end: () => {
        this.#ended = true;
        this.#deliver();
      },
      drain: () => this.#goOn(),
      closed: (error) => {
        this.#over = { error };
        this.#watch.closed();
        this.release();
        if (error !== undefined) this.#incoming = [];
        this.#deliver();
      },
    });
  }

  write(chunk: Uint8Array): boolean {
    if (this.#endAsked || this.#over !== undefined) return false;
    const goOn = this.#deciding ? this.#put(chunk) : this.#take(chunk);
    this.#writerWaits ||= !goOn;
    return goOn;
  }

  end(): void {
    if (this.#endAsked) return;
    this.#endAsked = true;
    if (!this.#deciding) this.#end();
  }

  reset(error?: TunnelerError): void {
    this.#inner.reset(error);
  }

  pause(): void {
    this.#paused = true;
    this.#inner.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
    if (!this.#isFull()) this.#inner.resume();
  }

  #put(chunk: Uint8Array): false {
    this.#waiting.push(chunk);
    return false;
  }

  /** Commands out of the client's bytes, each decided before the next. */
  #take(chunk: Uint8Array): boolean {
    let goOn = true;
    let from = 0;
    if (!this.#greeted) this.#opaque = true;
    while (!this.#opaque && from < chunk.length) {
      const at = chunk.indexOf(lineFeed, from);
      const until = at < 0 ? chunk.length : at + 1;
      this.#line.push(chunk.subarray(from, until));
      this.#lineBytes += until - from;
      from = until;
      if (at < 0) {
        if (this.#longLine || this.#lineBytes > longestLineBytes) goOn = this.#passLine(true);
        continue;
      }
      if (this.#longLine) {
        goOn = this.#passLine(false);
        continue;
      }
      const fate = this.#watch.command(this.#text());
      if (fate instanceof Promise) {
        this.#deciding = true;
        if (from < chunk.length) this.#waiting.unshift(chunk.subarray(from));
        void fate.then((decided) => this.#decided(decided));
        return false;
      }
      goOn = this.#apply(fate);
    }
    return from < chunk.length ? this.#inner.write(chunk.subarray(from)) : goOn;
  }

  #decided(fate: CommandFate): void {
    this.#deciding = false;
    if (this.#over !== undefined) return;
    let goOn = this.#apply(fate);
    while (!this.#deciding) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      goOn = this.#take(next);
    }
    if (this.#deciding) return;
    if (this.#endAsked) this.#end();
    else if (goOn) this.#goOn();
  }

  #apply(fate: CommandFate): boolean {
    if (fate === 'pass') return this.#passLine(false);
    this.#dropLine();
    if ('send' in fate) return this.#inner.write(bytesOf(fate.send));
    this.#answers.push(bytesOf(fate.answer));
    if (this.#replies.atStart) this.#answer();
    this.#deliver();
    return true;
  }

  #passLine(goesOn: boolean): boolean {
    this.#longLine = goesOn;
    const parts = this.#line;
    this.#dropLine();
    let goOn = true;
    for (const part of parts) goOn = this.#inner.write(part);
    return goOn;
  }

  #dropLine(): void {
    this.#line = [];
    this.#lineBytes = 0;
  }

  #text(): string {
    return Buffer.concat(this.#line)
      .toString('latin1')
      .replace(/\r?\n$/, '');
  }

  #end(): void {
    this.#passLine(false);
    this.#inner.end();
  }

  #goOn(): void {
    if (!this.#writerWaits || this.#deciding || this.#endAsked || this.#over !== undefined) return;
    this.#writerWaits = false;
    this.#sink?.drain();
  }

  /** Replies, with answers of our own between the server's. */
  #data(chunk: Uint8Array): void {
    let from = 0;
    for (let at = 0; !this.#opaque && at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      const code = this.#replies.next(byte);
      if (code !== undefined) {
        this.#greeted = true;
        if (secured.includes(code)) {
          this.#opaque = true;
          this.#passLine(false);
        }
        if (this.#held !== undefined && code >= 200) this.#finished = true;
        this.#watch.replied(code);
        if (this.#replacing !== undefined && code >= 200) {
          const said = this.#replacing;
          this.#replacing = undefined;
          from = at + 1;
          this.#keep(said);
        }
      }
      if (this.#answers.length === 0 || !this.#replies.atStart) continue;
      this.#keep(chunk.subarray(from, at + 1));
      from = at + 1;
      this.#answer();
    }
    if (from < chunk.length) this.#keep(from === 0 ? chunk : chunk.subarray(from));
    this.#deliver();
    if (this.#isFull()) this.#inner.pause();
  }

  #answer(): void {
    for (const answer of this.#answers.splice(0)) this.#keep(answer);
  }

  #keep(chunk: Uint8Array): void {
    if (this.#replacing !== undefined) return;
    (this.#held ?? this.#incoming).push(chunk);
    this.#incomingBytes += chunk.length;
  }

  #isFull(): boolean {
    return this.#incomingBytes > heldBytes;
  }

  #deliver(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    while (!this.#paused) {
      const chunk = this.#incoming.shift();
      if (chunk === undefined) break;
      this.#incomingBytes -= chunk.length;
      sink.data(chunk);
    }
    if ((this.#held !== undefined || this.#incoming.length > 0) && this.#over?.error === undefined) return;
    if (this.#ended && this.#over?.error === undefined) {
      this.#ended = false;
      sink.end();
    }
    if (this.#over === undefined) return;
    this.#sink = undefined;
    sink.closed(this.#over.error);
  }
}

function bytesOf(line: string): Uint8Array {
  return Buffer.from(`${line}\r\n`, 'latin1');
}

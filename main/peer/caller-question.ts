/** The host's end of a session whose dialler is Culvert: greet it, and where nobody vouches for it, ask who it is before a byte goes on. */
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import type { ByteSink, ByteStream, StreamKind } from '../base/stream.ts';
import {
  callerProof,
  encodeWords,
  indexOfMark,
  joined,
  markOf,
  readWords,
  type CallerProof,
  type HostWords,
} from './words.ts';

/**
 * A hardware key may take its time, and so may a thousand dials at once. Every dialler that names a mark answers, if only that it has nothing to
 * sign with: who has not by then is cut off, for an answer that came later would reach the application as its own bytes.
 */
const answerWithinMs = 30_000;
/**
 * Held at most while the answer is awaited: many times what a dialler sends before it, unless its patience for the question ended and it sent on.
 * Beyond that it is cut off likewise.
 */
const heldBytes = 16 * 1024 * 1024;

/** Greet a dialler that named `mark`. Before anything else is written to `stream`. */
export function greet(stream: Pick<ByteStream, 'write'>, mark: Uint8Array, words: HostWords): void {
  stream.write(encodeWords(mark, words));
}

/** What came back, and the connection to go on with. */
export interface Answered {
  /** Undefined where the dialler ended without one, or it has not the form of one. */
  readonly proof: CallerProof | undefined;
  /** The same connection without the answer: what else was sent meanwhile comes first. Not started. */
  readonly stream: ByteStream;
}

/**
 * Await the answer to `challenge`, which a greeting has just asked. Rejects with why the connection ended, where it did before; also where it was
 * cut off here, for none came in time.
 */
export function awaitProof(inner: ByteStream, challenge: string, clock: Clock): Promise<Answered> {
  return new Promise((resolve, reject) => new Waiting(inner, challenge, clock, resolve, reject).begin());
}

class Waiting implements ByteStream {
  readonly kind: StreamKind;
  readonly #inner: ByteStream;
  readonly #mark: Uint8Array;
  readonly #clock: Clock;
  readonly #resolve: (answered: Answered) => void;
  readonly #reject: (error: TunnelerError) => void;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Where the mark was seen, in what is held; undefined until it was. */
  #markAt: number | undefined;
  /** The last bytes of what was searched, in which a mark may have begun. */
  #tail: Uint8Array = new Uint8Array();
  #timer: Disposable | undefined;
  #answered = false;
  #sink: ByteSink | undefined;
  #paused = false;
  #ended = false;
  #endTold = false;
  #closedWith: { readonly error: TunnelerError | undefined } | undefined;

  constructor(
    inner: ByteStream,
    challenge: string,
    clock: Clock,
    resolve: (answered: Answered) => void,
    reject: (error: TunnelerError) => void,
  ) {
    this.kind = inner.kind;
    this.#inner = inner;
    this.#mark = markOf(challenge) ?? new Uint8Array(16);
    this.#clock = clock;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    this.#timer = this.#clock.after(answerWithinMs, () => this.#giveUp());
    this.#inner.start({
      data: (chunk) => this.#data(chunk),
      end: () => {
        this.#ended = true;
        this.#settle(undefined);
        this.#deliver();
      },
      drain: () => this.#sink?.drain(),
      closed: (error) => this.#closed(error),
    });
  }

  // The stream that the session gets.

  start(sink: ByteSink): void {
    this.#sink = sink;
    queueMicrotask(() => this.#deliver());
  }

  write(chunk: Uint8Array): boolean {
    return this.#inner.write(chunk);
  }

  end(): void {
    this.#inner.end();
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
    this.#inner.resume();
    this.#deliver();
  }

  #data(chunk: Uint8Array): void {
    if (this.#answered && this.#sink !== undefined && this.#held.length === 0 && !this.#paused) {
      this.#sink.data(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#answered) {
      // Held for the sink that is not there yet, or that asked to wait.
      if (this.#heldBytes >= heldBytes) this.#inner.pause();
      return;
    }
    if (this.kind === 'datagram') this.#lookAtDatagram(chunk);
    else this.#look(chunk);
    if (!this.#answered && this.#heldBytes >= heldBytes) this.#giveUp();
  }

  #lookAtDatagram(chunk: Uint8Array): void {
    const found = readWords(this.#mark, chunk);
    if (found.kind !== 'words') return;
    this.#held.pop();
    this.#heldBytes -= chunk.length;
    this.#settle(callerProof(found.words));
  }

  /** Looks through what came last alone; all that is held is put together only once the mark is in it. */
  #look(chunk: Uint8Array): void {
    if (this.#markAt === undefined) {
      const last = joined(this.#tail, chunk);
      const at = indexOfMark(this.#mark, last, 0);
      this.#tail = last.subarray(-(this.#mark.length - 1));
      // A mark that has only begun stays in the tail.
      if (at < 0 || last.length - at < this.#mark.length) return;
      this.#markAt = this.#heldBytes - last.length + at;
    }
    const bytes = joined(...this.#held);
    this.#held = [bytes];
    const found = readWords(this.#mark, bytes.subarray(this.#markAt));
    if (found.kind !== 'words') return;
    const before = bytes.subarray(0, this.#markAt);
    this.#held = [before, found.rest].filter((part) => part.length > 0);
    this.#heldBytes = before.length + found.rest.length;
    this.#settle(callerProof(found.words));
  }

  #settle(proof: CallerProof | undefined): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#timer?.[Symbol.dispose]();
    this.#resolve({ proof, stream: this });
  }

  #giveUp(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#timer?.[Symbol.dispose]();
    this.#held = [];
    const error = new TunnelerError('base.timeout', 'the dialler did not say who it is');
    this.#inner.reset(error);
    this.#reject(error);
  }

  #deliver(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    while (!this.#paused && this.#held.length > 0) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#heldBytes -= chunk.length;
      sink.data(chunk);
    }
    if (this.#held.length > 0) return;
    if (!this.#paused) this.#inner.resume();
    if (this.#ended && !this.#endTold) {
      this.#endTold = true;
      sink.end();
    }
    const over = this.#closedWith;
    if (over === undefined) return;
    this.#sink = undefined;
    sink.closed(over.error);
  }

  #closed(error: TunnelerError | undefined): void {
    this.#closedWith = { error };
    if (!this.#answered) {
      this.#answered = true;
      this.#timer?.[Symbol.dispose]();
      this.#reject(error ?? new TunnelerError('base.closed', 'the dialler went before it said who it is'));
      return;
    }
    if (error !== undefined) this.#held = [];
    this.#deliver();
  }
}

/** The dialler's end of a session whose host may be Culvert: the host's first words are taken out, everything else passes as it is. */
import type { Clock } from '../base/clock.ts';
import type { TunnelerError } from '../base/errors.ts';
import type { ByteSink, ByteStream, StreamKind } from '../base/stream.ts';
import { encodeWords, hostWords, joined, markOf, readWords, type CallerProof, type HostWords } from './words.ts';

/** So long a first half-close, or much data, waits for a greeting. A host greets at once: this is a long way there and back. */
const patienceMs = 500;
/** Sent at most before the host has greeted, and while its question is being answered: the answer must not stand behind more than it holds. */
const unansweredBytes = 256 * 1024;

/** What marks the host's words, and how a question of it is answered. */
export interface GreetedOptions {
  readonly clock: Clock;
  /** The mark this dial named. */
  readonly mark: Uint8Array;
  /** Answer a challenge; undefined: this identity has nothing to sign with. Rejections count as that. */
  readonly prove: (challenge: string) => Promise<CallerProof | undefined>;
}

/** Once, with the host's first bytes: what it said, or undefined where it is no Culvert. */
export type GreetingListener = (words: HostWords | undefined) => void;

/** The dialled stream without the host's words. */
export class GreetedStream implements ByteStream {
  readonly kind: StreamKind;
  readonly #inner: ByteStream;
  readonly #options: GreetedOptions;
  #sink: ByteSink | undefined;
  /** Bytes that may be the beginning of a greeting; undefined once that is settled. */
  #undecided: Uint8Array | undefined = new Uint8Array();
  #words: HostWords | undefined;
  /** What waits for the greeting goes on waiting. */
  #patient = true;
  #listener: GreetingListener | undefined;
  #timer: Disposable | undefined;
  /** An answer is being signed. */
  #answering = false;
  /** The host has asked; what it makes of the answer comes next. */
  #asked = false;
  /** Told nobody yet: somebody waits for the greeting before the session is opened. */
  #early: Uint8Array[] | undefined;
  #earlyEnd = false;
  #earlyClose: { readonly error: TunnelerError | undefined } | undefined;
  #sent = 0;
  /** The writer was told to wait for the greeting. */
  #waits = false;
  #endAsked = false;
  #over = false;

  constructor(inner: ByteStream, options: GreetedOptions) {
    this.kind = inner.kind;
    this.#inner = inner;
    this.#options = options;
  }

  /** Told at once where it is known already. One listener. */
  onGreeting(listener: GreetingListener): void {
    this.#listener = listener;
    if (this.#settled) listener(this.#words);
  }

  /** The greeting, before the stream is started; undefined where none comes in `withinMs` or the connection ends. */
  greeting(withinMs: number): Promise<HostWords | undefined> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(withinMs, () => resolve(undefined));
      this.onGreeting((words) => {
        timer[Symbol.dispose]();
        this.#inner.pause();
        resolve(words);
      });
      this.#early = [];
      this.#begin({
        data: (chunk) => void this.#early?.push(chunk),
        end: () => (this.#earlyEnd = true),
        drain: () => undefined,
        closed: (error) => (this.#earlyClose = { error }),
      });
    });
  }

  start(sink: ByteSink): void {
    const early = this.#early;
    if (early === undefined) {
      this.#begin(sink);
      return;
    }
    this.#early = undefined;
    this.#sink = sink;
    queueMicrotask(() => {
      for (const chunk of early) sink.data(chunk);
      this.#inner.resume();
      if (this.#earlyEnd) sink.end();
      if (this.#earlyClose !== undefined) sink.closed(this.#earlyClose.error);
    });
  }

  #begin(first: ByteSink): void {
    this.#sink = first;
    this.#timer = this.#options.clock.after(patienceMs, () => {
      this.#patient = false;
      this.#goOn();
    });
    this.#inner.start({
      data: (chunk) => this.#data(chunk),
      end: () => {
        this.#noneCame();
        this.#sink?.end();
      },
      drain: () => {
        if (!this.#waits) this.#sink?.drain();
      },
      closed: (error) => this.#closed(error),
    });
  }

  write(chunk: Uint8Array): boolean {
    const goOn = this.#inner.write(chunk);
    if (!this.#answering && (this.#settled || this.#asked || !this.#patient)) return goOn;
    this.#sent += chunk.length;
    this.#waits ||= this.#sent >= unansweredBytes;
    return goOn && !this.#waits;
  }

  end(): void {
    this.#endAsked = true;
    this.#goOn();
  }

  reset(error?: TunnelerError): void {
    this.#timer?.[Symbol.dispose]();
    this.#inner.reset(error);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  get #settled(): boolean {
    return this.#undecided === undefined;
  }

  #data(chunk: Uint8Array): void {
    const { mark } = this.#options;
    if (this.#undecided === undefined) {
      this.#sink?.data(chunk);
      return;
    }
    // A datagram is whole or it is not ours.
    const bytes = this.kind === 'datagram' ? chunk : joined(this.#undecided, chunk);
    const found = readWords(mark, bytes);
    if (found.kind === 'part' && this.kind === 'stream') {
      this.#undecided = bytes;
      return;
    }
    if (found.kind !== 'words') {
      this.#settle(undefined);
      if (!this.#over) this.#sink?.data(bytes);
      return;
    }
    const words = hostWords(found.words);
    if (words.challenge !== undefined && !this.#asked) {
      this.#asked = true;
      this.#undecided = new Uint8Array();
      void this.#answer(words.challenge);
      if (found.rest.length > 0) this.#data(found.rest);
      return;
    }
    this.#settle(words);
    if (found.rest.length > 0 && !this.#over) this.#sink?.data(found.rest);
  }

  /** The host ended without a greeting, or within one: what was held is the application's. */
  #noneCame(): void {
    const held = this.#undecided;
    if (held === undefined) return;
    this.#settle(undefined);
    if (held.length > 0 && !this.#over) this.#sink?.data(held);
  }

  #settle(words: HostWords | undefined): void {
    this.#undecided = undefined;
    this.#words = words;
    this.#timer?.[Symbol.dispose]();
    this.#listener?.(words);
    this.#goOn();
  }

  async #answer(challenge: string): Promise<void> {
    const { mark, prove } = this.#options;
    this.#answering = true;
    const proof = await prove(challenge).catch(() => undefined);
    this.#answering = false;
    if (this.#over) return;
    // An empty answer says that there is none, and keeps nobody waiting.
    this.#inner.write(encodeWords(markOf(challenge) ?? mark, proof ?? { chain: '', signature: '' }));
    this.#goOn();
  }

  /** What waited for the greeting or for the answer to it. */
  #goOn(): void {
    if ((!this.#settled && !this.#asked && this.#patient) || this.#answering || this.#over) return;
    if (this.#waits) {
      this.#waits = false;
      this.#sink?.drain();
    }
    if (this.#endAsked) this.#inner.end();
  }

  #closed(error: TunnelerError | undefined): void {
    if (error === undefined) this.#noneCame();
    this.#over = true;
    this.#timer?.[Symbol.dispose]();
    if (!this.#settled) {
      this.#undecided = undefined;
      this.#listener?.(undefined);
    }
    this.#sink?.closed(error);
  }
}

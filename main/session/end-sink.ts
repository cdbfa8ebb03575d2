/** One end of a session: the sink its stream reports to, and what the pump knows of it. */
import type { TunnelerError } from '../base/errors.ts';
import type { ByteSink, ByteStream } from '../base/stream.ts';
import type { End } from './close-reason.ts';

/** What an end tells the session it belongs to. */
export interface EndOwner {
  arrived(from: End, chunk: Uint8Array): void;
  ended(from: End): void;
  drained(end: End): void;
  /** An end is over, and why follows. */
  broken(end: End): void;
  over(end: End, error: TunnelerError | undefined): void;
}

/** The sink of one end. */
export class EndSink implements ByteSink {
  readonly side: End;
  readonly stream: ByteStream;
  readonly #owner: EndOwner;
  /** Its last write asked to wait for `drain`. */
  blocked = false;
  /** We told it that nothing more comes. */
  finished = false;
  /** Its stream is closed in both directions. */
  over = false;
  #held = false;
  #mustRead = false;

  constructor(owner: EndOwner, side: End, stream: ByteStream) {
    this.#owner = owner;
    this.side = side;
    this.stream = stream;
  }

  /** Send; false asks for patience. */
  write(bytes: Uint8Array): boolean {
    // Set before the write: a stream may drain within it.
    this.blocked = true;
    const goOn = this.stream.write(bytes);
    if (goOn) this.blocked = false;
    return !this.blocked;
  }

  /** Read no more from it until `release`. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.stream.pause();
  }

  /** As `hold`, and `release` waits for its `drain`: answers that its own questions made are what it does not read. */
  holdUntilItReads(): void {
    this.#mustRead = true;
    this.hold();
  }

  release(): void {
    if (!this.#held || this.#mustRead) return;
    this.#held = false;
    this.stream.resume();
  }

  /** Nothing more is written to it. Idempotent. */
  finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.stream.end();
  }

  data(chunk: Uint8Array): void {
    this.#owner.arrived(this.side, chunk);
  }

  end(): void {
    this.#owner.ended(this.side);
  }

  drain(): void {
    this.blocked = false;
    this.#mustRead = false;
    this.#owner.drained(this.side);
  }

  cut(): void {
    this.#owner.broken(this.side);
  }

  closed(error?: TunnelerError): void {
    this.over = true;
    this.#owner.over(this.side, error);
  }
}

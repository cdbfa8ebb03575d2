/**
 * The receiving half of a stream: messages are opened and given to the reader as they come, or held while it pauses; the end comes last. Its
 * states are those of RFC 9000, section 3.2, by their names there, without two: carriers deliver in order, so that the size is never known
 * before the data (SizeKnown), and a reset is read with the close of the stream, which is about both halves (ResetRead).
 */
import { TunnelerError } from '../../base/errors.ts';
import type { ByteSink } from '../../base/stream.ts';
import { edgeFlag } from '../wire/header-id.ts';
import { copyBytes } from '../wire/little-endian.ts';
import { readMultipart } from '../wire/multipart.ts';
import { Opener } from './end-to-end.ts';
import type { FlowControl } from './flow-control.ts';

/** Where a receiving half stands; from one to the next as they are listed, but that a reset may come before `DataRead`. */
export type ReceiveState =
  /** More may come. */
  | 'Recv'
  /** The end came; some of what came before it may still be held. */
  | 'DataRecvd'
  /** The reader has all of it, and was told of the end. Terminal. */
  | 'DataRead'
  /** Cut off before that; what was held is dropped. Terminal. */
  | 'ResetRecvd';

/** Never calls its reader before `start`, nor after the end or a cut; what is held counts against the sender's window. */
export class ReceiveHalf {
  readonly #carrier: FlowControl;
  #key: Uint8Array | undefined;
  #opener: Opener | undefined;
  #reader: ByteSink | undefined;
  #state: ReceiveState = 'Recv';
  #paused = false;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** @param key 32 bytes; undefined: clear text. */
  constructor(carrier: FlowControl, key: Uint8Array | undefined) {
    this.#carrier = carrier;
    this.#key = key;
  }

  get state(): ReceiveState {
    return this.#state;
  }

  /** Nothing is delivered before. */
  start(reader: ByteSink): void {
    this.#reader = reader;
  }

  pause(): void {
    this.#paused = true;
  }

  /** What is held is given with the next `deliver`. */
  resume(): void {
    this.#paused = false;
  }

  /** A message, in order; `body` is borrowed. Throws `ziti.stream.*` where it cannot be opened. */
  message(body: Uint8Array, edgeFlags: number): void {
    switch (this.#state) {
      case 'Recv': {
        const plain = this.#open(body);
        if (plain !== undefined) this.#split(plain, edgeFlags);
        return;
      }
      case 'DataRecvd':
      case 'DataRead':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** The other side sends no more. True where that is news. */
  ended(): boolean {
    switch (this.#state) {
      case 'Recv':
        this.#state = 'DataRecvd';
        return true;
      case 'DataRecvd':
      case 'DataRead':
      case 'ResetRecvd':
        return false;
    }
  }

  /** Give the reader what is held, as far as it takes it, and behind all of it the end. */
  deliver(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#giveHeld(reader);
    if (this.#state !== 'DataRecvd' || this.#held.length > 0) return;
    this.#state = 'DataRead';
    reader.end();
  }

  /** Nothing is delivered any more. */
  cut(): void {
    switch (this.#state) {
      case 'Recv':
      case 'DataRecvd':
        this.#state = 'ResetRecvd';
        this.#held = [];
        this.#heldBytes = 0;
        return;
      case 'DataRead':
      case 'ResetRecvd':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** The plain message, in memory of its own; undefined for the one that opens an encrypted stream. */
  #open(body: Uint8Array): Uint8Array | undefined {
    if (this.#opener !== undefined) return this.#opener.open(body);
    if (this.#key === undefined) return copyBytes(body);
    this.#opener = new Opener(this.#key, body);
    // Its state has the key from here on.
    this.#key = undefined;
    return undefined;
  }

  #split(plain: Uint8Array, edgeFlags: number): void {
    if ((edgeFlags & edgeFlag.multipartMessage) === 0) {
      this.#arrived(plain);
    } else if (!readMultipart(plain, (part) => this.#arrived(part))) {
      throw new TunnelerError('ziti.stream.reset', 'a message of several parts is malformed');
    }
  }

  #arrived(chunk: Uint8Array): void {
    // The reader may have cut the stream off on an earlier part of this message.
    if (this.#state === 'ResetRecvd') return;
    if (this.#reader !== undefined && !this.#paused && this.#held.length === 0) {
      this.#reader.data(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    this.#carrier.held(this.#heldBytes);
  }

  /** The reader may pause, or cut the stream off, at each chunk. */
  #giveHeld(reader: ByteSink): void {
    if (this.#held.length === 0) return;
    let taken = 0;
    for (const chunk of this.#held) {
      if (this.#paused || this.#isCut()) break;
      taken += 1;
      this.#heldBytes -= chunk.length;
      reader.data(chunk);
    }
    if (this.#isCut()) return;
    this.#held.splice(0, taken);
    this.#carrier.held(this.#heldBytes);
  }

  /** A look that the compiler does not remember. */
  #isCut(): boolean {
    return this.#state === 'ResetRecvd';
  }
}

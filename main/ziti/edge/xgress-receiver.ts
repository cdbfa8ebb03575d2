/**
 * The receiving half of SDK-side flow control: order, duplicates, what to acknowledge.
 *
 * Pure state over messages of any type. Whoever calls `accept` with `now` handles that message at once and then takes
 * what follows it with `next`.
 */

/** Out-of-order messages kept for their turn; above it further ones are dropped unacknowledged and come again. */
const maxStashedBytes = 4 * 1024 * 1024;

/** The smallest windows that senders shrink to: four messages of ours, 16 KiB of the others' (openziti/sdk-golang: xgress/options.go, TxPortalMinSize). */
const littleMessages = 2;
const littleBytes = 8 * 1024;

/** What becomes of a message that came. */
export type Acceptance =
  /** Its turn: handle it, then ask `next`. */
  | 'now'
  /** Early, and there is room: hand a copy to `stash`. */
  | 'early'
  /** Had before; only acknowledge again. */
  | 'duplicate'
  /** No room: drop it, and do not acknowledge. */
  | 'dropped';

const empty = new Map<number, never>();

/** Holds at most 4 MiB of early messages; sequences begin at 0. */
export class XgressReceiver<Message> {
  #expected = 0;
  /** One of its own only while something waits: most connections never need one. */
  #stash: Map<number, { readonly message: Message; readonly bytes: number }> = empty;
  #stashedBytes = 0;
  #toAcknowledge: number[] = [];
  #owedBytes = 0;
  #clock = 0;

  /** Bytes waiting for earlier ones. */
  get stashedBytes(): number {
    return this.#stashedBytes;
  }

  /** Messages are missing before ones that already came. */
  get hasGap(): boolean {
    return this.#stash.size > 0;
  }

  /** Judge a message that came. @param full the reader holds so much that only its very next message is taken. */
  accept(sequence: number, bytes: number, clock: number, full: boolean): Acceptance {
    if (sequence < this.#expected || this.#stash.has(sequence)) {
      this.#acknowledge(sequence, bytes, clock);
      return 'duplicate';
    }
    if (full || (sequence > this.#expected && this.#stashedBytes + bytes > maxStashedBytes)) return 'dropped';
    this.#acknowledge(sequence, bytes, clock);
    if (sequence > this.#expected) return 'early';
    this.#expected = sequence + 1;
    return 'now';
  }

  /** Keep an early message; the receiver owns it until `next` gives it back. */
  stash(sequence: number, message: Message, bytes: number): void {
    if (this.#stash.size === 0) this.#stash = new Map();
    this.#stash.set(sequence, { message, bytes });
    this.#stashedBytes += bytes;
  }

  /** The message whose turn it is now, if it came already. */
  next(): Message | undefined {
    if (this.#stash.size === 0) return undefined;
    const entry = this.#stash.get(this.#expected);
    if (entry === undefined) return undefined;
    this.#stash.delete(this.#expected);
    if (this.#stash.size === 0) this.#stash = empty;
    this.#stashedBytes -= entry.bytes;
    this.#expected += 1;
    return entry.message;
  }

  get owesAcknowledgement(): boolean {
    return this.#toAcknowledge.length > 0;
  }

  /** So little is owed that no sender's window waits for it. */
  get owesLittle(): boolean {
    return this.#toAcknowledge.length <= littleMessages && this.#owedBytes <= littleBytes;
  }

  /** Sequences to acknowledge since the last call, and the clock to echo. */
  takeAcknowledgements(): { readonly sequences: readonly number[]; readonly clock: number } {
    const taken = { sequences: this.#toAcknowledge, clock: this.#clock };
    this.#toAcknowledge = [];
    this.#owedBytes = 0;
    this.#clock = 0;
    return taken;
  }

  clear(): void {
    this.#stash = empty;
    this.#stashedBytes = 0;
    this.#toAcknowledge = [];
  }

  #acknowledge(sequence: number, bytes: number, clock: number): void {
    // The earliest clock, so that the sender's idea of a round trip has our gathering in it and it waits long enough.
    if (this.#toAcknowledge.length === 0) this.#clock = clock;
    this.#toAcknowledge.push(sequence);
    this.#owedBytes += bytes;
  }
}

/**
 * Requests that wait for their answers, and which answer belongs to which. Pure.
 *
 * Devices answer in any order, late, twice, or without echoing transaction or unit. An answer that may belong to another request is
 * withheld: a value under the wrong question is worse than none.
 */
import type { AllowedCall } from '../answered-call.ts';
import type { ModbusFrame } from './frames.ts';
import type { RegisterAccess } from './functions.ts';

/** A device that has not answered by now will not; real clients give up after a second or five. */
const patienceMs = 60_000;
/** Requests open at a time; beyond, the oldest is let go. Real clients have one to sixteen. */
const maxOpen = 128;
/** Transactions remembered as done, so that a second answer to one is known as such. */
const maxSpent = 1_024;

/** A request that waits for its answer. */
export interface Outstanding {
  /** As the application numbered it. */
  readonly transaction: number;
  /** As it went to the device. */
  readonly sent: number;
  readonly unit: number;
  readonly code: number;
  readonly accesses: readonly RegisterAccess[];
  readonly call: AllowedCall;
}

/** The requests of one session that wait, bounded. */
export class OutstandingRequests {
  #open: Outstanding[] = [];
  readonly #spent = new Set<number>();
  /** Off once an answer came that nobody can have asked for: then only a full echo counts. */
  #trusting = true;

  /** Returns the request that had to be let go for it, if any. */
  add(request: Outstanding): Outstanding | undefined {
    const oldest = this.#open.length >= maxOpen ? this.#open.shift() : undefined;
    if (oldest !== undefined) this.#spend(oldest.sent);
    this.#open.push(request);
    return oldest;
  }

  /** Requests that were never answered, taken out. */
  expired(nowMs: number): readonly Outstanding[] {
    const isOver = ({ call }: Outstanding): boolean => nowMs - call.startedAtMs >= patienceMs;
    const [oldest] = this.#open;
    if (oldest === undefined || !isOver(oldest)) return [];
    const over = this.#open.filter(isOver);
    this.#open = this.#open.filter((request) => !isOver(request));
    for (const request of over) this.#spend(request.sent);
    return over;
  }

  /** All that is open, taken out. */
  takeAll(): readonly Outstanding[] {
    return this.#open.splice(0);
  }

  isOpen(sent: number): boolean {
    return this.#open.some((request) => request.sent === sent);
  }

  /** The request this answers, taken out; undefined where the answer must be withheld. */
  answeredBy(frame: ModbusFrame): Outstanding | undefined {
    const code = frame.code & 0x7f;
    const exact = this.#open.findIndex(
      (request) => request.sent === frame.transaction && request.unit === frame.unit && request.code === code,
    );
    const index = exact >= 0 ? exact : this.#likely(frame, code);
    const [answered] = index < 0 ? [] : this.#open.splice(index, 1);
    if (answered !== undefined) this.#spend(answered.sent);
    return answered;
  }

  /** Without a full echo an answer counts only where one request alone can be meant. */
  #likely(frame: ModbusFrame, code: number): number {
    const fitting = this.#open.flatMap((request, index) =>
      request.code === code && hasLength(request, frame) ? [{ request, index }] : [],
    );
    const byTransaction = fitting.filter(({ request }) => request.sent === frame.transaction);
    if (byTransaction.length === 1) return byTransaction[0]?.index ?? -1;
    const foreign = this.#spent.has(frame.transaction) || this.isOpen(frame.transaction);
    if (this.#open.length === 0 && !foreign) this.#trusting = false;
    if (!this.#trusting || foreign || this.#open.length !== 1) return -1;
    return fitting[0]?.index ?? -1;
  }

  #spend(transaction: number): void {
    this.#spent.delete(transaction);
    this.#spent.add(transaction);
    if (this.#spent.size <= maxSpent) return;
    const [first] = this.#spent;
    if (first !== undefined) this.#spent.delete(first);
  }
}

/** Has the answer the length that this request's answer has? Exceptions and answers of variable length always do. */
function hasLength(request: Outstanding, frame: ModbusFrame): boolean {
  if ((frame.code & 0x80) !== 0) return frame.data.byteLength === 1;
  const read = readAccess(request);
  return read === undefined || frame.data.byteLength === 1 + valueBytes(read);
}

/** The registers an answer of this request holds; undefined where it holds none. */
export function readAccess(request: Pick<Outstanding, 'code' | 'accesses'>): RegisterAccess | undefined {
  return [1, 2, 3, 4, 23].includes(request.code) ? request.accesses[0] : undefined;
}

/** Bytes that the registers of an access take in an answer. */
export function valueBytes({ table, from, to }: RegisterAccess): number {
  const count = to - from + 1;
  return table === 'coils' || table === 'discrete' ? Math.ceil(count / 8) : count * 2;
}

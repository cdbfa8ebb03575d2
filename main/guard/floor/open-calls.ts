/** Calls that went on and wait for their answers, by whatever the protocol tells them apart. Bounded; the oldest is let go. Pure. */
import type { GuardCall } from '../guard.ts';

/** Nothing answers after this long; real clients give up after seconds. */
const patienceMs = 120_000;
const maxOpen = 256;

export class OpenCalls {
  readonly #open = new Map<string | number, GuardCall>();

  /** Calls that were let go for it. */
  add(key: string | number, call: GuardCall): readonly GuardCall[] {
    const same = this.#open.get(key);
    this.#open.delete(key);
    this.#open.set(key, call);
    const [first] = this.#open;
    if (this.#open.size <= maxOpen || first === undefined) return same === undefined ? [] : [same];
    this.#open.delete(first[0]);
    return [first[1]];
  }

  take(key: string | number): GuardCall | undefined {
    const call = this.#open.get(key);
    this.#open.delete(key);
    return call;
  }

  /** Calls nobody answered, taken out. */
  expired(nowMs: number): readonly GuardCall[] {
    const over: GuardCall[] = [];
    for (const [key, call] of this.#open) {
      if (nowMs - call.startedAtMs < patienceMs) break;
      this.#open.delete(key);
      over.push(call);
    }
    return over;
  }

  takeAll(): readonly GuardCall[] {
    const all = [...this.#open.values()];
    this.#open.clear();
    return all;
  }
}

/** Calls that went on and wait for their answers, by whatever the protocol tells them apart. Bounded; the oldest is let go. Pure. */
import type { AllowedCall } from '../answered-call.ts';

/** Nothing answers after this long; real clients give up after seconds. */
const patienceMs = 120_000;
const maxOpen = 256;

export class OpenCalls {
  readonly #open = new Map<string | number, AllowedCall>();

  /** Calls that were let go for it. */
  add(key: string | number, call: AllowedCall): readonly AllowedCall[] {
    const same = this.#open.get(key);
    this.#open.delete(key);
    this.#open.set(key, call);
    const [first] = this.#open;
    if (this.#open.size <= maxOpen || first === undefined) return same === undefined ? [] : [same];
    this.#open.delete(first[0]);
    return [first[1]];
  }

  take(key: string | number): AllowedCall | undefined {
    const call = this.#open.get(key);
    this.#open.delete(key);
    return call;
  }

  /** Calls nobody answered, taken out. */
  expired(nowMs: number): readonly AllowedCall[] {
    const over: AllowedCall[] = [];
    for (const [key, call] of this.#open) {
      if (nowMs - call.startedAtMs < patienceMs) break;
      this.#open.delete(key);
      over.push(call);
    }
    return over;
  }

  takeAll(): readonly AllowedCall[] {
    const all = [...this.#open.values()];
    this.#open.clear();
    return all;
  }
}

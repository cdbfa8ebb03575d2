/** What happened in a session, newest last, bounded. Noted for each of thousands of calls a second, and seldom looked at. */
import type { GuardCall } from '../guard/guard.ts';
import type { SessionMoment } from './sessions.ts';

/** Moments kept of one session; the oldest go first, the two of the opening stay. */
const length = 64;
const opening = 2;
/** So many more are noted before the older are let go of, all at once. */
const slack = 192;
/** Recorded arguments up to this length, as JSON, are shown in the timeline. */
const shownArgumentsLength = 4_096;

/** Its moments, only ever added to: whoever took them at one moment still sees those. */
export class Timeline {
  #first: readonly SessionMoment[];
  #later: SessionMoment[] = [];

  /** Begins with these. */
  constructor(first: readonly SessionMoment[]) {
    this.#first = first;
  }

  add(moment: SessionMoment): void {
    if (this.#first.length < opening) {
      this.#first = [...this.#first, moment];
      return;
    }
    // What others took points into the older list: a new one, never the same cut short.
    if (this.#later.length >= length + slack) this.#later = this.#later.slice(1 - (length - opening));
    this.#later.push(moment);
  }

  /** Those there are now, to be copied when they are looked at. */
  taken(): () => readonly SessionMoment[] {
    const [first, later, end] = [this.#first, this.#later, this.#later.length];
    return () => [...first, ...later.slice(Math.max(0, end - (length - opening)), end)];
  }
}

/** The record has the arguments in full; a row that is kept for minutes must not hold megabytes of them. */
export function withoutLargeArguments(call: GuardCall): GuardCall {
  if (call.arguments === undefined || roomLeft(call.arguments, shownArgumentsLength) >= 0) return call;
  const { arguments: _left, ...shown } = call;
  return shown;
}

/** What is left of `room` characters behind a value written as JSON, about; negative where it does not fit. Looks no further than that. */
function roomLeft(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - 2;
  if (typeof value !== 'object' || value === null) return room - 6;
  let left = room - 2;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length && left >= 0; at += 1) left = roomLeft(value[at], left - 1);
    return left;
  }
  for (const [name, one] of Object.entries(value)) {
    if (left < 0) return left;
    left = roomLeft(one, left - name.length - 4);
  }
  return left;
}

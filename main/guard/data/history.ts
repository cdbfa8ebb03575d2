/**
 * What programs did before, over all their sessions: how many calls they made, of what, and which classes of data they were given. Rules can ask
 * for it: "no e-mail after reading classified records".
 *
 * Kept in memory: of a program that is silent for an hour, and of all at the end of the engine, it is forgotten.
 */

/** One program's past. */
export interface CallHistory {
  /** A call went on. */
  called(thing: string): void;
  /** It was given data of these classes. */
  read(classes: readonly string[]): void;
  /** As it stands now. */
  past(): CallsBefore;
}

/** A past, as it stands at one moment. */
export interface CallsBefore {
  readonly calls: number;
  /** Tools, prompts and resources, at most {@link maxNames}; the first stay. */
  readonly things: readonly string[];
  readonly classesRead: readonly string[];
}

const silentMs = 3_600_000;
/** Programs; the one that was silent for longest goes. */
const maxPrograms = 4_096;
const maxNames = 256;

interface Kept {
  calls: number;
  readonly things: Set<string>;
  readonly classes: Set<string>;
  lastMs: number;
}

/** The pasts of all programs; `monotonicMs`: a clock that nobody sets. */
export class CallHistories {
  readonly #byProgram = new Map<string, Kept>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** `program`: names whose past it is. */
  of(program: string): CallHistory {
    return {
      called: (thing) => {
        const kept = this.#touched(program);
        kept.calls += 1;
        if (kept.things.size < maxNames) kept.things.add(thing);
      },
      read: (classes) => {
        const kept = this.#touched(program);
        for (const name of classes) kept.classes.add(name);
      },
      past: () => {
        const kept = this.#fresh(program);
        return { calls: kept?.calls ?? 0, things: [...(kept?.things ?? [])], classesRead: [...(kept?.classes ?? [])] };
      },
    };
  }

  #fresh(program: string): Kept | undefined {
    const kept = this.#byProgram.get(program);
    return kept !== undefined && this.#monotonicMs() - kept.lastMs <= silentMs ? kept : undefined;
  }

  #touched(program: string): Kept {
    const kept = this.#fresh(program) ?? { calls: 0, things: new Set(), classes: new Set(), lastMs: 0 };
    kept.lastMs = this.#monotonicMs();
    // In the order they were touched.
    this.#byProgram.delete(program);
    this.#byProgram.set(program, kept);
    if (this.#byProgram.size > maxPrograms) {
      const [oldest] = this.#byProgram.keys();
      if (oldest !== undefined) this.#byProgram.delete(oldest);
    }
    return kept;
  }
}

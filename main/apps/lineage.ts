/**
 * Who started whom, kept: a child stays its starter's child when the starter ends, and a process that executes another program stays what it
 * was before. Pure: events in, chains out.
 */
import type { AppDoubt } from './app.ts';

/** One program that one process runs or ran. Ancestors are linked, so that they live as long as what descends from them. */
export interface ProgramRun {
  readonly pid: number;
  /** Opaque; equal only for the same process. Absent where it was gone before anybody looked. */
  readonly start: string | undefined;
  /** Absent where it may not be read. */
  readonly path: string | undefined;
  readonly script: string | undefined;
  readonly doubt: AppDoubt | undefined;
  /** What started it: an earlier program of the same process, or its parent's. */
  readonly origin: ProgramRun | undefined;
  /** Everything it descends from is known, up to the first of all processes. */
  readonly whole: boolean;
  /** It was copied from its origin by a fork and has executed nothing since. */
  readonly copied: boolean;
  readonly depth: number;
}

/** What a process executed. */
export type Image = Pick<ProgramRun, 'path' | 'script' | 'doubt'>;

/** Longer chains are shortened by what stands in them twice. */
const maxDepth = 64;

/** Processes and their starters, from the moment it is told of them. */
export class Lineage {
  readonly #running = new Map<number, ProgramRun>();
  /** Processes that are said to have ended; their parent may still have to take note. */
  readonly #ended = new Set<number>();

  get(pid: number): ProgramRun | undefined {
    return this.#running.get(pid);
  }

  /** `parent` runs on in a new process. Without one nobody knows what started it. */
  forked(pid: number, start: string | undefined, parent: ProgramRun | undefined): ProgramRun {
    const { path, script, doubt } = parent ?? unread;
    return this.#set(
      bounded({
        pid,
        start,
        path,
        script,
        doubt,
        origin: parent,
        whole: parent?.whole ?? false,
        copied: true,
        depth: (parent?.depth ?? 0) + 1,
      }),
    );
  }

  /** The process runs something else from now on. */
  executed(before: ProgramRun, image: Image): ProgramRun {
    // A copy that never ran for itself is nothing to remember: its original stands behind it.
    const origin = before.copied ? before.origin : before;
    const { pid, start, whole } = before;
    return this.#set(bounded({ pid, start, ...image, origin, whole, copied: false, depth: (origin?.depth ?? 0) + 1 }));
  }

  /** A process that was there before anybody looked. `origin` absent and `whole`: the first of all. */
  seen(pid: number, start: string, image: Image, origin: ProgramRun | undefined, whole: boolean): ProgramRun {
    return this.#set(bounded({ pid, start, ...image, origin, whole, copied: false, depth: (origin?.depth ?? 0) + 1 }));
  }

  /** A process as somebody else learnt of it: what stands above it is nearest first, and need not live. */
  restored(
    of: Pick<ProgramRun, 'pid' | 'start' | 'whole'> & Image,
    above: readonly (Pick<ProgramRun, 'pid' | 'start'> & Image)[],
  ): ProgramRun {
    let origin: ProgramRun | undefined;
    for (const one of [...above].reverse()) {
      origin = { ...one, origin, whole: of.whole, copied: false, depth: (origin?.depth ?? 0) + 1 };
    }
    return this.#set(bounded({ ...of, origin, copied: false, depth: (origin?.depth ?? 0) + 1 }));
  }

  exited(pid: number): void {
    if (this.#running.has(pid)) this.#ended.add(pid);
  }

  /** Forget those that ended and are gone. */
  sweep(isGone: (pid: number) => boolean): void {
    for (const pid of this.#ended) {
      if (!isGone(pid)) continue;
      this.#ended.delete(pid);
      this.#running.delete(pid);
    }
  }

  runs(): Iterable<ProgramRun> {
    return this.#running.values();
  }

  pids(): Iterable<number> {
    return this.#running.keys();
  }

  #set(run: ProgramRun): ProgramRun {
    this.#ended.delete(run.pid);
    this.#running.set(run.pid, run);
    return run;
  }
}

const unread: Image = { path: undefined, script: undefined, doubt: undefined };

/** What stands above it, nearest first. */
export function* origins(run: ProgramRun): Iterable<ProgramRun> {
  for (let at = run.origin; at !== undefined; at = at.origin) yield at;
}

/** A program that starts itself for ever must not grow a chain for ever; which programs are in it is what counts. */
function bounded(run: ProgramRun): ProgramRun {
  if (run.depth <= maxDepth) return run;
  const kept: ProgramRun[] = [];
  const known = new Set<string>();
  for (const one of origins(run)) {
    const key = JSON.stringify([one.path, one.script, one.doubt]);
    if (!known.has(key)) kept.push(one);
    known.add(key);
  }
  const fits = kept.length < maxDepth;
  let origin: ProgramRun | undefined;
  for (const [index, one] of kept
    .slice(0, maxDepth - 1)
    .reverse()
    .entries()) {
    origin = { ...one, origin, depth: index + 1, whole: run.whole && fits };
  }
  return { ...run, origin, depth: (origin?.depth ?? 0) + 1, whole: run.whole && fits };
}

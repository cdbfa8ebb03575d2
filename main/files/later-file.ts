/** One file that is written in the background, whole and synced: who changes what stands in it waits for no disk. */
import type { Clock } from '../base/clock.ts';
import { toTunnelerError, type TunnelerError } from '../base/errors.ts';
import { writeAtomically } from './write-atomically.ts';

/** So long after one try that failed comes the next. */
const againAfterMs = 5_000;

/** Where it is, and what is to stand in it. */
export interface LaterFileDeps {
  readonly path: string;
  /** Asked when it is written, so that what changed meanwhile stands in it too. */
  readonly content: () => string;
  readonly clock: Clock;
  /** A write failed, and is tried again. */
  readonly onUnkept: (error: TunnelerError) => void;
}

/** Changes that come while it is written are written together, after that. Disposing writes what is not on the disk, once. */
export class LaterFile implements AsyncDisposable {
  readonly #deps: LaterFileDeps;
  /** Changed since the content was last asked for. */
  #isChanged = false;
  #writing: Promise<void> | undefined;
  #unkept: TunnelerError | undefined;
  #timer: Disposable | undefined;

  constructor(deps: LaterFileDeps) {
    this.#deps = deps;
  }

  /** What came in the way of the last write; undefined: nothing did, or none was yet. */
  get unkept(): TunnelerError | undefined {
    return this.#unkept;
  }

  /** What stands in it has changed. */
  change(): void {
    this.#isChanged = true;
    this.#writing ??= this.#write();
  }

  /** Resolves once all that has changed is on the disk. Throws what came in the way. */
  async kept(): Promise<void> {
    if (this.#unkept !== undefined) this.change();
    await this.#writing;
    if (this.#unkept !== undefined) throw this.#unkept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isChanged) this.change();
    await this.#writing;
    this.#timer?.[Symbol.dispose]();
  }

  async #write(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    // Whoever says that it has changed may not be done with changing it.
    await Promise.resolve();
    try {
      while (this.#isChanged) {
        this.#isChanged = false;
        await writeAtomically(this.#deps.path, this.#deps.content());
      }
      this.#unkept = undefined;
    } catch (error) {
      this.#isChanged = true;
      this.#unkept = toTunnelerError(error);
      this.#deps.onUnkept(this.#unkept);
      this.#timer = this.#deps.clock.after(againAfterMs, () => this.change());
    } finally {
      this.#writing = undefined;
    }
  }
}

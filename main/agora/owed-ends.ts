/** Ends of engagements that could not be kept or recorded: they count all the same, and are tried again until they stand on the disk. */
import type { Clock } from '../base/clock.ts';
import { toTunnelerError, type TunnelerError } from '../base/errors.ts';
import type { Engagement } from './engagement.ts';

/** So long after one try comes the next. */
const againAfterMs = 5_000;

/** How ends are kept and recorded, and who is told that they are not yet. */
export interface OwedEndsDeps {
  readonly clock: Clock;
  /** Keep all engagements as they are now, soon. Throws where what was to be kept before is not. */
  readonly save: () => void;
  readonly record: (step: Engagement) => void;
  readonly unkept: (error: TunnelerError) => void;
}

/** What of ends is owed to the disk. Disposing tries a last time. */
export class OwedEnds implements Disposable {
  readonly #deps: OwedEndsDeps;
  #isUnsaved = false;
  readonly #unrecorded: Engagement[] = [];
  #timer: Disposable | undefined;

  constructor(deps: OwedEndsDeps) {
    this.#deps = deps;
  }

  /** One has ended, by these steps. What keeping or recording it came upon; undefined: it stands. */
  owe(...steps: readonly Engagement[]): TunnelerError | undefined {
    this.#isUnsaved = true;
    this.#unrecorded.push(...steps);
    return this.settle();
  }

  /** Try what is owed; nothing happens where nothing is. What came in the way of it. */
  settle(): TunnelerError | undefined {
    const { clock, unkept } = this.#deps;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    // Each for itself: the record may be on another disk.
    const errors = [() => this.#save(), () => this.#record()].flatMap((step) => {
      try {
        step();
        return [];
      } catch (error) {
        return [toTunnelerError(error)];
      }
    });
    for (const error of errors) unkept(error);
    if (errors.length > 0) this.#timer = clock.after(againAfterMs, () => void this.settle());
    return errors[0];
  }

  [Symbol.dispose](): void {
    this.settle();
    this.#timer?.[Symbol.dispose]();
  }

  #save(): void {
    if (!this.#isUnsaved) return;
    this.#deps.save();
    this.#isUnsaved = false;
  }

  #record(): void {
    for (let [step] = this.#unrecorded; step !== undefined; [step] = this.#unrecorded) {
      this.#deps.record(step);
      this.#unrecorded.shift();
    }
  }
}

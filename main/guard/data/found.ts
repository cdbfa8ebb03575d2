/** What detectors find in a text. Plain data. */
import type { DataAction, FoundClass } from '../../base/engagement/data.ts';

/** From `start` up to and without `end`, in UTF-16 units of the text looked through. */
export interface FoundText {
  readonly name: FoundClass;
  readonly start: number;
  readonly end: number;
}

/** Looks through a text of at most some ten thousand characters; linear but for a small bound. */
export type Detector = (text: string) => readonly FoundText[];

/** One for each kind of data a contract can speak of. */
export interface DataDetectors {
  readonly secrets: Detector;
  readonly personal: Detector;
  readonly injection: Detector;
}

/** One class, as it was found in the arguments or the result of a call. Never the value. */
export interface DataFound {
  readonly class: string;
  readonly in: 'arguments' | 'result';
  readonly action: DataAction;
  readonly count: number;
  /** JSON paths of the first of them, from the request's `params` or the answer's `result`. */
  readonly places: readonly string[];
}

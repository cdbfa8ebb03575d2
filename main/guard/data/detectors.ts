/** The detectors there are. Reached by lazy import only: the libraries behind them are large, and most contracts say nothing of data. */
import type { DataDetectors } from './found.ts';
import { injectionDetector } from './injection.ts';
import { personalDetector } from './personal.ts';
import { secretDetector } from './secrets.ts';

/** For one guard. */
export function dataDetectors(): DataDetectors {
  return { secrets: secretDetector(), personal: personalDetector(), injection: injectionDetector };
}

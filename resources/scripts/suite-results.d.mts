/** Types of `suite-results.mjs`, for tests of it. */

/** What one file came to. */
export interface FileResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
  readonly unexpectedSkips: readonly string[];
}

/** One run of vitest. */
export interface SuiteRun {
  readonly suite: string;
  readonly seconds: number;
  readonly ok: boolean;
  readonly files: readonly FileResult[];
  /** Errors that no test and no file answers for. */
  readonly unhandled: readonly string[];
}

/** What a suite came to. */
export interface SuiteResult {
  readonly suite: string;
  readonly seconds: number;
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
  readonly needed: readonly string[];
}

export function filesToRepeat(first: SuiteRun, mayRepeat: boolean): readonly string[];
export function suiteResult(first: SuiteRun, again: SuiteRun | undefined, strict: boolean): SuiteResult;

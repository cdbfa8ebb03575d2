// What the runs of one suite come to. Pure: reports in, a result out.

/** What failed in a file, by its name. */
const isBroken = (file) => file.failures.length > 0;

/**
 * The files to run a second time: those of a suite that depends on other people's processes (`mayRepeat`), where just some of them failed.
 */
export function filesToRepeat(first, mayRepeat) {
  return first.ok || !mayRepeat ? [] : first.files.filter(isBroken).map(({ name }) => name);
}

/**
 * One result of a suite: of each file its last run counts. An error that belongs to no file is of the whole run, and no second run of some files
 * takes it back. Under `strict` a skip that nobody allowed is a failure.
 */
export function suiteResult(first, again, strict) {
  const repeated = new Set(again?.files.map(({ name }) => name));
  const files = [...first.files.filter(({ name }) => !repeated.has(name)), ...(again?.files ?? [])];
  const red = new Set(files.filter(isBroken).map(({ name }) => name));
  const outside = [first, again].flatMap((run) => run?.unhandled ?? []).map((error) => `outside of any test: ${error}`);
  const skips = strict ? files.flatMap((file) => file.unexpectedSkips) : [];
  const sum = (of) => files.reduce((total, file) => total + of(file), 0);
  const ok = (again ?? first).ok && red.size === 0 && outside.length === 0 && skips.length === 0;
  const failed = sum((file) => file.failed) + outside.length + skips.length;
  return {
    suite: first.suite,
    seconds: first.seconds + (again?.seconds ?? 0),
    ok,
    passed: sum((file) => file.passed),
    // A run that failed without a report that says why is a failure too.
    failed: ok ? 0 : Math.max(1, failed),
    skipped: sum((file) => file.skipped),
    failures: [...outside, ...files.flatMap((file) => file.failures), ...skips.map((name) => `${name}: skipped`)],
    /** What failed in files that passed only the second time. */
    needed: first.files.filter(({ name }) => repeated.has(name) && !red.has(name)).flatMap((file) => file.failures),
  };
}

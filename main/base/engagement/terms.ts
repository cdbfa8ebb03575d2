/** What the parts of a contract are made of: strict objects, counts and lists. */
import * as v from 'valibot';

/** An object of just these fields. Arrays are objects to JavaScript and to valibot, but `mcp: []` is no set of rules. */
export function terms<const E extends v.ObjectEntries>(entries: E) {
  return v.pipe(
    v.custom<object>((raw) => typeof raw === 'object' && raw !== null && !Array.isArray(raw), 'expected an object'),
    v.strictObject(entries),
  );
}

/** A list of non-empty globs. */
export const globs = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.readonly());

/** A number that every reader of a contract takes for the same one: none beyond ±(2^53 − 1). */
export const exact = v.pipe(
  v.number(),
  v.minValue(Number.MIN_SAFE_INTEGER, 'expected a number within ±(2^53 − 1)'),
  v.maxValue(Number.MAX_SAFE_INTEGER, 'expected a number within ±(2^53 − 1)'),
);

/** A whole number from 0. */
export const whole = v.pipe(exact, v.integer(), v.minValue(0));

/** A whole number from 1. */
export const positive = v.pipe(exact, v.integer(), v.minValue(1));

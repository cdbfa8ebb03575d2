/**
 * One text for equal JSON values, so that their digests are equal too. Pure.
 * Source: RFC 8785 (JCS): keys by UTF-16 code unit, numbers and strings as ECMAScript writes them, no blanks.
 */

/** For values that JSON.parse gave; nesting is bounded by whoever parsed them. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

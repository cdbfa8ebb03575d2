/**
 * One text for equal JSON values, so that their digests are equal too. Pure.
 * Source: RFC 8785 (JCS): keys by UTF-16 code unit, numbers and strings as ECMAScript writes them, no blanks. A number that no double holds
 * as written keeps its digits.
 */
import { JsonNumber } from './json-number.ts';

/**
 * For values that a strict reader gave; nesting is bounded by it. `plain`: the text they were parsed from holds no backslash, so no string in
 * it needs one either, and none is looked through for it.
 */
export function canonicalJson(value: unknown, plain = false): string {
  if (typeof value === 'string') return plain ? `"${value}"` : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, plain)).join(',')}]`;
  if (value instanceof JsonNumber) return value.text;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([key, field]) => `${canonicalJson(key, plain)}:${canonicalJson(field, plain)}`);
  return `{${fields.join(',')}}`;
}

/** A JSON value that a strict reader gave, written in the canonical form of what goes on: names in their order, digits as they came. Pure. */
import { singleLine } from './json-strings.ts';
import { JsonNumber } from './json-number.ts';

/** One line, whatever is in it. */
export function writeJson(value: unknown): string {
  return singleLine(written(value));
}

function written(value: unknown): string {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  return `{${Object.entries(value)
    .map(([name, field]) => `${JSON.stringify(name)}:${written(field)}`)
    .join(',')}}`;
}

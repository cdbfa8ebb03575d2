/** Strict JSON in one go, and what its values are. Pure. */
import { utf8 } from '../bytes.ts';
import { JsonNumber } from './json-number.ts';
import { JsonReader, type JsonReading } from './json-reader.ts';

/** A value, or why it is none that every reader takes alike. */
export type JsonResult =
  { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'fault'; readonly why: string };

/** Read one JSON text; never throws. */
export function parseStrictJson(text: string): JsonResult {
  const read = readJson([utf8(text)]);
  return read.kind === 'json' ? { kind: 'json', value: read.value } : read;
}

/** Read one JSON document that is all here. */
export function readJson(parts: readonly Uint8Array[], options: { readonly places?: boolean } = {}): JsonReading {
  const reader = new JsonReader(options);
  for (const part of parts) reader.push(part);
  return reader.end();
}

/** An object, as JSON knows them. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/**
 * JSON read so that no second reader can understand it differently: no doubled keys, no byte order mark, no endless nesting.
 * Pure. Sources: RFC 8259 section 4 (unique names), RFC 7493 (I-JSON).
 */

export type JsonResult =
  { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'fault'; readonly why: string };

/** Deeper nesting is refused: readers differ in where they give up. Implementation limit. */
const maxDepth = 256;

export function parseStrictJson(text: string): JsonResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser names bad input by a SyntaxError, and nesting beyond its stack by a RangeError.
    if (error instanceof SyntaxError || error instanceof RangeError) return { kind: 'fault', why: 'invalid JSON' };
    throw error;
  }
  const why = doubtfulIn(text);
  return why === undefined ? { kind: 'json', value } : { kind: 'fault', why };
}

interface ObjectFrame {
  readonly keys: Set<string>;
}

/** Why valid JSON is doubtful all the same. One pass; strings are skipped by search, not by character. */
function doubtfulIn(text: string): string | undefined {
  const frames: (ObjectFrame | undefined)[] = [];
  let frame: ObjectFrame | undefined;
  let expectsKey = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const end = stringEnd(text, at);
        if (expectsKey && frame !== undefined) {
          const raw = text.slice(at + 1, end);
          const key = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
          if (frame.keys.has(key)) return `the key "${key.slice(0, 64)}" twice in one object`;
          frame.keys.add(key);
          expectsKey = false;
        }
        at = end;
        break;
      }
      case 0x7b:
        frames.push(frame);
        frame = { keys: new Set() };
        expectsKey = true;
        if (frames.length > maxDepth) return 'nesting without end';
        break;
      case 0x5b:
        frames.push(frame);
        frame = undefined;
        if (frames.length > maxDepth) return 'nesting without end';
        break;
      case 0x7d:
      case 0x5d:
        frame = frames.pop();
        expectsKey = false;
        break;
      case 0x2c:
        expectsKey = frame !== undefined;
        break;
    }
  }
  return undefined;
}

/** Index of the quote that closes the string opened at `start`; the text is valid JSON. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** An object, as JSON knows them. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

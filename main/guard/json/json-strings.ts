/** Strings of JSON: their escapes undone, and written anew in the one form that every reader takes alike. Pure. */

/** What ends a line for some reader (NEL, LS, PS), or is a control that JSON wants escaped. */
const controls = /[\0-\x1f]/;
const lineEnds = /[\x85\u2028\u2029]/g;
const lone = /\p{Surrogate}/u;

/** A part of a string, read and as written. */
export interface StringPiece {
  readonly text: string;
  /** As it is written between the quotes. */
  readonly written: string;
}

/** One piece of a string, cut where no escape is; `clean`: nothing in it needs an escape but a backslash. Else a fault in words. */
export function readPiece(raw: string, clean: boolean): StringPiece | string {
  if (!raw.includes('\\')) {
    if (clean) return { text: raw, written: raw };
    return controls.test(raw) ? 'invalid JSON' : { text: raw, written: withoutLineEnds(raw) };
  }
  let text: string;
  try {
    text = JSON.parse(`"${raw}"`) as string;
  } catch (error) {
    // The platform's parser names bad escapes by a SyntaxError; anything else is a fault of ours.
    if (error instanceof SyntaxError) return 'invalid JSON';
    throw error;
  }
  // Some readers keep half a pair, some replace it.
  if (lone.test(text)) return 'half a surrogate pair';
  return { text, written: withoutLineEnds(JSON.stringify(text).slice(1, -1)) };
}

/** A line of JSON without what some reader takes for its end. What is no JSON loses nothing but these characters. */
export function singleLine(json: string): string {
  return withoutLineEnds(json.includes('\r') || json.includes('\n') ? json.replace(/[\r\n]/g, ' ') : json);
}

/** Does any character of this text end a line for some reader? */
export function hasLineEnds(text: string): boolean {
  return text.includes('\x85') || text.includes('\u2028') || text.includes('\u2029');
}

function withoutLineEnds(text: string): string {
  if (!hasLineEnds(text)) return text;
  return text.replace(lineEnds, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The quote that ends a string; -1 where it is not here. */
export function closingQuote(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end >= 0 && backslashesBefore(text, end, from) % 2 === 1) end = text.indexOf('"', end + 1);
  return end;
}

/** Where a string that goes on can be cut: before an escape, or half of a pair of them, that is not complete. */
export function safeCut(text: string, from: number): number {
  const end = Math.max(from, text.length - 6);
  const found = text.slice(end).lastIndexOf('\\');
  const slash = end + found;
  if (found < 0 || backslashesBefore(text, slash, from) % 2 === 1) return text.length;
  const length = text[slash + 1] === 'u' ? 6 : 2;
  if (slash + length < text.length) return text.length;
  const complete = slash + length === text.length;
  if (complete && !/^\\u[dD][89abAB]/.test(text.slice(slash))) return text.length;
  if (complete) return slash;
  const before = slash - 6;
  const paired = before >= from && /^\\u[dD][89abAB][0-9a-fA-F]{2}$/.test(text.slice(before, slash));
  return paired && backslashesBefore(text, before, from) % 2 === 0 ? before : slash;
}

function backslashesBefore(text: string, at: number, from: number): number {
  let count = 0;
  while (at - 1 - count >= from && text.charCodeAt(at - 1 - count) === 0x5c) count += 1;
  return count;
}

/** Texts of a result that are JSON themselves, as tools give their structured results once more for older clients. Pure. */
import { utf8 } from '../bytes.ts';
import { readJson } from '../json/strict-json.ts';
import { compilePath } from './json-path.ts';

/** A text and where it stands. */
export interface InnerText {
  readonly within: object;
  readonly key: string | number;
  /** For the path of it. */
  readonly inName: false;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** What it says; undefined: it is too long to be read here, or only some readers would take it. */
  readonly value: unknown;
}

/** Longer ones are not read: others wait. */
const maxLength = 256 * 1024;
const texts = compilePath('$..text');

/** All of them, up to {@link maxLength} characters together. */
export function innerTexts(result: unknown): readonly InnerText[] {
  let left = maxLength;
  return texts(result).flatMap(({ value: text, within, key }) => {
    if (typeof text !== 'string' || within === undefined || key === undefined || !/^\s*[[{]/.test(text)) return [];
    const place = { within, key, inName: false as const, name: '', start: 0, end: Infinity };
    left -= text.length;
    if (left < 0) return [{ ...place, value: undefined }];
    const read = readJson([utf8(text)]);
    if (read.kind === 'json') return [{ ...place, value: read.value }];
    return looseReadersTake(text) ? [{ ...place, value: undefined }] : [];
  });
}

/** JSON with a name twice, or what else only the strict reader minds. */
function looseReadersTake(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    // The platform's parser names what is no JSON by a SyntaxError; anything else is a fault of ours.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * Text in a tool's definition that speaks to the model behind its user's back: characters nobody sees, orders to read files or to keep quiet,
 * other tools' names. A hint for people, by form alone: it neither finds all of it nor judges what it finds. Pure.
 */
import { isRecord } from '../json/strict-json.ts';

/** What a text does that a definition should not. */
export type FlagKind = 'hidden-characters' | 'instruction' | 'other-tool';

/** One such text, and where it stands. */
export interface DefinitionFlag {
  readonly kind: FlagKind;
  /** JSON pointer (RFC 6901) to the text. */
  readonly place: string;
  /** What was found, printable: `U+200B`, or the words. */
  readonly found: string;
}

/** Zero-width and direction marks, tag characters, variation selectors beyond the usual, and controls but for blanks. */
const hidden =
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]|[\u{E0000}-\u{E0FFF}]/gu;

const instructions: readonly RegExp[] = [
  /<\s*(important|system|secret|instructions?|hidden)\s*>/i,
  /\b(ignore|disregard|forget)\b[^.\n]{0,40}\b(previous|prior|above|other|all)\b[^.\n]{0,30}\b(instruction|prompt|rule|message)s?/i,
  /\b(do not|don't|never|without)\b[^.\n]{0,30}\b(tell|inform|mention|show|reveal|notify|asking|telling)\b[^.\n]{0,40}\b(user|human|person|anyone|them)\b/i,
  /\b(read|open|cat|load|send|upload|include|attach)\b[^.\n]{0,60}(~\/|\/etc\/|\.ssh|\.env\b|id_rsa|\.aws|\.config\/|mcp\.json|credentials?\b|private key)/i,
  /\b(before|after|instead of)\b[^.\n]{0,20}\b(using|calling|every|any)\b[^.\n]{0,30}\b(tool|call)s?\b[^.\n]{0,40}\b(must|always|first)\b/i,
  /\b(you must|always)\b[^.\n]{0,40}\b(call|invoke|use)\b[^.\n]{0,30}\btool\b/i,
];

const maxFlags = 20;
const maxFoundLength = 120;
const maxDepth = 32;

/** `names`: all tools of the list. */
export function flagsIn(
  definition: Readonly<Record<string, unknown>>,
  names: readonly string[],
): readonly DefinitionFlag[] {
  const flags: DefinitionFlag[] = [];
  const own = definition['name'];
  // A short name is a word like others.
  const others = names.filter((name) => name !== own && name.length >= 5 && /[_.-]|[a-z][A-Z]/.test(name));
  visit(definition, '', 0, (text, place) => {
    for (const [found] of text.matchAll(hidden)) add(flags, 'hidden-characters', place, codePoint(found));
    if (place === '/name') return;
    for (const pattern of instructions) {
      const found = pattern.exec(text)?.[0];
      if (found !== undefined) add(flags, 'instruction', place, found);
    }
    for (const name of others) if (mentions(text, name)) add(flags, 'other-tool', place, name);
  });
  return flags;
}

function visit(value: unknown, place: string, depth: number, text: (text: string, place: string) => void): void {
  if (typeof value === 'string') text(value, place);
  else if (depth > maxDepth) return;
  else if (Array.isArray(value)) value.forEach((item, index) => visit(item, `${place}/${index}`, depth + 1, text));
  else if (isRecord(value)) {
    for (const [key, field] of Object.entries(value)) {
      visit(field, `${place}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1, text);
    }
  }
}

function mentions(text: string, name: string): boolean {
  const at = text.indexOf(name);
  if (at < 0) return false;
  const [before = ' ', after = ' '] = [text[at - 1], text[at + name.length]];
  return !/\w/.test(before) && !/\w/.test(after);
}

function add(flags: DefinitionFlag[], kind: FlagKind, place: string, found: string): void {
  const short = found.slice(0, maxFoundLength);
  if (
    flags.length >= maxFlags ||
    flags.some((flag) => flag.kind === kind && flag.place === place && flag.found === short)
  )
    return;
  flags.push({ kind, place, found: short });
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

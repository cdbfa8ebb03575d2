/** The engine's reasons in the window's language: words by code, filled with the details that came along. */
import { defined } from '../../main/base/defined.ts';
import { isTunnelerError } from '../../main/base/errors.ts';
import { isReasonCode, type ReasonCode } from '../../main/base/reason-codes.ts';

/** What the engine says: English sentences, and the code and details they can be said again by. */
export interface Said {
  /** Absent where other languages have no words for it. A newer engine may send one that this window does not know: then too its sentence is shown. */
  readonly code?: string | undefined;
  readonly sentence: string;
  readonly next?: string | undefined;
  readonly details?: Details | undefined;
}

/** What a sentence names. */
export type Details = Readonly<Record<string, unknown>>;

/** A language's words for every code there is; `{name}` stands for a detail. One that misses a code does not compile. */
export type ReasonWords = Readonly<Record<ReasonCode, ReasonText>>;

/** A reason in words. */
export interface ReasonText {
  readonly sentence: string;
  readonly next?: string;
}

/** `about` tells what the reason stands beside (`service`, `identity`); details of the reason itself come before it. */
export type SayReason = (said: Said, about?: Details) => ReasonText;

/** Without words of their own the engine's English sentences are shown; so for English itself. */
export function createReasons(words: ReasonWords | undefined): SayReason {
  const say: SayReason = (said, about = {}) => {
    const own =
      words === undefined ? asPrint(said, about) : { sentence: said.sentence, ...defined({ next: said.next }) };
    const { code = '' } = said;
    const known = words !== undefined && isReasonCode(code) ? words[code] : undefined;
    const sentence = known && fill(known.sentence, { sentence: said.sentence, ...about, ...said.details }, say);
    if (known === undefined || sentence === undefined) return own;
    // A next step is offered where the engine knows one, or these words do.
    const next = known.next ?? said.next;
    return { sentence, ...defined({ next }) };
  };
  return say;
}

/** The engine's English as print has it: it begins small and without a full stop, for it may stand within a line of others. A name at its beginning stays as it is. */
function asPrint(said: Said, about: Details): ReasonText {
  const names = new Set(Object.values({ ...about, ...said.details }).filter((value) => typeof value === 'string'));
  const set = (text: string): string => {
    const [first = ''] = text.split(' ', 1);
    const begun =
      /^[a-z]+$/.test(first) && !names.has(first) ? `${first.charAt(0).toUpperCase()}${text.slice(1)}` : text;
    const quoted = begun.replaceAll(/"([^"]*)"/g, '“$1”').replaceAll("'", '’');
    return /[.…:?)]$/.test(quoted) || quoted === '' ? quoted : `${quoted}.`;
  };
  // A command is typed as it stands.
  const next = said.next === undefined || /^culvert /.test(said.next) ? said.next : set(said.next);
  return { sentence: set(said.sentence), ...defined({ next }) };
}

/** A failed call, as something the engine said. */
export function saidBy(error: unknown): Said {
  if (!isTunnelerError(error)) {
    return { code: 'base.internal', sentence: error instanceof Error ? error.message : String(error) };
  }
  return { code: error.code, sentence: error.message, details: error.details };
}

/** Undefined where a detail it names is missing. A detail may be a reason itself; the sentence around it ends it. */
function fill(template: string, details: Details, say: SayReason): string | undefined {
  let whole = true;
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = details[name];
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    if (isSaid(value)) return say(value, details).sentence.replace(/\.$/, '');
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(', ');
    whole = false;
    return '';
  });
  return whole ? filled : undefined;
}

function isSaid(value: unknown): value is Said {
  if (typeof value !== 'object' || value === null) return false;
  const { code, sentence } = value as Partial<Said>;
  return typeof code === 'string' && typeof sentence === 'string';
}

/** Arguments of a call as texts under their paths (`to`, `cc.0`, `filter.name`), for rules that ask for some of them. Pure. */
import type { ArgumentTexts } from '../guard.ts';
import { foldName } from '../json/fold-name.ts';
import { JsonNumber } from '../json/json-number.ts';

/** More or longer ones are not told: whoever looks through them would hold others up. */
const maxTexts = 64;
const maxLength = 1_024;

/** Undefined where there are too many of them, or one is too long. */
export function argumentTexts(args: unknown): ArgumentTexts | undefined {
  const texts = new Map<string, string>();
  if (!collect('', args, texts)) return undefined;
  // Some tools take a name in another letter case for the same.
  const byFold = new Map([...texts].map(([path, text]) => [foldName(path), text]));
  return { all: texts, named: (path) => texts.get(path) ?? byFold.get(foldName(path)) };
}

function collect(path: string, value: unknown, texts: Map<string, string>): boolean {
  if (typeof value === 'object' && value !== null && !(value instanceof JsonNumber)) {
    return Object.entries(value).every(([name, inner]) =>
      collect(path === '' ? name : `${path}.${name}`, inner, texts),
    );
  }
  const text = String(value);
  texts.set(path, text);
  return texts.size <= maxTexts && text.length <= maxLength && path.length <= maxLength;
}

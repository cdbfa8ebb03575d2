/**
 * Finds secrets in the forms their issuers gave them: by the rules of secretlint's recommended preset, each asked by itself. Pure.
 *
 * Not through secretlint's own core: that one obeys `secretlint-disable` in the text it looks through, which whoever writes the text could say.
 */
import { rules } from '@secretlint/secretlint-rule-preset-recommend';
import type { FoundClass } from '../../base/engagement/data.ts';
import type { Detector, FoundText } from './found.ts';

/** What of a rule is used here. */
interface SecretRule {
  readonly meta: { readonly id: string };
  create(context: RuleContext, options: object): { file?(source: RuleSource): unknown };
}

/** What a rule puts into its message: the secret among it. */
type Said = Readonly<Record<string, unknown>>;

interface RuleContext {
  createTranslator(): (id: string, said?: Said) => Said;
  report(found: { readonly message: Said; readonly range: readonly [number, number] }): void;
  ignore(): void;
}

interface RuleSource {
  readonly content: string;
  readonly contentType: 'text';
  readonly filePath: string;
  readonly ext: string;
}

/** It takes findings back where the text asks for it. */
const obeysTheText = 'filter-comments';

const classes: readonly (readonly [part: string, name: FoundClass])[] = [
  ['privatekey', 'private-key'],
  ['basicauth', 'connection-string'],
  ['database-connection-string', 'connection-string'],
];

/** Shorter texts hold none of them. */
const shortest = 12;

/** One at a time: it is not asked again from within itself. */
export function secretDetector(): Detector {
  let found: FoundText[] = [];
  let text = '';
  const asked = (rules as unknown as readonly SecretRule[])
    .filter(({ meta }) => !meta.id.endsWith(obeysTheText))
    .map((rule) => {
      const name = classes.find(([part]) => rule.meta.id.endsWith(part))?.[1] ?? 'access-token';
      return rule.create(
        {
          createTranslator:
            () =>
            (_id, said = {}) =>
              said,
          report: ({ message, range }) => void found.push({ name, ...exactly(text, message, range) }),
          ignore: () => undefined,
        },
        {},
      );
    });
  return (content) => {
    if (content.length < shortest) return [];
    found = [];
    text = content;
    for (const rule of asked) rule.file?.({ content, contentType: 'text', filePath: 'text', ext: '' });
    return [...found, ...armouredKeys(content)];
  };
}

const begins = /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const ends = '-----END ';
/** Of base64; a shorter body is a picture of a key. */
const shortestBody = /[A-Za-z0-9+/=\s\\]{32}/;

/** Keys of any kind in their armour: the preset's rule knows only some by what is in them. Source: RFC 7468. */
function armouredKeys(text: string): readonly FoundText[] {
  return [...text.matchAll(begins)].flatMap(({ 0: armour, index: start }) => {
    const close = text.indexOf(ends, start + armour.length);
    if (close < 0 || !shortestBody.test(text.slice(start + armour.length, close))) return [];
    const last = text.indexOf('-----', close + ends.length);
    return [{ name: 'private-key', start, end: last < 0 ? text.length : last + 5 } as const];
  });
}

/** Some rules tell the secret's length from where its name begins: it is where what they say of it stands. */
function exactly(text: string, said: Said, [start, end]: readonly [number, number]): Pick<FoundText, 'start' | 'end'> {
  const secret = Object.values(said).find((part) => typeof part === 'string' && part.length === end - start);
  const at = typeof secret === 'string' ? text.indexOf(secret, start) : -1;
  return at < 0 ? { start, end } : { start: at, end: at + end - start };
}

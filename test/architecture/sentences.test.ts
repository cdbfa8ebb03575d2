import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { de } from '../../app/text/de.ts';
import { reasonsDe } from '../../app/text/de/reasons.ts';
import { en } from '../../app/text/en.ts';
import { spokenSentences } from '../support/spoken-sentences.ts';

// The rules stand in resources/docs/conventions.md, "Words for people".

type Rule = readonly [fault: string, pattern: RegExp];

const everywhere: readonly Rule[] = [
  ['an exclamation mark', /!/],
  ['"please"', /\b(please|bitte)\b/i],
  ['a space too many', /^\s|\s$| {2}/],
  ['three dots instead of an ellipsis', /\.\.\./],

  [
    'American spelling',
    /\b(behavior|color|favor|cancel(ed|ing)|(organ|author|recogn|initial|serial|real|summar)i(z)(e[ds]?|ing|ation))\b/i,
  ],
];

/** Names that begin with a capital wherever they stand. */
const names = /^(Culvert|NetworkManager)\b/;

const engine: readonly Rule[] = [
  ...everywhere,
  [
    'a contraction',
    /\b(can|don|doesn|didn|isn|aren|wasn|won|couldn|wouldn|shouldn|haven|hasn)'t\b|\b(it|you|we|they|there)'(s|re|ve|ll)\b/i,
  ],
  ['a full stop at its end', /\.$/],
  ['backticks', /`/],
  ['names in single or curly quotes', /'\{\}'|‘|“|”/],
  ['a curly apostrophe', /’/],
];

const window: readonly Rule[] = [
  ...everywhere,
  ['a straight apostrophe', /'/],
  ['straight quotes', /"/],
  ['no full stop though it is more than one sentence', /\. \p{Lu}.*[^.?:…)]$/u],
];

const german: readonly Rule[] = [
  ...window,
  ['a small letter at its beginning', /^\p{Ll}/u],
  ['no full stop at its end', /[^.}]$/],
  ['"du"', /\b(du|dich|dir|deine?[rmns]?)\b/i],
];

function faultsOf(text: string, rules: readonly Rule[]): readonly string[] {
  return rules.filter(([, pattern]) => pattern.test(text)).map(([fault]) => `${fault}: ${text}`);
}

/** Messages filled with something for each parameter. */
function messages(catalogue: Readonly<Record<string, unknown>>): readonly (readonly [key: string, text: string])[] {
  const filled = new Proxy({}, { get: (_, name) => (/count|open|ready/.test(String(name)) ? 3 : `<${String(name)}>`) });
  return Object.entries(catalogue).map(([key, message]) => [
    key,
    typeof message === 'function' ? (message as (parameters: unknown) => string)(filled) : String(message),
  ]);
}

describe('sentences to people', () => {
  it('of the engine begin small, end without a full stop and quote as the house does', () => {
    const spoken = spokenSentences(fileURLToPath(new URL('../../main', import.meta.url)));
    expect(spoken.length).toBeGreaterThan(600);
    const faults = spoken.flatMap(({ at, text }) => {
      const begins = /^\p{Lu}\p{Ll}+\b/u.test(text) && !names.test(text) ? [`a capital at its beginning: ${text}`] : [];
      return [...faultsOf(text, engine), ...begins].map((fault) => `${at} ${fault}`);
    });
    expect(faults).toEqual([]);
  }, 120_000); // parses the whole house

  it.each([
    ['en', en],
    ['de', de],
  ])('of the window are set as the house does: %s', (_, catalogue) => {
    const faults = messages(catalogue).flatMap(([key, text]) =>
      faultsOf(text, window).map((fault) => `${key} ${fault}`),
    );
    expect(faults).toEqual([]);
  });

  it('of the engine in German are whole sentences', () => {
    const faults = Object.entries(reasonsDe).flatMap(([code, { sentence, next }]) =>
      [sentence, ...(next === undefined ? [] : [next])].flatMap((text) =>
        faultsOf(text, german).map((fault) => `${code} ${fault}`),
      ),
    );
    expect(faults).toEqual([]);
  });
});

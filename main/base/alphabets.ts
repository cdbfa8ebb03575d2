/** Alphabets by which languages are told apart. Source: Unicode, property Script. */

/** By a letter that is theirs. */
export const alphabets = {
  Arabic: /\p{Script=Arabic}/u,
  Cyrillic: /\p{Script=Cyrillic}/u,
  Devanagari: /\p{Script=Devanagari}/u,
  Greek: /\p{Script=Greek}/u,
  Han: /\p{Script=Han}/u,
  Hangul: /\p{Script=Hangul}/u,
  Hebrew: /\p{Script=Hebrew}/u,
  Kana: /[\p{Script=Hiragana}\p{Script=Katakana}]/u,
  Latin: /\p{Script=Latin}/u,
  Thai: /\p{Script=Thai}/u,
} as const;
/** One of them. */
export type Alphabet = keyof typeof alphabets;
/** All of them. */
export const alphabetNames = Object.keys(alphabets) as readonly Alphabet[];

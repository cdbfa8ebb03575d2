/** Every visible string, by typed key. English gives keys and parameters; another language that misses one does not compile. */
import { createContext, useContext } from 'react';
import { de } from './de.ts';
import { en } from './en.ts';
import { createFormat, type Format } from './format.ts';
import { reasonsDe } from './de/reasons.ts';
import { createReasons, saidBy, type ReasonWords, type SayReason } from './reasons.ts';

/** The languages there are. */
export type Locale = 'en' | 'de';
/** A key of the catalogues. */
export type TextKey = keyof typeof en;
type Arguments<K extends TextKey> = (typeof en)[K] extends (parameters: infer P) => string ? [P] : [];

/** A language's words, called with a key. */
export interface Text {
  readonly locale: Locale;
  <K extends TextKey>(key: K, ...parameters: Arguments<K>): string;
  readonly format: Format;
  /** What the engine gave as a reason. */
  readonly reason: SayReason;
  /** A failed call, in one sentence. */
  readonly error: (error: unknown) => string;
}

const catalogues: Readonly<Record<Locale, Readonly<Record<TextKey, unknown>>>> = { en, de };

/** English is the engine's own language: its words stand where a reason is given. */
const reasonWords: Readonly<Record<Exclude<Locale, 'en'>, ReasonWords>> & { readonly en: undefined } = {
  en: undefined,
  de: reasonsDe,
};

/** The words of a language. */
export function createText(locale: Locale): Text {
  const catalogue = catalogues[locale];
  const say = (key: TextKey, parameters?: unknown): string => {
    const message = catalogue[key];
    return typeof message === 'function' ? (message as (parameters: unknown) => string)(parameters) : String(message);
  };
  const reason = createReasons(reasonWords[locale]);
  const error = (caught: unknown): string => reason(saidBy(caught)).sentence;
  return Object.assign(say, { locale, format: createFormat(locale), reason, error });
}

/** The person's choice, else the first of the browser's languages that has a catalogue, else English. */
export function chooseLocale(choice: Locale | 'system', languages: readonly string[]): Locale {
  if (choice !== 'system') return choice;
  for (const language of languages) {
    const base = language.toLowerCase().split('-')[0];
    if (base === 'en' || base === 'de') return base;
  }
  return 'en';
}

/** The words in use; English where nobody set another. */
export const TextContext = createContext<Text>(createText('en'));

/** The words in use here. */
export function useText(): Text {
  return useContext(TextContext);
}

/** The text of a key put together from a code the engine sends; `otherwise` where the catalogue has none. */
export function textOr(t: Text, key: string, otherwise: string): string {
  return Object.hasOwn(en, key) ? (t as (key: string) => string)(key) : otherwise;
}

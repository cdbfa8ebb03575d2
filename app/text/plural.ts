/** The two plural forms English and German have; a language with more brings its own function. */
export function plural(count: number, one: string, other: string): string {
  return count === 1 ? one : other;
}

/** The shape another language must fill: every key, and for a key with parameters a function of the same. */
export type Translation<Source> = {
  readonly [Key in keyof Source]: Source[Key] extends (parameters: infer P) => string
    ? (parameters: P) => string
    : string;
};

const english = new Intl.NumberFormat('en');
const german = new Intl.NumberFormat('de');

/** A count as English writes it. */
export function englishNumber(value: number): string {
  return english.format(value);
}

/** A count as German writes it. */
export function germanNumber(value: number): string {
  return german.format(value);
}

/**
 * Names of JSON as a reader takes them that does not mind letter case. Pure.
 * Go's encoding/json folds by Unicode's simple folding, others by lower or upper case, some normalise; two names that any of them takes for
 * one have the same fold here. It may join more than any single reader does, which is the stricter side.
 */
const beyondAscii = /[^\0-\x7f]/;

/** The form in which two names are one to the most lenient of readers. */
export function foldName(name: string): string {
  if (!beyondAscii.test(name)) return name.toLowerCase();
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}

/** A name of this object that is not `name` and that some reader takes for it. */
export function otherSpelling(value: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const folded = foldName(name);
  return Object.keys(value).find((key) => key !== name && foldName(key) === folded);
}

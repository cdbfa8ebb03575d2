/** The secrets that Culvert itself holds in memory (providers' keys it puts into requests): nobody else has a reason to say them. */

/** Shorter values would be found everywhere. */
const shortest = 8;
/** Of longer ones the beginning is looked for. */
const longest = 2 * 1024;

/** One for an engine: told of a key when it is opened, asked by every guard that looks for secrets. */
export class KeptSecrets {
  readonly #values = new Map<string, string>();

  /** Look for this value from now on, in the place of an earlier one of that name. */
  keep(name: string, value: string): void {
    if (value.length >= shortest) this.#values.set(name, value.slice(0, longest));
    else this.#values.delete(name);
  }

  forget(name: string): void {
    this.#values.delete(name);
  }

  /** Where one of them stands. */
  placesIn(text: string): readonly { readonly start: number; readonly end: number }[] {
    return [...this.#values.values()].flatMap((value) => {
      const places: { start: number; end: number }[] = [];
      for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length)) {
        places.push({ start: at, end: at + value.length });
      }
      return places;
    });
  }
}

/** What each screen was last narrowed to, so that a way back to it leads where one was. Kept for as long as the tab lives. */
import type { PreferenceStorage } from './preferences.ts';

const storageKey = 'culvert.filters';
type Query = Readonly<Record<string, string>>;

/** The last filter of each screen. */
export class Filters {
  readonly #storage: PreferenceStorage | undefined;
  #kept: Readonly<Record<string, Query>>;

  /** @param storage undefined where the browser forbids it: then they last as long as the page. */
  constructor(storage: PreferenceStorage | undefined) {
    this.#storage = storage;
    this.#kept = parse(storage?.getItem(storageKey) ?? null);
  }

  of(screen: string): Query {
    return this.#kept[screen] ?? {};
  }

  remember(screen: string, query: Query): void {
    this.#kept = { ...this.#kept, [screen]: query };
    this.#storage?.setItem(storageKey, JSON.stringify(this.#kept));
  }
}

function parse(kept: string | null): Readonly<Record<string, Query>> {
  try {
    const raw: unknown = JSON.parse(kept ?? '{}');
    return typeof raw === 'object' && raw !== null ? (raw as Readonly<Record<string, Query>>) : {};
  } catch {
    return {}; // an older or foreign value: one filters anew
  }
}

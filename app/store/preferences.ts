/** How this person wants the window to look; kept by the browser, applied to the document. Nothing here reaches the engine. */
import type { Locale } from '../text/text.ts';

/** What a person can choose; `system` follows the host. */
export interface PreferenceValues {
  readonly theme: 'system' | 'light' | 'dark';
  readonly motion: 'system' | 'reduced' | 'full';
  readonly density: 'roomy' | 'compact';
  readonly locale: Locale | 'system';
  /** `done`: the person has seen enough of them. */
  readonly firstSteps: 'shown' | 'done';
}

const defaults: PreferenceValues = {
  theme: 'system',
  motion: 'system',
  density: 'roomy',
  locale: 'system',
  firstSteps: 'shown',
};
const allowed: { readonly [K in keyof PreferenceValues]: readonly PreferenceValues[K][] } = {
  theme: ['system', 'light', 'dark'],
  motion: ['system', 'reduced', 'full'],
  density: ['roomy', 'compact'],
  locale: ['system', 'en', 'de'],
  firstSteps: ['shown', 'done'],
};
const storageKey = 'culvert.preferences';

/** The part of a page's storage that is used. */
export interface PreferenceStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** The choices in force, and their listeners. */
export class Preferences {
  readonly #storage: PreferenceStorage | undefined;
  readonly #listeners = new Set<() => void>();
  #values: PreferenceValues;

  /** @param storage undefined where the browser forbids it: then choices last as long as the page. */
  constructor(storage: PreferenceStorage | undefined) {
    this.#storage = storage;
    this.#values = parsePreferences(storage?.getItem(storageKey) ?? null);
  }

  readonly values = (): PreferenceValues => this.#values;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  set(change: Partial<PreferenceValues>): void {
    this.#values = { ...this.#values, ...change };
    this.#storage?.setItem(storageKey, JSON.stringify(this.#values));
    for (const listener of [...this.#listeners]) listener();
  }
}

/** What was kept, field by field; anything unknown falls back to its default. */
export function parsePreferences(kept: string | null): PreferenceValues {
  if (kept === null) return defaults;
  let raw: unknown;
  try {
    raw = JSON.parse(kept);
  } catch {
    return defaults; // an older or foreign value is no reason to fail: the person chooses again
  }
  const record = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  const pick = <K extends keyof PreferenceValues>(key: K): PreferenceValues[K] =>
    allowed[key].find((value) => value === record[key]) ?? defaults[key];
  return {
    theme: pick('theme'),
    motion: pick('motion'),
    density: pick('density'),
    locale: pick('locale'),
    firstSteps: pick('firstSteps'),
  };
}

/** A storage of this page; undefined where reading it throws (cookies and site data blocked). */
export function pageStorage(page: Window, kind: 'localStorage' | 'sessionStorage'): PreferenceStorage | undefined {
  try {
    return page[kind];
  } catch {
    return undefined;
  }
}

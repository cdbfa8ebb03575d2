/** Puts a marker in the place of what was found. Pure but for the document it is asked to change. */
import { isRecord } from '../json/strict-json.ts';
import type { FoundPlace } from './document-scan.ts';

/** The same for the same class, and nothing that any detector finds again. */
export function markerOf(name: string): string {
  return `[redacted:${name}]`;
}

interface Change {
  /** What goes on; undefined: nothing of it is changed for that. */
  readonly sent: unknown;
  /** What a record may hold. */
  readonly shown: unknown;
  readonly inName: boolean;
}

/** Markers for what was found in one document. */
export class Redaction {
  readonly #changes = new Map<object, Map<string | number, Change[]>>();

  /** `isSent`: the marker also stands in what goes on. What stands in the places is read now. */
  constructor(places: readonly FoundPlace[], isSent: (place: FoundPlace) => boolean) {
    const groups = new Map<object, Map<string, FoundPlace[]>>();
    for (const place of places) {
      const within = groups.get(place.within) ?? new Map<string, FoundPlace[]>();
      groups.set(place.within, within);
      const id = `${place.inName ? 'name' : 'value'} ${place.key}`;
      within.set(id, [...(within.get(id) ?? []), place]);
    }
    for (const [within, byKey] of groups) {
      for (const found of byKey.values()) this.#add(within, found, found.filter(isSent));
    }
  }

  /** Change the document as it goes on. True where anything was. */
  apply(): boolean {
    let changed = false;
    for (const [within, byKey] of this.#changes) {
      for (const [key, changes] of byKey) {
        for (const { sent, inName } of changes) {
          if (sent === undefined) continue;
          changed = true;
          if (inName) rename(within, String(key), String(sent));
          else put(within, key, sent);
        }
      }
    }
    return changed;
  }

  /** A copy in which everything found is replaced. */
  shown(value: unknown): unknown {
    if (Array.isArray(value)) {
      const items: readonly unknown[] = value;
      return items.map((item, index) => this.#shownValue(items, index, item));
    }
    if (!isRecord(value)) return value;
    const copy = {};
    for (const [name, field] of Object.entries(value)) {
      const renamed = this.#changes
        .get(value)
        ?.get(name)
        ?.find(({ inName }) => inName);
      put(
        copy,
        renamed === undefined ? name : freeName(copy, String(renamed.shown)),
        this.#shownValue(value, name, field),
      );
    }
    return copy;
  }

  #shownValue(within: object, key: string | number, value: unknown): unknown {
    const change = this.#changes
      .get(within)
      ?.get(key)
      ?.find(({ inName }) => !inName);
    return change === undefined ? this.shown(value) : change.shown;
  }

  #add(within: object, found: readonly FoundPlace[], sent: readonly FoundPlace[]): void {
    const [first] = found;
    if (first === undefined) return;
    const { key, inName } = first;
    const value = inName ? String(key) : (within as Readonly<Record<string | number, unknown>>)[key];
    const change: Change = {
      sent: sent.length === 0 ? undefined : marked(value, sent),
      shown: marked(value, found),
      inName,
    };
    const byKey = this.#changes.get(within) ?? new Map<string | number, Change[]>();
    this.#changes.set(within, byKey);
    byKey.set(key, [...(byKey.get(key) ?? []), change]);
  }
}

/** A text with markers in it; anything else becomes the marker. */
function marked(value: unknown, found: readonly FoundPlace[]): string {
  const [first] = found;
  if (typeof value !== 'string') return markerOf(first?.name ?? 'data');
  let written = '';
  let at = 0;
  for (const { name, start, end } of [...found].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (end <= at) continue;
    // What reaches into the one before it belongs to that one's marker.
    if (start >= at) written += value.slice(at, start) + markerOf(name);
    at = Math.min(end, value.length);
  }
  return written + value.slice(at);
}

function put(within: object, key: string | number, value: unknown): void {
  // A field of its own, also one called __proto__.
  Object.defineProperty(within, key, { value, enumerable: true, configurable: true, writable: true });
}

function rename(within: object, name: string, to: string): void {
  const value = (within as Record<string, unknown>)[name];
  Reflect.deleteProperty(within, name);
  put(within, freeName(within, to), value);
}

function freeName(within: object, wanted: string): string {
  let name = wanted;
  for (let count = 2; Object.hasOwn(within, name); count += 1) name = `${wanted} ${count}`;
  return name;
}

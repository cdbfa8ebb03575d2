/** Paths to what was found, for records. Pure. */
import { isRecord } from '../json/strict-json.ts';
import type { FoundPlace } from './document-scan.ts';

/** Of one part of a document, as it stands when this is made. */
export class Places {
  /** Path of every object and list of the part. */
  readonly #paths = new Map<object, string>();

  /** `part`: what paths begin at, as `$`. */
  constructor(part: unknown) {
    const waiting: (readonly [path: string, value: unknown])[] = [['$', part]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [path, value] = next;
      if (!Array.isArray(value) && !isRecord(value)) continue;
      this.#paths.set(value, path);
      const children: Iterable<readonly [string | number, unknown]> = Array.isArray(value)
        ? (value as readonly unknown[]).entries()
        : Object.entries(value);
      for (const [key, child] of children) {
        if (typeof child === 'object' && child !== null) waiting.push([pathTo(path, key), child]);
      }
    }
  }

  /** Does it stand in this part? */
  has({ within }: FoundPlace): boolean {
    return this.#paths.has(within);
  }

  of({ within, key, inName }: FoundPlace): string {
    const holder = this.#paths.get(within) ?? '$';
    // A name that is itself what was found is not told.
    return inName ? `${holder}.*~` : pathTo(holder, key);
  }
}

const longestName = 64;

function pathTo(holder: string, key: string | number): string {
  if (typeof key === 'number') return `${holder}[${key}]`;
  return /^[A-Za-z_][\w-]*$/.test(key)
    ? `${holder}.${key.slice(0, longestName)}`
    : `${holder}['${key.slice(0, longestName)}']`;
}

/** What was read of a file, kept while it stays the same file. */
import { statSync } from 'node:fs';
import type { Stats } from 'node:fs';

const maxCached = 512;
/** A package manager at work changes its record again and again. */
const maxTurns = 3;
/** Larger than any executable; a path that leads to something endless must not be read for ever. */
const maxBytes = 4 * 1024 ** 3;

/** One fact of files, each read once a version; what cannot be told (undefined) is asked for again. */
export class ByVersion<T extends string | null> {
  readonly #read: (path: string, name: string) => Promise<T | undefined>;
  readonly #circumstances: () => string;
  readonly #known = new Map<string, T>();
  readonly #reading = new Map<string, Promise<T | undefined>>();

  /** `circumstances`: what else it depends on; another text, and everything is read anew. */
  constructor(read: (path: string, name: string) => Promise<T | undefined>, circumstances: () => string = () => '') {
    this.#read = read;
    this.#circumstances = circumstances;
  }

  /** The fact where it is known already; costs one stat. */
  known(path: string, name = path): T | undefined {
    const version = this.#versionOf(path, name);
    return version === undefined ? undefined : this.#known.get(version);
  }

  /** `name`: as whom the file goes, where `path` is another way to it. Undefined where it cannot be read, or is another one each time. */
  async of(path: string, name = path): Promise<T | undefined> {
    for (let turn = 0; turn < maxTurns; turn += 1) {
      const version = this.#versionOf(path, name);
      if (version === undefined) return undefined;
      const known = this.#known.get(version);
      if (known !== undefined) return known;
      const reading = this.#reading.get(version) ?? this.#read(path, name);
      this.#reading.set(version, reading);
      const value = await reading;
      this.#reading.delete(version);
      if (value === undefined) return undefined;
      // Replaced while it was read: what was read then belongs to no version we can name.
      if (this.#versionOf(path, name) !== version) continue;
      if (this.#known.size >= maxCached) this.#known.clear();
      this.#known.set(version, value);
      return value;
    }
    return undefined;
  }

  /** By device, inode, size and times: other content has another one. */
  #versionOf(path: string, name: string): string | undefined {
    let found: Stats | undefined;
    try {
      found = statSync(path, { throwIfNoEntry: false });
    } catch {
      // Not ours to read: it then has no such fact, and rules that ask for one do not match.
      return undefined;
    }
    if (found === undefined || !found.isFile() || found.size > maxBytes) return undefined;
    const { dev, ino, size, mtimeMs, ctimeMs } = found;
    return JSON.stringify([dev, ino, size, mtimeMs, ctimeMs, name, this.#circumstances()]);
  }
}

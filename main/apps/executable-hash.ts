/** SHA-256 of executables, each read once while it stays the same file. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { Stats } from 'node:fs';

const maxCached = 512;
/** Larger than any executable; a path that leads to something endless must not be read for ever. */
const maxBytes = 4 * 1024 ** 3;

export class ExecutableHashes {
  /** By device, inode, size and times: other content has another key. */
  readonly #known = new Map<string, string>();
  readonly #reading = new Map<string, Promise<string | undefined>>();

  /** The digest where it is known already; costs one stat. */
  known(path: string): string | undefined {
    const version = versionOf(path);
    return version === undefined ? undefined : this.#known.get(version);
  }

  /** Lower-hex digest, read where it is not known; undefined where it cannot be. */
  async hash(path: string): Promise<string | undefined> {
    const version = versionOf(path);
    if (version === undefined) return undefined;
    const known = this.#known.get(version);
    if (known !== undefined) return known;
    const reading = this.#reading.get(version) ?? digest(path);
    this.#reading.set(version, reading);
    const value = await reading;
    this.#reading.delete(version);
    // The file may have been replaced while it was read; the digest then belongs to no version we can name.
    if (value === undefined || versionOf(path) !== version) return undefined;
    if (this.#known.size >= maxCached) this.#known.clear();
    this.#known.set(version, value);
    return value;
  }
}

function versionOf(path: string): string | undefined {
  let found: Stats | undefined;
  try {
    found = statSync(path, { throwIfNoEntry: false });
  } catch {
    // Not ours to read: it then has no hash, and rules that ask for one do not match.
    return undefined;
  }
  if (found === undefined || !found.isFile() || found.size > maxBytes) return undefined;
  return [found.dev, found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ');
}

function digest(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const hash = createHash('sha256');
    const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
    stream.on('data', (chunk) => hash.update(chunk));
    stream.on('end', () => resolve(hash.digest('hex')));
    stream.on('error', () => resolve(undefined));
  });
}

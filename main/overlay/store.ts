/** Where the overlay keeps its state: one document in a directory of its own, replaced atomically, readable by its owner. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isTunnelerError, TunnelerError } from '../base/errors.ts';
import { readIfThere } from '../files/read-if-there.ts';
import { writeAtomically } from '../files/write-atomically.ts';
import type { StateDocument } from './model.ts';

const fileName = 'overlay.json';

/** Keeps one document. Writes follow one another; a burst of changes becomes one write. */
export interface Store extends AsyncDisposable {
  /** What was kept, absent at the first start. */
  readonly kept: StateDocument | undefined;
  /** Write what `snapshot` returns, soon. */
  save(snapshot: () => StateDocument): void;
  /** Resolves when everything saved so far lies on disk; rejects where it could not be written. */
  flush(): Promise<void>;
}

/** A store that forgets. */
export function openMemoryStore(): Store {
  return {
    kept: undefined,
    save() {},
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * Open the state in `directory`, which is made (0700) where it is missing.
 * Throws `overlay.state_corrupt` where the document cannot be understood; the file is left as it is.
 */
export async function openDirectoryStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, fileName);
  return new DirectoryStore(path, await readDocument(path));
}

class DirectoryStore implements Store {
  readonly kept: StateDocument | undefined;
  readonly #path: string;
  #wanted: (() => StateDocument) | undefined;
  #writing: Promise<void> | undefined;

  constructor(path: string, kept: StateDocument | undefined) {
    this.#path = path;
    this.kept = kept;
  }

  save(snapshot: () => StateDocument): void {
    this.#wanted = snapshot;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
    // Whoever needs to know awaits flush(); without this a failed write nobody waits for would end the process.
    this.#writing.catch(() => undefined);
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#wanted === undefined) return;
    // An earlier write failed: try again, so that whoever asks hears of it.
    this.save(this.#wanted);
    await this.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  async #write(): Promise<void> {
    // One turn later, so that all changes of this one are in the same document.
    await new Promise((resolve) => setImmediate(resolve));
    for (let snapshot = this.#wanted; snapshot !== undefined; snapshot = this.#wanted) {
      this.#wanted = undefined;
      try {
        await writeAtomically(this.#path, `${JSON.stringify(snapshot(), undefined, 1)}\n`);
      } catch (cause) {
        this.#wanted ??= snapshot;
        throw new TunnelerError('overlay.state_unwritable', 'the overlay cannot write its state', {
          cause,
          details: { path: this.#path },
        });
      }
    }
  }
}

async function readDocument(path: string): Promise<StateDocument | undefined> {
  const text = await readIfThere(path).catch((cause: unknown) => {
    throw new TunnelerError('overlay.state_corrupt', 'the overlay cannot read its state', { cause, details: { path } });
  });
  if (text === undefined) return undefined;
  try {
    return checkDocument(JSON.parse(text));
  } catch (cause) {
    const why = isTunnelerError(cause) ? cause.message : 'it is not JSON';
    throw new TunnelerError('overlay.state_corrupt', `the overlay's state cannot be understood: ${why}`, {
      cause,
      details: { path },
    });
  }
}

function checkDocument(value: unknown): StateDocument {
  const document = value as Partial<StateDocument> | null;
  if (typeof document !== 'object' || document === null || document.format !== 'culvert.overlay.v1') {
    throw new TunnelerError('overlay.state_corrupt', 'it does not say culvert.overlay.v1');
  }
  const { pki, entities } = document;
  for (const name of ['root', 'intermediate', 'controller', 'router'] as const) {
    if (typeof pki?.[name]?.cert !== 'string' || typeof pki[name].key !== 'string') {
      throw new TunnelerError('overlay.state_corrupt', `its pki.${name} is missing`);
    }
  }
  if (typeof entities !== 'object' || !Object.values(entities).every(isEntityList)) {
    throw new TunnelerError('overlay.state_corrupt', 'its entities are not lists of records with an id');
  }
  return document as StateDocument;
}

function isEntityList(list: unknown): boolean {
  return Array.isArray(list) && list.every((entry) => typeof (entry as { id?: unknown } | null)?.id === 'string');
}

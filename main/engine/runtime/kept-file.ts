/** A small JSON file of the state directory that must never be forgotten: read whole or not at all, written beside and moved into place. */
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import { readJsonIfThereSync } from '../../files/read-if-there.ts';
import { writeAtomicallySync } from '../../files/write-atomically.ts';

/** What is not known where it is damaged, and what removing it would do, for people. */
export interface KeptFileWords {
  readonly unknown: string;
  readonly removing: string;
}

/** What stands in it; undefined where there is none. Throws `engine.state_unusable` where it cannot be read or is not of `schema`. */
export function readKept<T>(
  path: string,
  schema: v.GenericSchema<unknown, T>,
  { unknown, removing }: KeptFileWords,
): T | undefined {
  try {
    const kept = readJsonIfThereSync(path);
    return kept === undefined ? undefined : v.parse(schema, kept);
  } catch (error) {
    throw new TunnelerError('engine.state_unusable', `${path} cannot be read, so ${unknown} is not known`, {
      cause: error,
      details: { file: path, next: `mend or remove it; removing it ${removing}` },
    });
  }
}

/** Readable by its owner alone, and on the disk before it takes the old one's place. Throws what the file system does. */
export function writeKept(path: string, value: unknown): void {
  writeAtomicallySync(path, JSON.stringify(value));
}

/** What the shell itself remembers, in one small file of the user's. */
import { readJsonIfThereSync } from '../files/read-if-there.ts';
import { writeAtomicallySync } from '../files/write-atomically.ts';

/** What the file holds. */
export interface KeptSettings {
  readonly notifications: boolean;
}

const defaults: KeptSettings = { notifications: true };

/** As kept; the defaults where the file is missing or not ours. */
export function readSettings(file: string): KeptSettings {
  try {
    const raw = (readJsonIfThereSync(file) ?? {}) as { notifications?: unknown };
    return { notifications: typeof raw.notifications === 'boolean' ? raw.notifications : defaults.notifications };
  } catch {
    return defaults; // a file somebody spoilt: the person sets it again
  }
}

/** A crash leaves the old or the new. */
export function writeSettings(file: string, settings: KeptSettings): void {
  writeAtomicallySync(file, JSON.stringify(settings));
}

/** What the shell itself remembers, in one small file of the user's. */
import { defined, whenDefined } from '../base/defined.ts';
import { readJsonIfThereSync } from '../files/read-if-there.ts';
import { writeAtomicallySync } from '../files/write-atomically.ts';
import { parsePlace, type WindowPlace } from './window-place.ts';

/** What the file holds. */
export interface KeptSettings {
  readonly notifications: boolean;
  /** Where the window was when it was last closed. */
  readonly window?: WindowPlace;
}

const defaults: KeptSettings = { notifications: true };

/** As kept; the defaults where the file is missing or not ours. */
export function readSettings(file: string): KeptSettings {
  try {
    const raw = (readJsonIfThereSync(file) ?? {}) as { notifications?: unknown; window?: unknown };
    return {
      notifications: typeof raw.notifications === 'boolean' ? raw.notifications : defaults.notifications,
      ...defined({ window: whenDefined(raw.window, parsePlace) }),
    };
  } catch {
    return defaults; // a file somebody spoilt: the person sets it again
  }
}

/** A crash leaves the old or the new. */
export function writeSettings(file: string, settings: KeptSettings): void {
  writeAtomicallySync(file, JSON.stringify(settings));
}

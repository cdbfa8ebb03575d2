/** What the shell itself remembers, in one small file of the user's. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

export interface KeptSettings {
  readonly notifications: boolean;
}

const defaults: KeptSettings = { notifications: true };

/** As kept; the defaults where the file is missing or not ours. */
export function readSettings(file: string): KeptSettings {
  try {
    const raw = JSON.parse(readFileSync(file, 'utf8')) as { notifications?: unknown };
    return { notifications: typeof raw.notifications === 'boolean' ? raw.notifications : defaults.notifications };
  } catch {
    return defaults; // first start, or a file somebody spoilt: the person sets it again
  }
}

/** Written beside and moved over, so that a crash leaves the old or the new. */
export function writeSettings(file: string, settings: KeptSettings): void {
  const next = `${file}.next`;
  writeFileSync(next, JSON.stringify(settings), { mode: 0o600 });
  renameSync(next, file);
}

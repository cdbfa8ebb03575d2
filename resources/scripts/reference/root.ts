import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository, from wherever this was bundled to. */
export const root = above(dirname(fileURLToPath(import.meta.url)));

function above(directory: string): string {
  return existsSync(join(directory, 'package-lock.json')) ? directory : above(dirname(directory));
}

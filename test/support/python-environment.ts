/** Kept Python libraries that tests hold ours against, each set in an environment of its own that is made once under `.cache/`. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toolsMissing } from './tools.ts';

const run = promisify(execFile);
const cache = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.cache');
/** Longer than a making can last. */
const staleMs = 15 * 60_000;

/** Where a list of libraries is installed, once for what it says. */
export function pythonPlace(
  name: string,
  requirements: string,
): { readonly place: string; readonly interpreter: string } {
  const sum = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const place = join(cache, `${name}-python-${sum}`);
  return { place, interpreter: join(place, 'bin', 'python') };
}

/** Its interpreter; or why the libraries cannot run here. Installs them the first time; test processes side by side wait for one another. */
export async function openPythonEnvironment(
  name: string,
  requirements: string,
): Promise<{ readonly interpreter: string } | { readonly missing: string }> {
  const { place, interpreter } = pythonPlace(name, requirements);
  const found = { interpreter };
  /** Written last: an environment without it was cut short. */
  const ready = join(place, 'ready');
  if (existsSync(ready)) return found;
  const python = toolsMissing('python3');
  if (python !== undefined) return { missing: python };
  const lock = `${place}.lock`;
  mkdirSync(dirname(place), { recursive: true });
  while (!existsSync(ready)) {
    if (!taken(lock)) {
      await delay(500);
      continue;
    }
    try {
      rmSync(place, { recursive: true, force: true });
      await run('python3', ['-m', 'venv', place]);
      await run(join(place, 'bin', 'pip'), ['install', '--quiet', '--requirement', requirements], { timeout: staleMs });
      writeFileSync(ready, '');
    } catch (error) {
      const why = (error as Error).message.split('\n').at(-2) ?? '';
      return { missing: `the Python libraries for ${name} could not be installed: ${why}` };
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return found;
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > staleMs) {
      rmSync(lock, { recursive: true, force: true });
    }
    return false;
  }
}

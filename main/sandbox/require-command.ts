/** Whether a program can be started as it is named, before anything is made for it: what starts it in the sandbox says so in words of its own. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import type { SandboxPlan } from './bubblewrap.ts';

/** Where the search for a name without a slash goes without a PATH, execvp(3). */
const usualPath = '/bin:/usr/bin';

type View = Pick<SandboxPlan, 'directory' | 'environment' | 'hiddenDirectories' | 'hiddenFiles' | 'shown'>;

/** Throws `sandbox.failed`, the command named, where nothing in the sandbox's view could be executed under that name. */
export function requireCommand(command: string, view: View): void {
  const isPath = command.includes('/');
  const path = view.environment['PATH'] ?? usualPath;
  const places = isPath
    ? [command]
    : path.split(':').map((directory) => `${directory === '' ? '.' : directory}/${command}`);
  const found = places.map((place) => standing(resolve(view.directory, place), view));
  if (found.includes('executable')) return;
  const why = found.includes('barred')
    ? 'it may not be executed'
    : isPath
      ? 'there is no such file in its view'
      : 'no directory of PATH in its view has it';
  throw new TunnelerError('sandbox.failed', `${command} cannot be started: ${why}`, {
    details: { command, next: 'name a program by its path, or one that is on PATH' },
  });
}

function standing(path: string, { hiddenDirectories, hiddenFiles, shown }: View): 'executable' | 'barred' | 'none' {
  try {
    const real = realpathSync(path);
    const isIn = (all: readonly string[]): boolean => all.some((one) => real === one || real.startsWith(`${one}/`));
    if (isIn([...hiddenDirectories, ...hiddenFiles]) && !isIn(shown)) return 'none';
    if (!statSync(real).isFile()) return 'barred';
    accessSync(real, constants.X_OK);
    return 'executable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'barred' : 'none';
  }
}

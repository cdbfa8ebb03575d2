/** What `--app NAME` means: an agent, else the program that the caller's own PATH has under that name. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Engine } from './backends.ts';
import type { Cli } from './cli.ts';

/** As the engine is asked for it: the agent's name, or the file's real path. */
export async function namedProgram(name: string | undefined, engine: Engine, cli: Cli): Promise<{ app?: string }> {
  if (name === undefined) return {};
  if (/[/\\]/.test(name)) return { app: realPath(resolve(name)) ?? name };
  const agents = await engine.app.list();
  if (agents.some((agent) => agent.name === name)) return { app: name };
  const directories = (cli.terminal.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  const found = directories.map((directory) => join(directory, name)).find(isProgram);
  // The engine knows more agents than have been seen, and refuses a name that is none of them.
  return { app: found === undefined ? name : (realPath(found) ?? found) };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Programs are known by the file that runs, not by a link to it. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Files that may be missing: absence is an answer, every other failure an error. */
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

/** True for what the file system throws where there is no such file or directory (`ENOENT`). */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The file's text; undefined where there is none. Any other failure is thrown as the file system has it. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** As {@link readIfThere}, at once. */
export function readIfThereSync(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** What the file holds as JSON, unchecked; undefined where there is none. Throws `SyntaxError` for anything else than JSON. */
export async function readJsonIfThere(path: string): Promise<unknown> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

/** As {@link readJsonIfThere}, at once. */
export function readJsonIfThereSync(path: string): unknown {
  const text = readIfThereSync(path);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

/** Names in a directory, in no order; none where there is no such directory. */
export async function listIfThere(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** As {@link listIfThere}, at once. */
export function listIfThereSync(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

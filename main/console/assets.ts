/** The built window, read once into memory: what is not in this table does not exist, whatever a path says. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { TunnelerError } from '../base/errors.ts';

/** One built file. */
export interface Asset {
  readonly body: Buffer;
  readonly type: string;
  /** Its name holds a hash of its content, so it never changes. */
  readonly immutable: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Far above any build; a directory given by mistake fails here instead of filling memory. */
const maxFiles = 500;

/** All there is to serve. */
export interface Assets {
  readonly page: Asset;
  /** Everything, the page included, by path (`/index.html`). */
  readonly files: ReadonlyMap<string, Asset>;
}

/** Read the built window. Throws `console.unavailable` where there is none. */
export async function loadAssets(directory: string): Promise<Assets> {
  const assets = new Map<string, Asset>();
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && types[extname(entry.name)] !== undefined);
    if (files.length > maxFiles) throw new Error(`${files.length} files`);
    for (const entry of files) {
      const file = join(entry.parentPath, entry.name);
      const path = `/${relative(directory, file).split(sep).join('/')}`;
      const type = types[extname(entry.name)] ?? 'application/octet-stream';
      assets.set(path, { body: await readFile(file), type, immutable: path.startsWith('/assets/') });
    }
  } catch (error) {
    throw new TunnelerError('console.unavailable', `the window's files cannot be read from ${directory}`, {
      cause: error,
    });
  }
  const page = assets.get('/index.html');
  if (page === undefined) {
    throw new TunnelerError('console.unavailable', `there is no built window in ${directory}`);
  }
  return { page, files: assets };
}

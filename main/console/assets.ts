/** The built window, read once into memory: what is not in this table does not exist, whatever a path says. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { TunnelerError } from '../base/errors.ts';

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

/** Files by path (`/index.html`). Throws `console.unavailable` where there is no built window. */
export async function loadAssets(directory: string): Promise<ReadonlyMap<string, Asset>> {
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
  if (!assets.has('/index.html')) {
    throw new TunnelerError('console.unavailable', `there is no built window in ${directory}`);
  }
  return assets;
}

/**
 * The way to hand a browser an address that is a secret: arguments of a process can be read by every user of the host, so the browser is given
 * a file that only its own user can read, and the address stands in that.
 */
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A file that leads a browser on; only its user can read it. */
export interface RedirectFile extends AsyncDisposable {
  /** Its `file:` address. */
  readonly address: string;
}

/** Write it (0600). Disposing removes it; else the next takes its place in the user's own runtime directory. */
export async function redirectFile(
  url: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RedirectFile> {
  const runtime = await ownRuntimeDirectory(env['XDG_RUNTIME_DIR']);
  const directory = runtime ?? (await mkdtemp(join(tmpdir(), 'culvert-')));
  const path = join(directory, 'culvert-console.html');
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(page(url));
  } finally {
    await file.close();
  }
  return {
    address: pathToFileURL(path).href,
    [Symbol.asyncDispose]: () => rm(runtime === undefined ? directory : path, { recursive: true, force: true }),
  };
}

/** The one the login gave the user, where nobody else can look into it. */
async function ownRuntimeDirectory(runtime: string | undefined): Promise<string | undefined> {
  const found = runtime === undefined ? undefined : await stat(runtime).catch(() => undefined);
  const isOwn = found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  return isOwn ? runtime : undefined;
}

function page(url: string): string {
  const escaped = url.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  return `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url=${escaped}"><title>Culvert</title><a href="${escaped}">Culvert</a>\n`;
}

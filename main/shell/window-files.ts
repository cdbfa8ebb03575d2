/** The window's files under its own scheme, from a table of what was built; and the policy they are shown under. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { windowOrigin } from './channels.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** No network: the page talks to the engine through the preload alone. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The answer to one request of the window. */
export interface FileAnswer {
  readonly status: 200 | 403 | 404;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Answers requests of the window's scheme. Read once: a path that is not in the table does not exist. */
export function openWindowFiles(directory: string): (url: string) => FileAnswer {
  const files = new Map<string, { readonly type: string; readonly body: Uint8Array<ArrayBuffer> }>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const type = types[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = join(entry.parentPath, entry.name);
    files.set(`/${relative(directory, file).split(sep).join('/')}`, { type, body: new Uint8Array(readFileSync(file)) });
  }
  return (url) => {
    if (!url.startsWith(`${windowOrigin}/`)) return refusal(403);
    const file = files.get(new URL(url).pathname);
    if (file === undefined) return refusal(404);
    return {
      status: 200,
      headers: { ...secure(), 'content-type': file.type },
      body: file.body,
    };
  };
}

function refusal(status: 403 | 404): FileAnswer {
  return { status, headers: secure(), body: new Uint8Array() };
}

function secure(): Record<string, string> {
  return {
    'content-security-policy': contentSecurityPolicy,
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}

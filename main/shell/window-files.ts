/** The window's files under its own scheme, from a table of what was built; and the policy they are shown under. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
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
  for (const path of filesBelow(directory)) {
    const type = types[extname(path)];
    if (type !== undefined) files.set(path, { type, body: new Uint8Array(readFileSync(join(directory, path))) });
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

/** As a page asks for them: `/assets/index.js`. By hand, for not every Electron's Node walks a tree by itself. */
function filesBelow(directory: string, below = '/'): readonly string[] {
  return readdirSync(join(directory, below), { withFileTypes: true }).flatMap((entry) => {
    const path = `${below}${entry.name}`;
    return entry.isDirectory() ? filesBelow(directory, `${path}/`) : entry.isFile() ? [path] : [];
  });
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

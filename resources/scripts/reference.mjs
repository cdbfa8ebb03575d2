// Writes resources/docs/reference anew from the schemas and the verbs.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const bundled = join(root, '.cache', `reference-${process.pid}.mjs`);

try {
  await build({
    absWorkingDir: root,
    entryPoints: ['resources/scripts/reference/pages.ts'],
    outfile: bundled,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  const { referencePages } = await import(pathToFileURL(bundled).href);
  const pages = await referencePages();
  const folder = join(root, 'resources', 'docs', 'reference');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of pages) writeFileSync(join(folder, file), text);
  console.log(`${pages.size} pages in resources/docs/reference`);
} finally {
  rmSync(bundled, { force: true });
}

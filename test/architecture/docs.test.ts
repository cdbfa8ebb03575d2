/** What the documents point at exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const docs = join(root, 'resources', 'docs');

it.each(readdirSync(docs).filter((name) => name.endsWith('.md')))('%s names only tests that are there', (name) => {
  const named = readFileSync(join(docs, name), 'utf8').match(/test\/[\w./-]+\.ts\b/g) ?? [];
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

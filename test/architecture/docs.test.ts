/** What the documents point at exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const docs = join(root, 'resources', 'docs');

it.each(readdirSync(docs).filter((name) => name.endsWith('.md')))('%s names only tests that are there', (name) => {
  const named = readFileSync(join(docs, name), 'utf8').match(/test\/[\w./-]+\.ts\b/g) ?? [];
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** Pages for readers, from the root. */
const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `resources/docs/${name.replaceAll('\\', '/')}`),
];

it.each(pages)('%s links only to what is there', (page) => {
  const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s]+)/g)].map(([, link = '']) => link);
  const local = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(local.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

describe('decisions', () => {
  const folder = join(docs, 'decisions');
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  const records = readdirSync(folder).filter((name) => name !== 'README.md');

  it.each(records)('%s has its number, its title and its line in the index', (name) => {
    const [heading = ''] = readFileSync(join(folder, name), 'utf8').split('\n');
    const [, number, title = ''] = /^# (\d{4}) — (\S.*)$/.exec(heading) ?? [];
    expect(number).toBe(name.slice(0, 4));
    expect(index).toContain(`| [${number ?? ''}](${name}) | ${title} |`);
  });
});

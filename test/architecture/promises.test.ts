/** Every promise names tests, and each of them is there under that title. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'resources/docs/promises.md'), 'utf8');
const promises = page
  .split('\n## ')
  .slice(1)
  .map((part) => {
    const [title = '', ...lines] = part.split('\n');
    const tests = lines.flatMap((line) => {
      const [, file, name] = /^- `(test\/[^`]+)` — (.+)$/.exec(line) ?? [];
      return file === undefined || name === undefined ? [] : [{ file, name }];
    });
    return { title, tests };
  });

it('stands in nine promises', () => {
  expect(promises.map(({ title }) => Number.parseInt(title, 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

describe.each(promises)('$title', ({ tests }) => {
  it('is held by tests', () => expect(tests.length).toBeGreaterThan(1));

  it.each(tests)('$file: $name', ({ file, name }) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(readFileSync(join(root, file), 'utf8')).toContain(`'${name}'`);
  });
});

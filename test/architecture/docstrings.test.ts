import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { undocumentedExports } from '../support/undocumented-exports.ts';

describe('what is exported says what it is', () => {
  it.each(['main', 'app'])(
    'in %s',
    (root) => {
      expect(undocumentedExports(fileURLToPath(new URL(`../../${root}`, import.meta.url)))).toEqual([]);
    },
    120_000,
  ); // parses the whole house
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, globCovers, globMatches, type GlobStyle } from '../../main/base/glob.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

describe('globs', () => {
  it('lets a star in a name take anything and a question mark one character', () => {
    expect(globMatches('delete_*', 'delete_user')).toBe(true);
    expect(globMatches('*_user', 'delete_user')).toBe(true);
    expect(globMatches('d?lete', 'delete')).toBe(true);
    expect(globMatches('d?lete', 'dlete')).toBe(false);
    expect(globMatches('search', 'search2')).toBe(false);
    expect(globMatches('*', '')).toBe(true);
    expect(globMatches('file:///etc/*', 'file:///etc/a/b')).toBe(true);
  });

  it('keeps a single star of a path within its segment', () => {
    expect(globMatches('/api/*', '/api/users', 'path')).toBe(true);
    expect(globMatches('/api/*', '/api/users/1', 'path')).toBe(false);
    expect(globMatches('/api/**', '/api/users/1', 'path')).toBe(true);
    expect(globMatches('/api/**/x', '/api/x', 'path')).toBe(true);
    expect(globMatches('/api/**/x', '/api/a/b/x', 'path')).toBe(true);
    expect(globMatches('/api/**/x', '/apix', 'path')).toBe(false);
  });

  it('goes through a hostile text once: who tried every way would never end', () => {
    const glob = compileGlob('a*a*a*a*a*a*a*a*b');
    expect(glob.matches('a'.repeat(20_000))).toBe(false);
  });

  it('never claims to cover what it does not match', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 6 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 });
    const style = fc.constantFrom<GlobStyle>('name', 'path');
    fc.assert(
      fc.property(pattern, pattern, text, style, (wide, narrow, candidate, chosen) => {
        if (!globCovers(wide, narrow, chosen) || !globMatches(narrow, candidate, chosen)) return;
        expect(globMatches(wide, candidate, chosen)).toBe(true);
      }),
      { numRuns: fuzzRounds(5_000) },
    );
    expect(globCovers('a*', 'ab*')).toBe(true);
    expect(globCovers('/a/*', '/a/**', 'path')).toBe(false);
    expect(globCovers('*', 'x?')).toBe(true);
    expect(globCovers('*/**/b', '**/b', 'path')).toBe(false);
    expect(globCovers('*/*', '**', 'path')).toBe(false);
    expect(globCovers('a/**', 'a/**/b', 'path')).toBe(true);
    expect(globCovers('**', '*/?/**', 'path')).toBe(true);
    expect(globCovers('\u0001', '*')).toBe(false);
  });
});

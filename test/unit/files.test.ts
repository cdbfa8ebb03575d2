import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  isMissing,
  listIfThere,
  listIfThereSync,
  readIfThere,
  readIfThereSync,
  readJsonIfThere,
  readJsonIfThereSync,
} from '../../main/files/read-if-there.ts';
import { removeDurably, writeAtomically, writeAtomicallySync } from '../../main/files/write-atomically.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { keepsModes } from '../support/modes.ts';

const bitsOf = (path: string): number => statSync(path).mode & 0o7777;

describe.each([
  ['writeAtomically', writeAtomically],
  // Turned into a promise, so that both are held to the same words.
  ['writeAtomicallySync', async (...args: Parameters<typeof writeAtomicallySync>) => writeAtomicallySync(...args)],
] as const)('%s', (_, write) => {
  it('replaces a file and leaves nothing beside it', async () => {
    const directory = temporaryDirectory('files');
    const path = join(directory, 'kept.json');
    await write(path, 'old');
    await write(path, new TextEncoder().encode('new'), { synced: false });
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(directory)).toEqual(['kept.json']);
  });

  it('lets its owner alone read it, unless another mode is given or kept', async () => {
    const path = join(temporaryDirectory('files'), 'kept.json');
    await write(path, '1', { mode: 'kept' });
    if (keepsModes) expect(bitsOf(path)).toBe(0o600);
    chmodSync(path, 0o640);
    await write(path, '2', { mode: 'kept' });
    if (keepsModes) expect(bitsOf(path)).toBe(0o640);
    await write(path, '3');
    if (keepsModes) expect(bitsOf(path)).toBe(0o600);
    const before = process.umask(0o077);
    try {
      await write(path, '4', { mode: 0o644 });
    } finally {
      process.umask(before);
    }
    if (keepsModes) expect(bitsOf(path)).toBe(0o644);
  });

  it('keeps what stood there and takes its own draft away where it fails', async () => {
    const directory = temporaryDirectory('files');
    const path = join(directory, 'kept.json');
    // A directory is in the place: the draft can be written, the rename cannot be made.
    await mkdir(path);
    writeFileSync(join(path, 'inside'), 'old');
    await expect(write(path, 'new')).rejects.toThrow(/rename/);
    expect(readdirSync(directory)).toEqual(['kept.json']);
    expect(readFileSync(join(path, 'inside'), 'utf8')).toBe('old');
    await expect(write(join(directory, 'missing', 'kept.json'), 'new')).rejects.toThrow(/ENOENT/);
  });

  it('replaces a link and leaves what it led to', async () => {
    const directory = temporaryDirectory('files');
    writeFileSync(join(directory, 'elsewhere'), 'theirs');
    symlinkSync('elsewhere', join(directory, 'kept.json'));
    await write(join(directory, 'kept.json'), 'ours');
    expect(readFileSync(join(directory, 'kept.json'), 'utf8')).toBe('ours');
    expect(readFileSync(join(directory, 'elsewhere'), 'utf8')).toBe('theirs');
  });

  it('has one whole text where several write at once', async () => {
    const path = join(temporaryDirectory('files'), 'kept.json');
    const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
    await Promise.all(texts.map((text) => write(path, text)));
    expect(texts).toContain(await readFile(path, 'utf8'));
  });
});

describe('a file that may be missing', () => {
  it('is undefined, as text and as JSON', async () => {
    const path = join(temporaryDirectory('files'), 'kept.json');
    expect([readIfThereSync(path), await readIfThere(path)]).toEqual([undefined, undefined]);
    expect([readJsonIfThereSync(path), await readJsonIfThere(path)]).toEqual([undefined, undefined]);
    writeFileSync(path, '{"a":1}');
    expect([readIfThereSync(path), await readIfThere(path)]).toEqual(['{"a":1}', '{"a":1}']);
    expect([readJsonIfThereSync(path), await readJsonIfThere(path)]).toEqual([{ a: 1 }, { a: 1 }]);
  });

  it('is an error where it is there and cannot be read', async () => {
    const directory = temporaryDirectory('files');
    expect(() => readIfThereSync(directory)).toThrow(/EISDIR/);
    await expect(readIfThere(directory)).rejects.toThrow(/EISDIR/);
    writeFileSync(join(directory, 'torn.json'), '{"a":');
    expect(() => readJsonIfThereSync(join(directory, 'torn.json'))).toThrow(SyntaxError);
    await expect(readJsonIfThere(join(directory, 'torn.json'))).rejects.toThrow(SyntaxError);
  });

  it('has no names in it where it is a directory', async () => {
    const directory = temporaryDirectory('files');
    expect([listIfThereSync(join(directory, 'none')), await listIfThere(join(directory, 'none'))]).toEqual([[], []]);
    writeFileSync(join(directory, 'one'), '');
    expect([listIfThereSync(directory), await listIfThere(directory)]).toEqual([['one'], ['one']]);
    await expect(listIfThere(join(directory, 'one'))).rejects.toThrow(/ENOTDIR/);
    expect(() => listIfThereSync(join(directory, 'one'))).toThrow(/ENOTDIR/);
  });

  it('is known by its code alone', () => {
    expect(isMissing(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(true);
    expect([isMissing(new Error('ENOENT')), isMissing({ code: 'ENOENT' }), isMissing(undefined)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('can be removed again and again', async () => {
    const path = join(temporaryDirectory('files'), 'kept.json');
    writeFileSync(path, '');
    await removeDurably(path);
    await removeDurably(path);
    expect(await readIfThere(path)).toBeUndefined();
  });
});

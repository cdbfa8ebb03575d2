/** What `npm test` makes of the runs of a suite. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { filesToRepeat, suiteResult, type FileResult } from '../../resources/scripts/suite-results.mjs';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const file = (name: string, fields: Partial<FileResult> = {}): FileResult => ({
  name,
  passed: 1,
  failed: 0,
  skipped: 0,
  failures: [],
  unexpectedSkips: [],
  ...fields,
});
const red = (name: string): FileResult => file(name, { passed: 0, failed: 1, failures: [`${name} › breaks`] });
const run = (files: readonly FileResult[], unhandled: readonly string[] = []) => ({
  suite: 'interop',
  seconds: 2,
  ok: unhandled.length === 0 && files.every(({ failures }) => failures.length === 0),
  files,
  unhandled,
});

describe('the result of a suite', () => {
  it('is that of the second run for files that needed one', () => {
    const first = run([file('a'), red('b')]);
    expect(filesToRepeat(first, true)).toEqual(['b']);
    expect(filesToRepeat(first, false)).toEqual([]);
    expect(suiteResult(first, run([file('b')]), false)).toMatchObject({
      ok: true,
      seconds: 4,
      passed: 2,
      failed: 0,
      failures: [],
      needed: ['b › breaks'],
    });
    expect(suiteResult(first, run([red('b')]), false)).toMatchObject({ ok: false, failed: 1, needed: [] });
  });

  it('keeps an error outside of any test, though every file passed the second time', () => {
    const first = run([file('a'), red('b')], ['Error: nobody waited']);
    expect(suiteResult(first, run([file('b')]), false)).toMatchObject({
      ok: false,
      failed: 1,
      failures: ['outside of any test: Error: nobody waited'],
    });
    expect(suiteResult(run([file('a')], ['Error: nobody waited']), undefined, false).ok).toBe(false);
  });

  it('is a failure where a run ended badly and nobody says why, or where all is asked for and something is skipped', () => {
    expect(suiteResult({ ...run([]), ok: false }, undefined, false)).toMatchObject({ ok: false, failed: 1 });
    const skipping = run([file('a', { skipped: 1, unexpectedSkips: ['a › needs root'] })]);
    expect(suiteResult(skipping, undefined, false).ok).toBe(true);
    expect(suiteResult(skipping, undefined, true)).toMatchObject({ ok: false, failures: ['a › needs root: skipped'] });
  });
});

describe('the reporter of what no test answers for', () => {
  it('has an error of a run whose tests all passed', () => {
    const directory = temporaryDirectory('unhandled');
    mkdirSync(join(directory, 'test'));
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    const test = `import { it } from 'vitest'; it('passes', () => void Promise.reject(new Error('nobody waited')));`;
    writeFileSync(join(directory, 'test', 'one.test.mjs'), test);
    const told = join(directory, 'told.jsonl');
    const reporter = join(root, 'resources/scripts/unhandled-reporter.mjs');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const ran = spawnSync(process.execPath, [vitest, 'run', '--root', directory, `--reporter=${reporter}`], {
      env: { ...process.env, CULVERT_UNHANDLED: told },
      encoding: 'utf8',
    });
    expect(ran.status, ran.stderr).toBe(1);
    expect(readFileSync(told, 'utf8')).toMatch(/^"Error: nobody waited/);
  }, 60_000);
});

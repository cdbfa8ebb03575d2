/** The Debian package for the other machine, built on this one: every native part in it is that machine's, and nothing else is. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
/** System V ABI, e_machine. */
const machines = { amd64: 62, arm64: 183 } as const;
const [other, cpu] = process.arch === 'arm64' ? (['amd64', 'x64'] as const) : (['arm64', 'arm64'] as const);
const reason = process.platform === 'linux' ? toolsMissing('dpkg-deb') : 'needs Linux';

describe.skipIf(mustSkip(reason))(`the ${other} package`, () => {
  let directory: string;
  let file: string;
  let notes: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'culvert-other-'));
    const args = ['resources/scripts/package-deb.mjs', '--arch', other, '--out', directory];
    const built = spawnSync(process.execPath, [...args, '--version', '0.1.0', '--compression', 'none'], {
      cwd: project,
      encoding: 'utf8',
    });
    if (built.status !== 0) throw new Error(built.stderr);
    notes = built.stderr;
    file = join(directory, `culvert_0.1.0_${other}.deb`);
    spawnSync('dpkg-deb', ['-x', file, join(directory, 'tree')]);
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const field = (name: string): string => spawnSync('dpkg-deb', ['-f', file, name], { encoding: 'utf8' }).stdout.trim();
  const machineOf = (path: string): number => readFileSync(path).readUInt16LE(18);
  const nativeParts = (): string[] =>
    readdirSync(join(directory, 'tree'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.node'))
      .map((path) => join(directory, 'tree', path));

  it('is of that architecture, and depends on a Node there where it carries none', () => {
    expect(field('Architecture')).toBe(other);
    expect(field('Depends')).toContain('nodejs (>= 20.19)');
    expect(field('Depends')).toMatch(/libc6 \(>= 2\.\d\d\)/);
    expect(notes).toContain('depends on nodejs');
    expect(readFileSync(join(directory, 'tree/usr/bin/culvert'), 'utf8')).toContain('exec /usr/bin/node ');
    expect(existsSync(join(directory, 'tree/usr/lib/culvert/node'))).toBe(false);
  });

  it('has that machine’s build of each native part, and no other machine’s', () => {
    const parts = nativeParts();
    for (const name of ['sodium-native', 'keyring', 'libsql']) {
      expect(parts.some((path) => path.includes(name))).toBe(true);
    }
    expect(parts.filter((path) => machineOf(path) !== machines[other])).toEqual([]);
  });

  it('has our own addon where it was built for that machine, else says that mode tun is not in it', () => {
    const built = existsSync(join(project, 'native', `node-tun.linux-${cpu}.node`));
    const packed = nativeParts().filter((path) => path.endsWith(`node-tun.linux-${cpu}.node`));
    expect(packed).toHaveLength(built ? 1 : 0);
    expect(notes.includes('mode tun is not in this package')).toBe(!built);
  });

  it('takes no Node of another machine', () => {
    const args = ['resources/scripts/package-deb.mjs', '--arch', other, '--node', process.execPath, '--out', directory];
    const refused = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`is no program for ${other}`);
  });
});

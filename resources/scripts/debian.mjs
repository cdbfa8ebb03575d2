// What building a Debian package takes, whichever it is: files into a tree, their sums, their modes, and the tree into one file.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Who packages it. */
export const maintainer = process.env.DEBEMAIL ?? 'The Culvert authors <culvert@users.noreply.github.com>';

/** A file of the tree `stage`. */
export function writeInto(stage, path, content, mode = 0o644) {
  const file = join(stage, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
}

/** Write `DEBIAN/md5sums`; settings are not in it. Kibibytes of all files. */
export function writeSums(stage) {
  const files = filesBelow(stage).filter((path) => !path.startsWith('DEBIAN/'));
  const md5 = (path) =>
    createHash('md5')
      .update(readFileSync(join(stage, path)))
      .digest('hex');
  const sums = files.filter((path) => !path.startsWith('etc/')).map((path) => `${md5(path)}  ${path}\n`);
  writeInto(stage, 'DEBIAN/md5sums', sums.join(''));
  return files.reduce((sum, path) => sum + Math.ceil(statSync(join(stage, path)).size / 1024), 0);
}

/** The newest symbol version that native code in the package asks of glibc: what the machine must have. */
export function libcNeeded(stage) {
  const native = filesBelow(stage).filter((path) => path.endsWith('.node') || path.endsWith('/bin/node'));
  const minors = native.flatMap((path) =>
    [...readFileSync(join(stage, path), 'latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)),
  );
  return `2.${Math.max(28, ...minors)}`;
}

/** Packages arrive with whatever modes their authors' machines had. `executable` matches paths in the tree. */
export function normalise(stage, executable, directory = stage) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      chmodSync(path, 0o755);
      normalise(stage, executable, path);
    } else if (entry.isFile()) chmodSync(path, executable.test(relative(stage, path)) ? 0o755 : 0o644);
  }
}

/** Make `file` of the tree; whether that worked. Nothing in it depends on when it was made but for `epoch`. */
export function packDeb(stage, file, { compression, epoch }) {
  const level = compression === 'xz' ? ['-z3'] : [];
  const built = spawnSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, ...level, '--build', stage, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: epoch },
  });
  return built.status === 0;
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

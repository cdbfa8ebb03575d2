// Builds the Debian package a second time, from a copy of the sources in another place and with nothing kept of the first build, and compares.
//
//   npm run reproduce            exit 0 and the hash where both are the same bytes; else 1 and what differs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { epochOf } from './shipped.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const work = join(root, '.cache', 'reproduce');
const second = join(work, 'elsewhere', 'culvert');
const env = { ...process.env, SOURCE_DATE_EPOCH: epochOf(root) };

rmSync(work, { recursive: true, force: true });
try {
  copySources();
  linkTree(join(root, 'node_modules'), join(second, 'node_modules'));
  run(second, [join(second, 'native', 'build.mjs')]);
  const [first, again] = [packageOf(root, join(work, 'first')), packageOf(second, join(work, 'second'))];
  if (hashOf(first) === hashOf(again)) {
    console.log(`reproducible: sha256 ${hashOf(first)}`);
  } else {
    console.error(`not reproducible:\n${differences(first, again).join('\n')}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** What git knows and what it would take, not what a build leaves. */
function copySources() {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr}`);
  for (const file of listed.stdout.split('\0').filter(Boolean)) {
    cpSync(join(root, file), join(second, file), { recursive: true, force: true });
  }
}

/** The same installed packages: what npm fetches is pinned by hash in the lockfile, and is no work of ours. */
function linkTree(from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const stats = lstatSync(source);
    if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (stats.isDirectory()) linkTree(source, target);
    else linkSync(source, target);
  }
}

function packageOf(checkout, out) {
  run(checkout, [join(checkout, 'resources', 'scripts', 'build.mjs')]);
  run(checkout, [join(checkout, 'resources', 'scripts', 'package-deb.mjs'), '--compression', 'none', '--out', out]);
  const [file] = readdirSync(out);
  if (file === undefined) throw new Error('no package was built');
  return join(out, file);
}

/** Files whose bytes, mode or date differ, as both packages list them. */
function differences(first, again) {
  const trees = [first, again].map((file) => {
    const tree = `${file}.tree`;
    spawnSync('dpkg-deb', ['-R', file, tree]);
    return new Map(
      readdirSync(tree, { recursive: true, withFileTypes: true }).map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const { mode, mtimeMs } = lstatSync(path);
        const content = entry.isFile() ? hashOf(path) : '';
        return [path.slice(tree.length + 1), `${mode.toString(8)} ${Math.floor(mtimeMs / 1000)} ${content}`];
      }),
    );
  });
  const names = new Set(trees.flatMap((tree) => [...tree.keys()]));
  return [...names].filter((name) => trees[0]?.get(name) !== trees[1]?.get(name)).sort();
}

function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function run(cwd, args) {
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
}

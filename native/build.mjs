// Builds the addon with cargo where its sources have changed since the last build. Needs nothing but Node.
//
//   node build.mjs              build, or exit 1 saying why not
//   node build.mjs --optional   the same, but a missing or failing toolchain is a note and exit 0
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const output = join(root, `node-tun.${process.platform}-${process.arch}.node`);
const stamp = join(root, 'target', `node-tun.${process.platform}-${process.arch}.sha256`);
const library = { win32: 'node_tun.dll', darwin: 'libnode_tun.dylib' }[process.platform] ?? 'libnode_tun.so';

function sourceFiles(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? sourceFiles(join(directory, entry.name)) : [join(directory, entry.name)],
  );
}

function sourceDigest() {
  const files = ['Cargo.toml', 'Cargo.lock', 'build.rs'].map((name) => join(root, name));
  const hash = createHash('sha256');
  for (const file of [...files, ...sourceFiles(join(root, 'src'))].sort()) {
    if (existsSync(file)) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function upToDate(digest) {
  return existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
}

/**
 * Build the addon if its sources are newer than it.
 * @returns {{ built: 'fresh' | 'kept' } | { built: 'no', reason: string }}
 */
export function buildNative() {
  const digest = sourceDigest();
  if (upToDate(digest)) return { built: 'kept' };
  // rustup's place is not on every PATH that npm is started with.
  const path = [process.env.PATH ?? '', join(homedir(), '.cargo', 'bin')].join(delimiter);
  const found = spawnSync('cargo', ['--version'], { env: { ...process.env, PATH: path } });
  if (found.error !== undefined || found.status !== 0) {
    return { built: 'no', reason: 'no Rust toolchain (cargo) was found, and tun mode needs the addon' };
  }
  const cargo = spawnSync('cargo', ['build', '--release', '--locked'], {
    cwd: root,
    env: { ...process.env, PATH: path, CARGO_TARGET_DIR: join(root, 'target') },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (cargo.status !== 0) return { built: 'no', reason: 'cargo could not build the addon; its words stand above' };
  // A running engine may have the old file mapped: a rename leaves it the old one.
  const fresh = `${output}.${process.pid}`;
  copyFileSync(join(root, 'target', 'release', library), fresh);
  renameSync(fresh, output);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
  return { built: 'fresh' };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = buildNative();
  if (result.built === 'no') {
    console.error(`node-tun: not built: ${result.reason}`);
    process.exitCode = process.argv.includes('--optional') ? 0 : 1;
  }
}

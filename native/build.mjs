// Builds the addon with cargo where its sources have changed since the last build. Needs nothing but Node.
//
//   node build.mjs              build, or exit 1 saying why not
//   node build.mjs --optional   the same, but a missing or failing toolchain is a note and exit 0
//   node build.mjs --arch arm64 for that machine instead (Linux); needs its linker, and a rustc that has its standard library (RUSTC names one)
//   node build.mjs --platform win32   for Windows (on Linux); needs mingw-w64, and `rustup target add x86_64-pc-windows-gnu`
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(fileURLToPath(import.meta.url));
/** Rust's and the linker's names of machines that are built for from another one. */
const crossTargets = {
  'linux-x64': { rust: 'x86_64-unknown-linux-gnu', compiler: 'x86_64-linux-gnu-gcc' },
  'linux-arm64': { rust: 'aarch64-unknown-linux-gnu', compiler: 'aarch64-linux-gnu-gcc' },
  'win32-x64': { rust: 'x86_64-pc-windows-gnu', compiler: 'x86_64-w64-mingw32-gcc' },
};
const libraries = { win32: 'node_tun.dll', darwin: 'libnode_tun.dylib', linux: 'libnode_tun.so' };

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

function upToDate(digest, output, stamp) {
  return existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
}

/**
 * Build the addon if its sources are newer than it, for this machine or, on Linux, for another one.
 * @returns {{ built: 'fresh' | 'kept' } | { built: 'no', reason: string }}
 */
export function buildNative(arch = process.arch, platform = process.platform) {
  const name = `node-tun.${platform}-${arch}`;
  const output = join(root, `${name}.node`);
  const stamp = join(root, 'target', `${name}.sha256`);
  const isOwn = arch === process.arch && platform === process.platform;
  const cross = isOwn ? undefined : crossTargets[`${platform}-${arch}`];
  if (!isOwn && (cross === undefined || process.platform !== 'linux')) {
    return { built: 'no', reason: `the addon cannot be built for ${platform}-${arch} here` };
  }
  const digest = sourceDigest();
  if (upToDate(digest, output, stamp)) return { built: 'kept' };
  // rustup's place is not on every PATH that npm is started with.
  const path = [process.env.PATH ?? '', join(homedir(), '.cargo', 'bin')].join(delimiter);
  const found = spawnSync('cargo', ['--version'], { env: { ...process.env, PATH: path } });
  if (found.error !== undefined || found.status !== 0) {
    return { built: 'no', reason: 'no Rust toolchain, cargo, was found' };
  }
  const target = cross === undefined ? [] : ['--target', cross.rust];
  const cargo = spawnSync('cargo', ['build', '--release', '--locked', ...target], {
    cwd: root,
    env: {
      ...process.env,
      PATH: path,
      CARGO_TARGET_DIR: join(root, 'target'),
      ...crossEnvironment(cross),
      ...(cross !== undefined && platform === 'win32' ? windowsEnvironment(path) : {}),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (cargo.status !== 0) return { built: 'no', reason: 'cargo could not build the addon; its words stand above' };
  // A running engine may have the old file mapped: a rename leaves it the old one.
  const fresh = `${output}.${process.pid}`;
  copyFileSync(join(root, 'target', cross?.rust ?? '', 'release', libraries[platform] ?? libraries.linux), fresh);
  renameSync(fresh, output);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
  return { built: 'fresh' };
}

/** napi-build links against a library of Node's that GNU's tools have to make first; the addon itself looks Node's functions up as it is loaded. */
function windowsEnvironment(path) {
  const directory = join(root, 'target', 'libnode');
  mkdirSync(directory, { recursive: true });
  const definition = join(directory, 'node.def');
  writeFileSync(definition, 'LIBRARY node.exe\nEXPORTS\n  napi_get_undefined\n');
  writeFileSync(join(directory, 'libnode.dll'), '');
  const args = ['-d', definition, '-l', join(directory, 'libnode.a')];
  spawnSync('x86_64-w64-mingw32-dlltool', args, { env: { ...process.env, PATH: path }, stdio: 'inherit' });
  return { LIBNODE_PATH: directory };
}

/** Which compiler links for the other machine, unless the caller says. */
function crossEnvironment(cross) {
  if (cross === undefined) return {};
  const names = [
    `CARGO_TARGET_${cross.rust.toUpperCase().replaceAll('-', '_')}_LINKER`,
    `CC_${cross.rust.replaceAll('-', '_')}`,
  ];
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? cross.compiler]));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = { type: 'string' };
  const { values } = parseArgs({ options: { optional: { type: 'boolean' }, arch: text, platform: text } });
  const result = buildNative(values.arch, values.platform);
  if (result.built === 'no') {
    console.error(`node-tun: not built: ${result.reason}`);
    process.exitCode = values.optional === true ? 0 : 1;
  }
}

// What `npm start` and `npm test` need done before them, done only when it is missing or stale. No dependencies: it runs before `npm ci`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Run `npm ci` where the installed packages are missing or older than the lockfile. Ends the process where that fails. */
export function ensureInstalled(root) {
  const marker = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs - 1000) return;
  console.log('installing packages (npm ci) …');
  must(root, process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund'], 'npm ci failed');
}

/**
 * Build programs and window, and the native addon where a Rust toolchain is: without it everything runs but `tun` mode, and one line says so.
 */
export async function ensureBuilt(root) {
  const { buildNative } = await import(pathToFileURL(join(root, 'native', 'build.mjs')).href);
  const native = buildNative();
  if (native.built === 'no')
    console.log(`the native addon is missing (${native.reason}): running in proxy mode, without tun`);
  const stamp = join(root, 'dist', 'culvert.mjs');
  const sources = ['main', 'app', 'package.json', 'resources/scripts/build.mjs'].map((path) => join(root, path));
  if (existsSync(stamp) && sources.every((path) => newest(path) <= statSync(stamp).mtimeMs)) return;
  console.log('building …');
  must(root, process.execPath, [join(root, 'resources', 'scripts', 'build.mjs')], 'the build failed');
}

/** Time of the newest file at or below `path`, milliseconds; 0 where there is none. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

function must(root, command, args, message) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status === 0) return;
  console.error(`culvert: ${message}`);
  process.exit(1);
}

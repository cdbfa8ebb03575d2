// Builds the headless Windows package on Linux: engine, command line and console with a Windows Node and the addon, as a zip; and an installer for
// all users where makensis (Debian's nsis) is.
//
//   node resources/scripts/package-win.mjs [--node FILE] [--out DIR] [--version V]
//
// The Node is fetched from the registry unless --node names one. The addon is cross-built (native/build.mjs --platform win32); where it cannot be,
// the package works in proxy mode, cannot tell programs and accounts as surely, and says so.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { zipSync } from 'fflate';
import { ensureBuilt } from './prepare.mjs';
import { copyPackage, copyProgram, epochOf, installFor, shippedPackages } from './shipped.mjs';
import { buildWindowsAddon, fetchWindowsNode } from './wine-place.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const text = { type: 'string' };
const { values: options } = parseArgs({
  options: { node: text, out: { type: 'string', default: join(root, 'dist', 'packages') }, version: text },
});
const version = options.version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
const stage = mkdtempSync(join(tmpdir(), 'culvert-win-'));
const modules = mkdtempSync(join(tmpdir(), 'culvert-win-modules-'));
const home = join(stage, 'culvert');

try {
  await ensureBuilt(root);
  const node = options.node ?? fetchWindowsNode();
  const isWindows = readFileSync(node).subarray(0, 2).toString('latin1') === 'MZ';
  if (!isWindows) fail(`${node} is no program for Windows`);
  const addon = await buildWindowsAddon();
  installFor(root, modules, { os: 'win32', cpu: 'x64' });
  mkdirSync(join(home, 'node'), { recursive: true });
  copyProgram(join(root, 'dist'), join(home, 'dist'));
  for (const name of ['windows', 'systemd/culvert.yaml', 'policy']) {
    cpSync(join(root, 'resources', name), join(home, 'resources', name), { recursive: true });
  }
  copyFileSync(node, join(home, 'node', 'node.exe'));
  for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE']) copyFileSync(join(root, name), join(home, name));
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ name: 'culvert', version, type: 'module', private: true }),
  );
  writeFileSync(join(home, 'culvert.cmd'), '@"%~dp0node\\node.exe" "%~dp0dist\\culvert.mjs" %*\r\n');
  for (const [from, to] of shippedPackages(root, { modules, os: 'win32', cpu: 'x64' })) {
    copyPackage(from, join(home, to), { modules, platform: 'win32', cpu: 'x64' });
  }
  if (addon !== undefined) copyFileSync(addon, join(home, 'node_modules', 'node-tun', 'node-tun.win32-x64.node'));
  mkdirSync(options.out, { recursive: true });
  const name = join(resolve(options.out), `culvert-${version}-win-x64`);
  writeFileSync(`${name}.zip`, zipSync(entriesBelow(stage), { level: 6 }));
  tell(`${name}.zip`);
  if (addon === undefined) console.error('culvert: without the native addon');
  if (spawnSync('makensis', ['-VERSION']).status === 0) makeInstaller(`${name}-setup.exe`);
  else console.error('culvert: without an installer: apt-get install nsis');
} finally {
  for (const one of [stage, modules]) rmSync(one, { recursive: true, force: true });
}

/** Every file by its path in the zip, all of one moment, so that the same sources give the same bytes. */
function entriesBelow(directory) {
  const mtime = Number(epochOf(root)) * 1000;
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(directory, join(entry.parentPath, entry.name))).sort();
  return Object.fromEntries(paths.map((path) => [path, [readFileSync(join(directory, path)), { mtime }]]));
}

function makeInstaller(file) {
  const script = join(root, 'resources', 'windows', 'culvert.nsi');
  const args = ['-V2', '-NOCD', `-DVERSION=${version}`, `-DHOME=${home}`, `-DOUT=${file}`, script];
  const made = spawnSync('makensis', args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: epochOf(root) },
  });
  if (made.status !== 0) fail('makensis failed');
  tell(file);
}

function tell(file) {
  if (existsSync(file)) console.log(`${file} (${Math.round(statSync(file).size / 1024 / 1024)} MiB)`);
}

function fail(message) {
  console.error(`culvert: ${message}`);
  process.exit(1);
}

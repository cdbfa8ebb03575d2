// Builds the Debian package of the desktop: the shell and the window in Electron, laid out by electron-builder (electron-builder.yml, target `dir`). Its engine
// is that of the headless package, with the Node that this one carries.
//
//   node resources/scripts/package-desktop.mjs [--app DIR] [--electron DIR --electron-version V] [--out DIR] [--version V] [--compression xz|zstd|gzip|none]
//
// `--app`: what to pack instead of this checkout, laid out like it; `--electron`: a runtime to take instead of the one that electron-builder fetches.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { maintainer, normalise, packDeb, writeInto, writeSums } from './debian.mjs';
import { ensureBuilt } from './prepare.mjs';
import { epochOf } from './shipped.mjs';

const require = createRequire(import.meta.url);
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values: options } = parseArgs({
  options: {
    app: { type: 'string' },
    electron: { type: 'string' },
    'electron-version': { type: 'string' },
    out: { type: 'string', default: join(root, 'dist', 'packages') },
    version: { type: 'string' },
    compression: { type: 'string', default: 'xz' },
  },
});
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch];
if (process.platform !== 'linux' || architecture === undefined)
  fail(`no Debian package for ${process.platform}-${process.arch}`);
if (options.app === undefined) await ensureBuilt(root);

const settings = parse(readFileSync(join(root, 'electron-builder.yml'), 'utf8'));
const version = options.version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
const epoch = epochOf(root);
const work = mkdtempSync(join(tmpdir(), 'culvert-desktop-'));
const stage = join(work, 'stage');
const home = 'usr/lib/culvert-desktop';

try {
  const unpacked = layOut();
  mkdirSync(stage);
  chmodSync(stage, 0o755);
  for (const path of ['usr/bin', 'usr/lib']) mkdirSync(join(stage, path), { recursive: true });
  renameSync(unpacked, join(stage, home));
  symlinkSync(`/${home}/${settings.linux.executableName}`, join(stage, 'usr/bin/culvert-desktop'));
  placeDesktopFiles();
  placeControl();
  mkdirSync(options.out, { recursive: true });
  const file = join(resolve(options.out), `culvert-desktop_${version}_${architecture}.deb`);
  if (!packDeb(stage, file, { compression: options.compression, epoch })) fail('dpkg-deb failed');
  console.log(`${file} (${Math.round(statSync(file).size / 1024 / 1024)} MiB)`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** electron-builder's target `dir`; where it is. */
function layOut() {
  const cli = require.resolve('electron-builder/cli.js');
  const own = [
    `--config.directories.output=${join(work, 'out')}`,
    ...(options.electron === undefined ? [] : [`--config.electronDist=${realpathSync(options.electron)}`]),
    ...(options['electron-version'] === undefined ? [] : [`--config.electronVersion=${options['electron-version']}`]),
  ];
  const config = join(root, 'electron-builder.yml');
  const project = resolve(options.app ?? root);
  const target = ['--linux', 'dir', `--${process.arch}`, '--publish', 'never'];
  const args = [cli, ...target, '--project', project, '--config', config, ...own];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
  if (status !== 0) fail(`electron-builder failed\n${stdout}${stderr}`);
  const unpacked = join(work, 'out', process.arch === 'x64' ? 'linux-unpacked' : `linux-${process.arch}-unpacked`);
  if (!existsSync(unpacked)) fail(`electron-builder left nothing at ${unpacked}\n${stdout}${stderr}`);
  return unpacked;
}

/** What a desktop finds it by: its menu entry with links and token files, and its icons. */
function placeDesktopFiles() {
  const { category, synopsis, mimeTypes } = settings.linux;
  write(
    'usr/share/applications/culvert-desktop.desktop',
    `[Desktop Entry]
Type=Application
Name=${settings.productName}
Comment=${synopsis}
Exec=/usr/bin/culvert-desktop %U
Icon=culvert-desktop
Categories=${category};
MimeType=${mimeTypes.join(';')};
StartupWMClass=${settings.productName}
`,
  );
  for (const size of [16, 32, 48, 64, 128, 256, 512]) {
    write(
      `usr/share/icons/hicolor/${size}x${size}/apps/culvert-desktop.png`,
      readFileSync(join(root, settings.linux.icon, `${size}.png`)),
    );
  }
  write('usr/share/doc/culvert-desktop/copyright', readFileSync(join(root, 'resources/debian/copyright'), 'utf8'));
}

function placeControl() {
  write('DEBIAN/postinst', readFileSync(join(root, 'resources/debian/desktop-postinst'), 'utf8'), 0o755);
  const sizeKib = writeSums(stage);
  write(
    'DEBIAN/control',
    `Package: culvert-desktop
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${sizeKib}
Depends: culvert (>= ${version}), ${settings.deb.depends.join(', ')}
Section: net
Priority: optional
Description: ${settings.linux.synopsis} (desktop)
 The window of Culvert as an application of its own, with notifications and an
 icon in the tray. What it shows is the engine of the package culvert.
`,
  );
  const programs = [settings.linux.executableName, 'chrome-sandbox', 'chrome_crashpad_handler'];
  normalise(stage, new RegExp(`^(?:DEBIAN/postinst|${home}/(?:${programs.join('|')}))$`));
}

function write(path, content, mode) {
  writeInto(stage, path, content, mode);
}

function fail(message) {
  console.error(`culvert: ${message}`);
  process.exit(1);
}

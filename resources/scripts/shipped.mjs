// What a package of Culvert carries of node_modules, and from when it is.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

/** Dependencies that only the desktop shell needs. */
const shellOnly = new Set(['electron-updater']);

/**
 * What the program needs at run time, as the lockfile resolved it: `[installed at, path in the package]`. `modules`: where it is installed,
 * where that is not the checkout. Throws where something needed is not installed.
 */
export function shippedPackages(root, { modules = root, os = 'linux', cpu = process.arch, desktop = false } = {}) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const found = new Map();
  const missing = (optional, why) => {
    if (!optional) throw new Error(why);
  };
  const visit = (name, from, optional) => {
    // Node's own way up: the nearest node_modules that has it.
    for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
      const path = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
      if (packages[path] !== undefined) return take(path, optional);
      if (base === '') return missing(optional, `${name}, which ${from || 'culvert'} needs, is not in the lockfile`);
    }
  };
  const take = (path, optional) => {
    const entry = packages[path];
    const installed = join(modules, path);
    // Prebuilt parts for other systems are optional, and not installed here or not fit.
    if (!existsSync(installed) || !fits(entry, os, cpu) || path.endsWith('-musl'))
      return missing(optional, `${path} is not installed: npm ci`);
    if (found.has(path)) return;
    found.set(path, installed);
    const inside = entry.link === true ? entry.resolved : path;
    const own = entry.link === true ? packages[inside] : entry;
    for (const name of Object.keys(own?.dependencies ?? {})) visit(name, path, false);
    for (const name of Object.keys(own?.optionalDependencies ?? {})) visit(name, path, true);
  };
  for (const name of Object.keys(dependencies)) if (desktop || !shellOnly.has(name)) visit(name, '', false);
  visit('node-tun', '', true);
  // Hosts of serial lines open it when they do.
  visit('serialport', '', true);
  if (desktop) visit('electron', '', true);
  return [...found].map(([path, installed]) => [installed, path]);
}

function fits({ os: systems, cpu: cpus, libc }, os, cpu) {
  return (
    (systems === undefined || systems.includes(os)) &&
    (cpus === undefined || cpus.includes(cpu)) &&
    (libc === undefined || libc.includes('glibc'))
  );
}

/** A tree of dependencies at `modules`, as npm would install it on another machine, with the prebuilt parts for that one. */
export function installFor(root, modules, { os, cpu, libc }) {
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(root, name), join(modules, name));
  cpSync(join(root, 'native'), join(modules, 'native'), {
    recursive: true,
    filter: (path) => !relative(root, path).startsWith(join('native', 'target')),
  });
  const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', `--os=${os}`, `--cpu=${cpu}`];
  if (libc !== undefined) args.push(`--libc=${libc}`);
  const installed = spawnSync('npm', args, { cwd: modules, stdio: ['ignore', 'ignore', 'inherit'] });
  if (installed.status !== 0) throw new Error(`npm ci for ${os}-${cpu} failed`);
}

/** The built program without what only the desktop, or nobody, reads. */
export function copyProgram(dist, to) {
  const skipped = new Set(['shell', 'scene', 'packages', 'culvert.meta.json', 'window.meta.json']);
  cpSync(dist, to, {
    recursive: true,
    dereference: true,
    filter: (path) =>
      !skipped.has(relative(dist, path).split('/')[0] ?? '') && !path.endsWith('.map') && !path.endsWith('.zip'),
  });
}

/** A package without what no program reads: sources of its addons, maps, types, tests, builds for other systems. */
export function copyPackage(from, to, { modules, platform, cpu }) {
  const source = realpathSync(from);
  const useless =
    /\/(?:\.github|test|tests|__tests__|bench|benchmarks|examples?|target|docs)$|\.(?:map|d\.[cm]?ts|md|markdown|cc|h|rs|gyp|bare)$|\/(?:Cargo\.\w+|\.[\w.-]+|build\.rs|build\.mjs|rustfmt\.toml)$/i;
  cpSync(source, to, {
    recursive: true,
    dereference: true,
    filter(path) {
      if (path === source) return true;
      const inside = `/${relative(source, path)}`;
      if (inside.startsWith('/node_modules')) return false; // nested ones are entries of their own
      if (
        source === realpathSync(join(modules, 'native')) &&
        (inside === '/src' || (/\.node$/.test(inside) && basename(path) !== `node-tun.${platform}-${cpu}.node`))
      )
        return false;
      const prebuilt = /\/prebuilds\/([^/]+)$/.exec(inside)?.[1];
      if (prebuilt !== undefined && prebuilt !== `${platform}-${cpu}`) return false;
      if (platform === 'linux' && /\.musl\.node$/.test(inside)) return false;
      return !useless.test(inside);
    },
  });
}

/** Seconds since 1970 that everything packed is dated with: `SOURCE_DATE_EPOCH`, else the newest commit. */
export function epochOf(root) {
  const commit = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).stdout?.trim();
  return (
    process.env.SOURCE_DATE_EPOCH ?? (commit || String(Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000)))
  );
}

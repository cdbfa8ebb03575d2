// What a package of Culvert carries of node_modules, and from when it is.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Dependencies that only the desktop shell needs. */
const shellOnly = new Set(['electron-updater']);

/**
 * What the program needs at run time, as the lockfile resolved it: `[installed at, path in the package]`. `modules`: where it is installed,
 * where that is not the checkout. Throws where something needed is not installed.
 */
export function shippedPackages(root, { modules = root, cpu = process.arch, desktop = false } = {}) {
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
    if (!existsSync(installed) || !fits(entry, cpu) || path.endsWith('-musl'))
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
  if (desktop) visit('electron', '', true);
  return [...found].map(([path, installed]) => [installed, path]);
}

function fits({ os, cpu: cpus, libc }, cpu) {
  return (
    (os === undefined || os.includes('linux')) &&
    (cpus === undefined || cpus.includes(cpu)) &&
    (libc === undefined || libc.includes('glibc'))
  );
}

/** Seconds since 1970 that everything packed is dated with: `SOURCE_DATE_EPOCH`, else the newest commit. */
export function epochOf(root) {
  const commit = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).stdout?.trim();
  return (
    process.env.SOURCE_DATE_EPOCH ?? (commit || String(Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000)))
  );
}

/** Programs from Debian packages that are unpacked, not installed: that would take /etc over. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { toolsMissing } from '../../support/tools.ts';
import { whyNoNamespaces } from './netns.ts';

/** Why a program that is unpacked cannot run here, for `mustSkip`; undefined where it was found. */
export function unpackedMissing(found: string | undefined, name: string): string | undefined {
  if (found !== undefined) return undefined;
  return (
    whyNoNamespaces() ??
    toolsMissing('dbus-daemon', 'dpkg-deb') ??
    `needs ${name}, whose Debian package could not be downloaded`
  );
}

/** The directory below `.cache` in which `packages` lie unpacked, fetched once; undefined where `proof` is not among them then. */
export function unpacked(name: string, packages: readonly string[], proof: string): string | undefined {
  const cache = new URL(`../../../.cache/${name}`, import.meta.url).pathname;
  if (!existsSync(join(cache, proof))) {
    mkdirSync(cache, { recursive: true });
    spawnSync('apt-get', ['download', ...packages], { cwd: cache, timeout: 60_000 });
    for (const file of readdirSync(cache).filter((entry) => entry.endsWith('.deb'))) {
      spawnSync('dpkg-deb', ['-x', join(cache, file), cache]);
    }
  }
  return existsSync(join(cache, proof)) ? cache : undefined;
}

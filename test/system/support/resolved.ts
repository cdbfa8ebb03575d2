/** A systemd-resolved to run in namespaces of one's own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoNamespaces } from './netns.ts';

const cache = new URL('../../../.cache/systemd-resolved', import.meta.url).pathname;

/** Sets one up and then runs the rest of its arguments: `resolved.sh PACKAGE UPSTREAM PROGRAM…`. */
export const resolvedScript = new URL('resolved.sh', import.meta.url).pathname;

/**
 * Where systemd-resolved's files are: installed (''), or unpacked from its Debian package, which is not installed (that would take /etc over).
 * Undefined where it cannot run here.
 */
export function findResolved(): string | undefined {
  if (whyNoNamespaces() !== undefined || !existsSync('/usr/bin/dbus-daemon')) return undefined;
  if (existsSync('/lib/systemd/systemd-resolved') && existsSync('/usr/bin/resolvectl')) return '';
  if (!existsSync(join(cache, 'usr/bin/resolvectl'))) {
    mkdirSync(cache, { recursive: true });
    spawnSync('apt-get', ['download', 'systemd-resolved'], { cwd: cache, timeout: 60_000 });
    const file = readdirSync(cache).find((name) => name.endsWith('.deb'));
    if (file !== undefined) spawnSync('dpkg-deb', ['-x', join(cache, file), cache]);
  }
  return existsSync(join(cache, 'usr/bin/resolvectl')) ? cache : undefined;
}

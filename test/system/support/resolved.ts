/** A systemd-resolved to run in namespaces of one's own. */
import { existsSync } from 'node:fs';
import { toolsMissing } from '../../support/tools.ts';
import { whyNoNamespaces } from './netns.ts';
import { unpacked } from './unpacked.ts';

/** Sets one up and then runs the rest of its arguments: `resolved.sh PACKAGE UPSTREAM PROGRAM…`. */
export const resolvedScript = new URL('resolved.sh', import.meta.url).pathname;

/** Where systemd-resolved's files are: installed (''), or unpacked from its Debian package. Undefined where it cannot run here. */
export function findResolved(): string | undefined {
  if (whyNoNamespaces() !== undefined || toolsMissing('dbus-daemon') !== undefined) return undefined;
  if (existsSync('/lib/systemd/systemd-resolved') && existsSync('/usr/bin/resolvectl')) return '';
  return unpacked('systemd-resolved', ['systemd-resolved'], 'usr/bin/resolvectl');
}

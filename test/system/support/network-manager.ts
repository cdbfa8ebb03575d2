/** A NetworkManager to run in namespaces of one's own. */
import { existsSync } from 'node:fs';
import { toolsMissing } from '../../support/tools.ts';
import { whyNoNamespaces } from './netns.ts';
import { unpacked } from './unpacked.ts';

/** Sets one up and then runs the rest of its arguments: `network-manager.sh PACKAGE UPSTREAM PROGRAM…`. */
export const networkManagerScript = new URL('network-manager.sh', import.meta.url).pathname;

const libraries = [
  'libaudit1',
  'libbluetooth3',
  'libcurl3-gnutls',
  'libgudev-1.0-0',
  'libjansson4',
  'libmm-glib0',
  'libndp0',
  'libnewt0.52',
  'libnm0',
  'libpolkit-agent-1-0',
  'libpolkit-gobject-1-0',
  'libpsl5',
  'libreadline8',
  'libslang2',
  'libteamdctl0',
];

/** Where its files are: installed (''), or unpacked from its Debian packages. Undefined where it cannot run here. */
export function findNetworkManager(): string | undefined {
  if (whyNoNamespaces() !== undefined || toolsMissing('dbus-daemon') !== undefined) return undefined;
  if (existsSync('/usr/sbin/NetworkManager') && existsSync('/usr/bin/nmcli')) return '';
  return unpacked('network-manager', ['network-manager', ...libraries], 'usr/bin/nmcli');
}

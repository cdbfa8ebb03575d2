/** The two programs called resolvconf, to run in namespaces of one's own. */
import { whyNoNamespaces } from './netns.ts';
import { unpacked } from './unpacked.ts';

/** Sets one up and then runs the rest of its arguments: `resolvconf.sh PACKAGE UPSTREAM PROGRAM…`. */
export const resolvconfScript = new URL('resolvconf.sh', import.meta.url).pathname;

/** Where the unpacked files of `openresolv`, or of Debian's `resolvconf`, are. Undefined where they cannot be had here. */
export function findResolvconf(packaged: 'openresolv' | 'resolvconf'): string | undefined {
  return whyNoNamespaces() === undefined ? unpacked(packaged, [packaged], 'sbin/resolvconf') : undefined;
}

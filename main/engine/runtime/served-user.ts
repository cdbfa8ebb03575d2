/** Whether this engine is the machine's or one user's own, by what it may do on the host. */
import { readFileSync } from 'node:fs';
import { isSuperuser, type UserId } from '../../base/user-id.ts';
import { ownUser } from '../../files/own-user.ts';

/** Bit of CAP_NET_ADMIN, capabilities(7). */
const netAdmin = 1n << 12n;

/**
 * The one user an engine serves; undefined for root (on Windows SYSTEM), and for a service that was given the host's network (CAP_NET_ADMIN): such an engine was
 * set up for everybody on the machine.
 */
export function servedUid(): UserId | undefined {
  const user = ownUser();
  return isSuperuser(user) || mayArrangeNetwork() ? undefined : user;
}

function mayArrangeNetwork(): boolean {
  try {
    const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & netAdmin) !== 0n;
  } catch {
    // No Linux: only the superuser arranges the network there.
    return false;
  }
}

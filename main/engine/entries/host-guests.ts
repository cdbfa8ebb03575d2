/** Whose the connections of a loopback port are, as the kernel says. */
import { loadNative } from 'node-tun';
import type { GuestsDeps } from '../../net/proxy/guests.ts';

/** Without the addon nobody is told apart, and all share their places. */
export function guestsOfHost(): GuestsDeps {
  const found = loadNative();
  const ownUid = process.getuid?.();
  if (!found.ok) return { ownUid };
  return {
    ownUid,
    peerUid(peer, own) {
      try {
        return found.native.socketOwner('tcp', peer.address, peer.port, own.address, own.port)?.uid;
      } catch {
        // A kernel without sock_diag: such connections share their places.
        return undefined;
      }
    },
  };
}

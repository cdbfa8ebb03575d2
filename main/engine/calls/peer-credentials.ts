/** Who is at the other end of a Unix socket, as the native addon reads it; Node alone cannot. */
import { loadNative } from 'node-tun';
import type { PeerCredentials } from './socket-server.ts';

/** Undefined where the addon is not built: then the socket's mode and directory alone decide who enters. */
export function peerCredentials(): ((fd: number) => PeerCredentials | undefined) | undefined {
  const found = loadNative();
  if (!found.ok || process.platform === 'win32') return undefined;
  return (fd) => found.native.peerCredentials(fd);
}

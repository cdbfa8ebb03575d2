/** The person whose engine it is, at an engine's socket: for tests in which who calls is not the matter. */
import { dirname } from 'node:path';
import { pipeServing } from '../../main/engine/calls/pipe-listener.ts';
import type { SocketServerDeps } from '../../main/engine/calls/socket-server.ts';

export function personAtSocket(
  path: string,
): Pick<SocketServerDeps, 'path' | 'peerCredentials' | 'pipes' | 'attribution' | 'groupId' | 'ownDirectory'> {
  return {
    path,
    peerCredentials: () => ({ pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
    pipes: pipeServing(),
    attribution: { of: () => Promise.resolve({ kind: 'person' }) },
    groupId: undefined,
    ownDirectory: dirname(path),
  };
}

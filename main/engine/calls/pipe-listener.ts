/** Windows: serving a named pipe so that the process at the other end is known; Node's own server shows it to nobody. */
import { Socket } from 'node:net';
import { loadNative, type Native } from 'node-tun';
import { machineAccounts } from '../../files/directory-rights.ts';
import { ownUser } from '../../files/own-user.ts';

/** How a pipe is served. */
export type PipeServer = Pick<Native, 'listenPipe'>;

/** This system's; undefined where it has no such pipes, or the addon is not built. */
export function pipeServing(): PipeServer | undefined {
  const found = loadNative();
  return process.platform === 'win32' && found.ok ? found.native : undefined;
}

/**
 * Serve `path` until disposed, for this user and the machine's own accounts. `arrived` is told each client and its process, where the system names it;
 * what the client says is kept until it is listened to. Those that came stay connected afterwards. Throws where somebody else serves the pipe.
 */
export function listenOnPipe(
  path: string,
  serving: PipeServer,
  arrived: (client: Socket, pid: number | undefined) => void,
): Disposable {
  const listener = serving.listenPipe(path, machineAccounts(ownUser()), () => {
    for (const { descriptor, pid } of listener.take()) {
      arrived(new Socket({ fd: descriptor, readable: true, writable: true }), pid);
    }
  });
  return { [Symbol.dispose]: () => listener.close() };
}

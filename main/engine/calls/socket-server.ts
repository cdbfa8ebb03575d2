/**
 * The engine's door: a Unix socket in the state directory (or a named pipe), one dispatcher connection a client.
 *
 * Who may enter is settled twice: by the socket's mode and directory, and by the peer's credentials where the native addon can read
 * them (Node itself has no SO_PEERCRED). Without the addon the first alone decides.
 */
import { chmod, chown, lstat, stat, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Caller } from '../../api/call.ts';
import type { Dispatcher } from '../../api/dispatch.ts';
import { LineSplitter } from '../../api/lines.ts';
import { isPipe, socketAddress } from '../../ipc/socket-path.ts';

export interface PeerCredentials {
  readonly pid?: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SocketServerDeps {
  readonly path: string;
  readonly dispatcher: Dispatcher;
  readonly log: Log;
  /** Reads the peer of a connected socket's descriptor; absent where the addon is not there. */
  readonly peerCredentials: ((fd: number) => PeerCredentials | undefined) | undefined;
  /** gid whose members may administer too: the socket becomes 0660. */
  readonly groupId: number | undefined;
  /** Members of a group, by uid; asked only where `groupId` is set and credentials are known. */
  readonly isMember?: (uid: number, groupId: number) => boolean;
}

/** Clients at a time; more are closed at once. */
const maxClients = 256;

/** Listen until disposed; disposing closes every client and removes the socket. Throws `engine.state_unusable`. */
export async function openSocketServer(deps: SocketServerDeps): Promise<AsyncDisposable> {
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false });
  server.maxConnections = maxClients;
  server.on('connection', (socket) => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    serve(socket, deps);
  });
  await removeStale(deps.path);
  await listen(server, deps.path);
  const stack = new DisposalStack();
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
  stack.defer(() => {
    for (const socket of clients) socket.destroySoon();
    // A client that does not read must not hold up the engine's end.
    setTimeout(() => clients.forEach((socket) => socket.destroy()), 250).unref();
  });
  try {
    await restrict(deps.path, deps.groupId);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw unusable(deps.path, error);
  }
  return stack;
}

async function listen(server: Server, path: string): Promise<void> {
  const address = socketAddress(path);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // The bind happens within this call, so the mask is back before anything else of this process makes a file.
      const mask = process.platform === 'win32' ? undefined : process.umask(0o177);
      server.listen(address.path, () => {
        server.removeListener('error', reject);
        resolve();
      });
      if (mask !== undefined) process.umask(mask);
    });
  } catch (error) {
    throw unusable(path, error);
  } finally {
    // Kept open where the address goes through a descriptor: Node unlinks by that path when it closes.
    server.once('close', () => address[Symbol.dispose]());
  }
}

/** A socket that a killed engine left. The instance lock is held by now, so nobody listens there. */
async function removeStale(path: string): Promise<void> {
  if (isPipe(path)) return;
  try {
    const found = await lstat(path);
    if (!found.isSocket()) throw new Error('something that is no socket is in its place');
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, error);
  }
}

async function restrict(path: string, groupId: number | undefined): Promise<void> {
  if (isPipe(path)) return;
  await chmod(path, 0o600);
  if (groupId === undefined) return;
  await chown(path, process.getuid?.() ?? 0, groupId);
  await chmod(path, 0o660);
  // The group must be able to walk to the socket, and to see nothing else.
  const directory = dirname(path);
  const { mode, uid } = await stat(directory);
  await chown(directory, uid, groupId);
  await chmod(directory, (mode & 0o777) | 0o010);
}

function serve(socket: Socket, deps: SocketServerDeps): void {
  socket.on('error', (error) => deps.log.debug('engine.client_failed', { error }));
  const caller = identify(socket, deps);
  if (caller === undefined) {
    deps.log.warn('engine.client_refused', {});
    socket.end(
      `${JSON.stringify({ id: null, error: { code: 'engine.forbidden', message: 'this engine serves another user' } })}\n`,
    );
    return;
  }
  const lines = new LineSplitter();
  let drained: (() => void) | undefined;
  const connection = deps.dispatcher.connect(caller, (line) => {
    if (socket.destroyed || socket.write(`${line}\n`)) return undefined;
    // The client does not read: neither read on from it nor pull more out of its streams.
    socket.pause();
    return new Promise<void>((resolve) => {
      const before = drained;
      drained = () => (before?.(), resolve());
    });
  });
  const resume = (): void => {
    drained?.();
    drained = undefined;
    socket.resume();
  };
  socket.on('drain', resume);
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) {
      if (line.kind === 'line') connection.receive(line.text);
      else if (line.kind === 'oversized') connection.reject('a line may hold 16 MiB at most');
      else connection.reject('a line must be UTF-8');
    }
  });
  socket.once('close', () => {
    connection.close();
    resume();
  });
}

/** Who is at the other end; undefined for a user this engine does not serve. */
function identify(socket: Socket, deps: SocketServerDeps): Caller | undefined {
  const own = process.getuid?.();
  const peer = readPeer(socket, deps);
  if (peer === undefined) return { permission: 'administer', via: 'socket' };
  const { pid, uid, gid } = peer;
  const member = deps.groupId !== undefined && (gid === deps.groupId || deps.isMember?.(uid, deps.groupId) === true);
  if (uid !== 0 && uid !== own && !member) return undefined;
  return { permission: 'administer', via: 'socket', uid, ...(pid === undefined ? {} : { pid }) };
}

function readPeer(socket: Socket, deps: SocketServerDeps): PeerCredentials | undefined {
  if (deps.peerCredentials === undefined) return undefined;
  // Node offers no public way to a socket's descriptor; the handle's `fd` has been there since 0.x, on Unix only.
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) return undefined;
  try {
    return deps.peerCredentials(fd);
  } catch (error) {
    deps.log.debug('engine.peer_unknown', { error });
    return undefined;
  }
}

function unusable(path: string, error: unknown): TunnelerError {
  if (error instanceof TunnelerError) return error;
  return new TunnelerError('engine.state_unusable', `cannot serve at ${path}: ${(error as Error).message}`, {
    cause: error,
  });
}

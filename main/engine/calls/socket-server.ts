/**
 * The engine's door: a Unix socket in the state directory (or a named pipe), one dispatcher connection a client.
 *
 * Who may enter is settled twice: by the socket's mode and directory, and by the peer's credentials, which the native addon reads (Node
 * itself has no SO_PEERCRED); a pipe's own list lets nobody else in, and the addon, which serves it, tells the peer's process. What the peer may
 * do is settled by what it descends from. Where the system does not say who it is, it may look at the engine's standing and no more.
 */
import { chmod, chown, lstat, stat, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { UserPlaces, type PlacedClient } from '../../base/user-places.ts';
import { isMissing } from '../../files/read-if-there.ts';
import type { Caller } from '../../api/call.ts';
import type { Dispatcher, DispatcherConnection } from '../../api/dispatch.ts';
import { LineSplitter } from '../../api/lines.ts';
import { listenOnPipe, type PipeServer } from './pipe-listener.ts';
import { isPipe, socketAddress } from '../../ipc/socket-path.ts';
import type { CallerAttribution } from '../../apps/caller-attribution.ts';

/** Who is at the other end, by the kernel's word. */
export interface PeerCredentials {
  readonly pid?: number;
  /** Absent at a pipe: its own list lets in nobody but the engine's user and the machine's accounts. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Where it listens, and who may come in. */
export interface SocketServerDeps {
  readonly path: string;
  readonly dispatcher: Dispatcher;
  readonly log: Log;
  /** Reads the peer of a connected socket's descriptor; absent where the addon is not there. */
  readonly peerCredentials: ((fd: number) => PeerCredentials | undefined) | undefined;
  /** Serves a pipe and names its clients; absent where the addon is not there, or there are no such pipes. */
  readonly pipes?: PipeServer | undefined;
  /** Which program it is that connected. */
  readonly attribution: CallerAttribution;
  /** gid whose members may use identities of their own: the socket becomes 0660. */
  readonly groupId: number | undefined;
  /** Members may look at what is others' too. */
  readonly membersObserve?: boolean;
  /** Where neither can ask, whoever may enter that directory is the engine's person. */
  readonly directoryDecides?: boolean;
  /** The engine's own directory, which the group is let through; any other keeps its mode. */
  readonly ownDirectory: string;
  /** Members of a group, by uid; asked only where `groupId` is set and credentials are known. */
  readonly isMember?: (uid: number, groupId: number) => boolean;
}

/** Clients at a time. */
const clientLimits = { eachUser: 32, others: 128, owner: 256 } as const;

/** Listen until disposed; disposing closes every client and removes the socket. Throws `engine.state_unusable`. */
export async function openSocketServer(deps: SocketServerDeps): Promise<AsyncDisposable> {
  const clients = new Set<Socket>();
  const own = process.getuid?.();
  const places = new UserPlaces((uid) => uid === undefined || uid === 0 || uid === own, clientLimits);
  const arrived = (socket: Socket, peer: PeerCredentials | undefined): void => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    socket.on('error', (error) => deps.log.debug('engine.client_failed', { error }));
    welcome(socket, peer, places, deps).catch((error: unknown) => {
      deps.log.error('engine.client_failed', { error });
      socket.destroy();
    });
  };
  await removeStale(deps.path);
  const stack = new DisposalStack();
  stack.use(await listen(deps, arrived));
  stack.defer(() => {
    for (const socket of clients) socket.destroySoon();
    // A client that does not read must not hold up the engine's end.
    setTimeout(() => clients.forEach((socket) => socket.destroy()), 250).unref();
  });
  try {
    await restrict(deps.path, deps.groupId, deps.ownDirectory);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw unusable(deps.path, error);
  }
  return stack;
}

/** Disposing waits until nobody is connected any more. */
async function listen(
  deps: SocketServerDeps,
  arrived: (socket: Socket, peer: PeerCredentials | undefined) => void,
): Promise<Disposable | AsyncDisposable> {
  const { path, pipes } = deps;
  if (isPipe(path) && pipes !== undefined) {
    try {
      return listenOnPipe(path, pipes, (socket, pid) => arrived(socket, defined({ pid })));
    } catch (error) {
      throw unusable(path, error);
    }
  }
  const server = createServer({ allowHalfOpen: false, pauseOnConnect: true });
  server.on('connection', (socket) => arrived(socket, readPeer(socket, deps)));
  await listenOnSocket(server, path);
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
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
    if (!isMissing(error)) throw unusable(path, error);
  }
}

async function restrict(path: string, groupId: number | undefined, ownDirectory: string): Promise<void> {
  if (isPipe(path)) return;
  await chmod(path, 0o600);
  if (groupId === undefined) return;
  await chown(path, process.getuid?.() ?? 0, groupId);
  await chmod(path, 0o660);
  // The group must be able to walk to the socket, and to see nothing else. A directory that is somebody else's to arrange stays as it is.
  const directory = dirname(resolve(path));
  if (directory !== resolve(ownDirectory)) return;
  const { mode, uid } = await stat(directory);
  await chown(directory, uid, groupId);
  await chmod(directory, (mode & 0o777) | 0o010);
}

/** Settle who it is, give it a place, serve it. */
async function welcome(
  socket: Socket,
  peer: PeerCredentials | undefined,
  places: UserPlaces,
  deps: SocketServerDeps,
): Promise<void> {
  const user = admitted(peer, deps);
  if (user === undefined) {
    deps.log.warn('engine.client_refused', { uid: peer?.uid });
    refuse(socket, 'engine.forbidden', 'this engine serves another user');
    return;
  }
  let connection: DispatcherConnection | undefined;
  const client: PlacedClient = {
    uid: peer?.uid,
    isIdle: () => connection?.isIdle() ?? true,
    dismiss: () => socket.destroy(),
  };
  if (!places.take(client)) {
    refuse(socket, 'engine.busy', 'this user has too many requests under way on too many connections');
    return;
  }
  socket.once('close', () => places.leave(client));
  const caller = await callerOf(peer, user, deps);
  if (!socket.destroyed) connection = serve(socket, caller, deps.dispatcher);
}

function refuse(socket: Socket, code: 'engine.forbidden' | 'engine.busy', message: string): void {
  socket.end(`${JSON.stringify({ id: null, error: { code, message } })}\n`);
}

function serve(socket: Socket, caller: Caller, dispatcher: Dispatcher): DispatcherConnection {
  const lines = new LineSplitter();
  let drained: (() => void) | undefined;
  const connection = dispatcher.connect(caller, (line) => {
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
  socket.resume();
  return connection;
}

/** As whom a user comes in at all; undefined for one this engine does not serve. */
type Admitted = 'owner' | 'member' | 'unseen';

function admitted(peer: PeerCredentials | undefined, deps: SocketServerDeps): Admitted | undefined {
  if (peer === undefined) {
    const isAsked = isPipe(deps.path) ? deps.pipes !== undefined : deps.peerCredentials !== undefined;
    return deps.directoryDecides === true && !isAsked ? 'owner' : 'unseen';
  }
  const { uid, gid } = peer;
  if (uid === undefined || uid === 0 || uid === process.getuid?.()) return 'owner';
  const member = deps.groupId !== undefined && (gid === deps.groupId || deps.isMember?.(uid, deps.groupId) === true);
  return member ? 'member' : undefined;
}

/** An agent is one whoever its user is; a user of the group is one of its own. */
async function callerOf(peer: PeerCredentials | undefined, user: Admitted, deps: SocketServerDeps): Promise<Caller> {
  if (user === 'unseen') {
    const why = 'this build cannot ask the system who is at the other end';
    return { permission: 'observe', via: 'socket', standing: { kind: 'unknown', why } };
  }
  if (peer === undefined) return { permission: 'administer', via: 'socket' };
  const { uid, pid } = peer;
  const identified = { via: 'socket', ...defined({ uid, pid }) } as const;
  const program = await deps.attribution.of(pid);
  if (program.kind !== 'person') return { ...identified, permission: 'observe', standing: program };
  if (user === 'owner' || uid === undefined) return { ...identified, permission: 'administer' };
  const observes = deps.membersObserve ?? false;
  return { ...identified, permission: 'operate', standing: { kind: 'member', uid, observes } };
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

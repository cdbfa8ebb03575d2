/** Windows: who serves a named pipe. Its name is known to all, and whoever is first may take it: an impostor would be told secrets. */
import { loadNative, type Native } from 'node-tun';
import { TunnelerError } from '../base/errors.ts';
import { isSuperuser, type UserId } from '../base/user-id.ts';
import { ownUser } from '../files/own-user.ts';

/** How the system is asked. */
export type PipeReader = Pick<Native, 'pipeServer' | 'processChain'>;

/** How a pipe is connected to, with who serves it. */
export type PipeConnector = Pick<Native, 'connectPipe' | 'processChain'>;

/** What is said of a server that nobody can name. */
const nameless = 'somebody who cannot be told';

/** This machine's; undefined where there are no such pipes, or the addon is not built. */
export function pipeConnector(): PipeConnector | undefined {
  return thisSystem();
}

/**
 * Connect, and see who serves this very connection before a word is said on it; a descriptor, the caller's to close. Undefined where nobody serves
 * the pipe. Throws `engine.socket_untrusted` where its server is somebody else than this user or the system, and where that cannot be told;
 * `engine.forbidden` where it lets us not in.
 */
export function connectTrustedPipe(
  path: string,
  connector: PipeConnector,
  close: (descriptor: number) => void,
  own: UserId | undefined = ownUser(),
): number | undefined {
  const end = connected(path, connector);
  if (end === null) return undefined;
  const stranger = strangerOf(end.pid, connector, own);
  if (stranger === undefined) return end.descriptor;
  close(end.descriptor);
  throw untrusted(path, stranger);
}

/** Who serves the pipe, where that is somebody else than this user or the system; undefined where nobody serves it or nobody can be asked. */
export function strangerServing(
  path: string,
  reader: PipeReader | undefined = thisSystem(),
  own: UserId | undefined = ownUser(),
): string | undefined {
  if (reader === undefined) return undefined;
  let pid: number | null;
  try {
    pid = reader.pipeServer(path);
  } catch {
    // Somebody serves it, and lets nobody see who: it stays busy, or we may not open it.
    return nameless;
  }
  return pid === null ? undefined : strangerOf(pid, reader, own);
}

/** Whether somebody serves the pipe, whoever that is; undefined where the addon is not there to ask without lending itself. */
export function isPipeServed(path: string, reader: PipeReader | undefined = thisSystem()): boolean | undefined {
  try {
    return reader === undefined ? undefined : reader.pipeServer(path) !== null;
  } catch {
    return true;
  }
}

function connected(path: string, connector: PipeConnector): ReturnType<PipeConnector['connectPipe']> {
  try {
    return connector.connectPipe(path);
  } catch (error) {
    // ERROR_ACCESS_DENIED, as Rust's standard library writes it behind the system's words.
    if (!/\(os error 5\)$/.test((error as Error).message)) throw untrusted(path, nameless, error);
    throw new TunnelerError('engine.forbidden', `you may not talk to the engine at ${path}`, {
      cause: error,
      details: { next: 'run as its user or as administrator' },
    });
  }
}

function strangerOf(
  pid: number | undefined,
  reader: Pick<Native, 'processChain'>,
  own: UserId | undefined,
): string | undefined {
  const owner = pid === undefined ? undefined : accountOf(pid, reader);
  if (owner === undefined) return nameless;
  return owner === own || isSuperuser(owner) ? undefined : owner;
}

function accountOf(pid: number, reader: Pick<Native, 'processChain'>): string | undefined {
  try {
    return reader.processChain(pid)[0]?.sid;
  } catch {
    // The system has no list of its processes for us.
    return undefined;
  }
}

function untrusted(path: string, who: string, cause?: unknown): TunnelerError {
  return new TunnelerError('engine.socket_untrusted', `${path} is served by ${who}, neither the system nor you`, {
    cause,
    details: { next: 'name the right engine with --state or --socket; that of the service is for administrators' },
  });
}

function thisSystem(): (PipeConnector & PipeReader) | undefined {
  const found = loadNative();
  return found.ok && process.platform === 'win32' ? found.native : undefined;
}

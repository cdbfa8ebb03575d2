/** The client's end of the engine's socket. Its owner is checked before a word is said: an impostor would be told secrets. */
import { closeSync, lstatSync, statSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import type { Transport } from '../api/client.ts';
import { LineSplitter } from '../api/lines.ts';
import { connectTrustedPipe, pipeConnector, type PipeConnector } from './pipe-server.ts';
import { isPipe, socketAddress } from './socket-path.ts';

/**
 * Connect to an engine. Throws `engine.not_running` where nobody listens, `engine.socket_untrusted` where the socket belongs to neither
 * root nor this user, `engine.forbidden` where the system refuses us.
 */
export async function connectSocket(path: string, signal?: AbortSignal): Promise<Transport> {
  const connector = isPipe(path) ? pipeConnector() : undefined;
  if (connector !== undefined) return overSocket(openPipe(path, connector));
  // Without the addon nobody can be asked who serves a pipe; the system's own list on it has to do.
  if (!isPipe(path)) checkOwner(path);
  const address = socketAddress(path);
  try {
    return overSocket(await open(address.path, path, signal));
  } finally {
    address[Symbol.dispose]();
  }
}

function openPipe(path: string, connector: PipeConnector): Socket {
  const descriptor = connectTrustedPipe(path, connector, closeSync);
  if (descriptor === undefined) throw notRunning(path);
  return new Socket({ fd: descriptor, readable: true, writable: true });
}

function checkOwner(path: string): void {
  let owner: number;
  try {
    const found = lstatSync(path);
    if (!found.isSocket()) throw new TunnelerError('engine.socket_untrusted', `${path} is no socket`);
    owner = found.uid;
  } catch (error) {
    if (error instanceof TunnelerError) throw error;
    throw explain(error as NodeJS.ErrnoException, path);
  }
  const uid = process.getuid?.();
  // The service has a user of its own: root, who named its directory, may take the word of whoever that directory belongs to.
  const service = uid === 0 ? statSync(dirname(path)).uid : uid;
  if (owner !== 0 && owner !== uid && owner !== service && !placedByRoot(path, owner)) {
    throw new TunnelerError('engine.socket_untrusted', `${path} belongs to uid ${owner}, neither root nor you`, {
      details: { owner, next: 'name the right engine with --state or --socket' },
    });
  }
}

/** The service has a user of its own, in a directory that only root can have given it: nobody else may make one beside it. */
function placedByRoot(path: string, owner: number): boolean {
  const directory = statSync(dirname(path));
  const above = statSync(dirname(resolve(dirname(path))));
  return directory.uid === owner && (directory.mode & 0o022) === 0 && above.uid === 0 && (above.mode & 0o022) === 0;
}

function open(address: string, path: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const onAbort = (): void => {
      socket.destroy();
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      signal?.removeEventListener('abort', onAbort);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      signal?.removeEventListener('abort', onAbort);
      reject(explain(error, path));
    });
  });
}

function explain(error: NodeJS.ErrnoException, path: string): TunnelerError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new TunnelerError('engine.forbidden', `you may not talk to the engine at ${path}`, {
      cause: error,
      details: { next: 'run as its user or root, or join its group' },
    });
  }
  return notRunning(path, error);
}

function notRunning(path: string, cause?: unknown): TunnelerError {
  return new TunnelerError('engine.not_running', `no engine answers at ${path}`, {
    cause,
    details: { socket: path, next: 'start one with culvert run, or name it with --state or --socket' },
  });
}

function overSocket(socket: Socket): Transport {
  const lines = new LineSplitter();
  let failure: TunnelerError | undefined;
  return {
    send(message) {
      if (!socket.writableEnded && !socket.destroyed) socket.write(`${message}\n`);
    },
    start(sink) {
      socket.on('data', (chunk: Buffer) => {
        for (const line of lines.push(chunk)) {
          if (line.kind === 'line') sink.message(line.text);
          else {
            failure = new TunnelerError('engine.protocol', `the engine sent a line that cannot be read: ${line.kind}`);
            socket.destroy();
            return;
          }
        }
      });
      socket.on('error', (error) => {
        failure ??= new TunnelerError('base.closed', `the connection to the engine broke: ${error.message}`, {
          cause: error,
        });
      });
      socket.on('close', () => sink.closed(failure));
    },
    close() {
      socket.end();
      socket.destroySoon();
    },
  };
}

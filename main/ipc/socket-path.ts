/** Where an engine's socket is, as the operating system wants it said. */
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import { isMissing } from '../files/read-if-there.ts';
import { isPipeServed } from './pipe-server.ts';

/** Bytes of a Unix socket's path, its NUL included. Source: unix(7) (Linux 108), unix(4) (macOS 104). */
const maxPathBytes = process.platform === 'linux' ? 108 : 104;

/** A path to listen on or connect to; dispose once that is done. */
export interface SocketAddress extends Disposable {
  readonly path: string;
}

/** The engine's socket of a state directory: `DIR/engine.sock`, on Windows a named pipe after the directory. */
export function defaultSocketPath(stateDirectory: string): string {
  return process.platform === 'win32' ? pipeOf(stateDirectory, 'culvert') : join(stateDirectory, 'engine.sock');
}

/**
 * The named pipe that whoever works on a state directory holds for as long (Windows): it is gone with its process, however that ends, so that
 * no lock is ever left behind.
 */
export function lockPipePath(stateDirectory: string): string {
  return pipeOf(stateDirectory, 'culvert-lock');
}

/** Tells who works on a state directory; gone once that one has ended by itself, whatever it changed of the host put back. */
export function lockFilePath(stateDirectory: string): string {
  return join(stateDirectory, 'engine.lock');
}

/** Windows knows no case in names, and neither does the directory's name in a pipe's. */
function pipeOf(stateDirectory: string, prefix: string): string {
  const name = createHash('sha256').update(resolve(stateDirectory).toLowerCase()).digest('hex').slice(0, 16);
  return `\\\\.\\pipe\\${prefix}-${name}`;
}

/** Is there such a socket? A pipe is asked by connecting to it, for there is no file to look at. */
export function isSocketThere(path: string): boolean {
  if (!isPipe(path)) return existsSync(path);
  const served = isPipeServed(path);
  if (served !== undefined) return served;
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch (error) {
    // All its instances are taken, or it is not ours to open: it is there.
    return !isMissing(error);
  }
}

/** True where the path is a Windows named pipe: no file, so no mode and no owner to look at. */
export function isPipe(path: string): boolean {
  return path.startsWith('\\\\.\\pipe\\');
}

/**
 * The path as the system takes it. One too long for it is reached, on Linux, through a descriptor of its directory.
 * Throws `engine.state_unusable` where there is no way.
 */
export function socketAddress(path: string): SocketAddress {
  if (isPipe(path) || Buffer.byteLength(path) < maxPathBytes) return { path, [Symbol.dispose]: () => undefined };
  if (process.platform !== 'linux') throw tooLong(path);
  let directory: number;
  try {
    directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw tooLong(path, error);
  }
  let open = true;
  return {
    path: `/proc/self/fd/${directory}/${basename(path)}`,
    [Symbol.dispose]() {
      if (open) closeSync(directory);
      open = false;
    },
  };
}

function tooLong(path: string, cause?: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `the socket's path is too long for this system: ${path}`, {
    cause,
    details: { next: 'give a shorter one with --socket' },
  });
}

/**
 * One engine a state directory. `engine.lock` names its holder by pid and start time, so that a lock left by kill -9, power loss or a
 * re-used pid is seen as stale and taken over. On Windows a named pipe is the lock, which dies with its holder, and the file just tells of it;
 * but a pipe's name is known to all, and one that a stranger serves is no lock: then the file is, in a directory that strangers cannot write to.
 */
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { silentLog, type Log } from '../../base/log.ts';
import { isMissing } from '../../files/read-if-there.ts';
import { removeDurably, writeAtomically } from '../../files/write-atomically.ts';
import { strangerServing } from '../../ipc/pipe-server.ts';
import { isPipe, lockFilePath, lockPipePath, socketAddress } from '../../ipc/socket-path.ts';
import { processStart } from './process-start.ts';

interface Holder {
  readonly pid: number;
  /** As `processStart` says it; empty where the system does not. */
  readonly started: string;
  /** Held by this file alone, for a stranger had the pipe: it counts where the pipe is free again. */
  readonly byFile?: true;
}

/** Who serves a pipe, where that is a stranger. */
type AskStranger = (pipe: string) => string | undefined;

/** Take the lock until disposed. Throws `engine.already_running`, naming the holder, or `engine.state_unusable`. */
export async function lockInstance(
  stateDirectory: string,
  socketPath: string,
  log: Log = silentLog,
): Promise<AsyncDisposable> {
  const path = lockFilePath(stateDirectory);
  const isStrangers = isPipe(socketPath) && strangerServing(socketPath) !== undefined;
  if (!isStrangers && (await answers(socketPath))) throw alreadyRunning(stateDirectory, await readHolder(path));
  return process.platform === 'win32'
    ? lockByPipe(lockPipePath(stateDirectory), path, stateDirectory, log)
    : lockByFile(path, stateDirectory, {});
}

/** The lock is a pipe that nobody else serves meanwhile. Exported for systems whose pipes are sockets. */
export async function lockByPipe(
  pipe: string,
  file: string,
  stateDirectory: string,
  log: Log = silentLog,
  askStranger: AskStranger = strangerServing,
): Promise<AsyncDisposable> {
  const byFile = (stranger: string): Promise<AsyncDisposable> => {
    log.warn('engine.lock_pipe_taken', { pipe, servedBy: stranger });
    return lockByFile(file, stateDirectory, { byFile: true });
  };
  const stranger = askStranger(pipe);
  if (stranger !== undefined) return byFile(stranger);
  if (await answers(pipe)) throw alreadyRunning(stateDirectory, await readHolder(file));
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(pipe, resolve);
    });
    const holder = await readHolder(file);
    if (holder?.byFile === true && (await alive(holder))) throw alreadyRunning(stateDirectory, holder);
    await writeAtomically(file, JSON.stringify({ pid: process.pid, started: await processStart(process.pid) }));
  } catch (error) {
    server.close();
    if (error instanceof TunnelerError) throw error;
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw unusable(stateDirectory, error);
    // Whoever was quicker: another starter, or a stranger.
    const quicker = askStranger(pipe);
    if (quicker !== undefined) return byFile(quicker);
    throw alreadyRunning(stateDirectory, await readHolder(file));
  }
  // It holds nothing up: whoever has the lock says when it ends.
  server.unref();
  return {
    async [Symbol.asyncDispose]() {
      await removeDurably(file);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function lockByFile(
  path: string,
  stateDirectory: string,
  mark: Pick<Holder, 'byFile'>,
): Promise<AsyncDisposable> {
  const own: Holder = { pid: process.pid, started: await processStart(process.pid), ...mark };
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
    await take(draft, path, stateDirectory);
  } catch (error) {
    if (error instanceof TunnelerError) throw error;
    throw unusable(stateDirectory, error);
  } finally {
    await unlink(draft).catch(ignoreMissing);
  }
  return {
    async [Symbol.asyncDispose]() {
      const holder = await readHolder(path);
      if (holder?.pid === own.pid && holder.started === own.started) await unlink(path).catch(ignoreMissing);
    },
  };
}

async function take(draft: string, path: string, stateDirectory: string): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await link(draft, path); // atomic: fails where the lock is there
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readHolder(path);
    if (holder !== undefined && (await alive(holder))) throw alreadyRunning(stateDirectory, holder);
    const aside = `${path}.stale.${process.pid}`;
    await rename(path, aside).catch(ignoreMissing);
    // Another starter may have taken the lock between our look and our move: then what we moved is theirs.
    const moved = await readHolder(aside);
    if (moved !== undefined && (moved.pid !== holder?.pid || moved.started !== holder.started)) {
      await link(aside, path).catch(() => undefined);
      await unlink(aside).catch(ignoreMissing);
      throw alreadyRunning(stateDirectory, moved);
    }
    await unlink(aside).catch(ignoreMissing);
  }
  throw alreadyRunning(stateDirectory, await readHolder(path));
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const raw = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    if (typeof raw.pid !== 'number') return undefined;
    return { pid: raw.pid, started: String(raw.started ?? ''), ...(raw.byFile === true ? { byFile: true } : {}) };
  } catch {
    // Absent or cut short by a crash while written: no holder.
    return undefined;
  }
}

async function alive(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  if (holder.pid === process.pid) return (await processStart(process.pid)) === holder.started;
  const started = await processStart(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

/** True where something accepts connections on the socket: an engine, even one whose pid we cannot see (another pid namespace). */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const address = socketAddress(socketPath);
    const socket = connect(address.path);
    const finish = (running: boolean): void => {
      socket.destroy();
      address[Symbol.dispose]();
      resolve(running);
    };
    socket.setTimeout(1000, () => finish(true));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

function unusable(stateDirectory: string, error: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `cannot lock ${stateDirectory}: ${(error as Error).message}`, {
    cause: error,
  });
}

function alreadyRunning(stateDirectory: string, holder: Holder | undefined): TunnelerError {
  const who = holder === undefined ? '' : ` (pid ${holder.pid})`;
  return new TunnelerError('engine.already_running', `an engine runs on ${stateDirectory} already${who}`, {
    details: {
      ...defined({ pid: holder?.pid }),
      next: 'stop it first, or give this one its own --state',
    },
  });
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/**
 * One engine a state directory. `engine.lock` names its holder by pid and start time, so that a lock left by kill -9, power loss or a
 * re-used pid is seen as stale and taken over.
 */
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { isMissing } from '../../files/read-if-there.ts';
import { socketAddress } from '../../ipc/socket-path.ts';

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot at which the process started (Linux), else empty. */
  readonly started: string;
}

/** Take the lock until disposed. Throws `engine.already_running`, naming the holder, or `engine.state_unusable`. */
export async function lockInstance(stateDirectory: string, socketPath: string): Promise<AsyncDisposable> {
  const path = join(stateDirectory, 'engine.lock');
  if (await answers(socketPath)) throw alreadyRunning(stateDirectory, await readHolder(path));
  const own: Holder = { pid: process.pid, started: await startTime(process.pid) };
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
    await take(draft, path, stateDirectory);
  } catch (error) {
    if (error instanceof TunnelerError) throw error;
    throw new TunnelerError('engine.state_unusable', `cannot lock ${stateDirectory}: ${(error as Error).message}`, {
      cause: error,
    });
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
    return typeof raw.pid === 'number' ? { pid: raw.pid, started: String(raw.started ?? '') } : undefined;
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
  if (holder.pid === process.pid) return (await startTime(process.pid)) === holder.started;
  const started = await startTime(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)), counted after the command's closing parenthesis. */
async function startTime(pid: number): Promise<string> {
  if (process.platform !== 'linux') return '';
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // The process ended meanwhile, or /proc hides it; the pid alone decides.
    return '';
  }
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

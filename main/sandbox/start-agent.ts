/** One program as an agent, in namespaces of its own, from its start to its end. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { requireSandbox } from './availability.ts';
import { startApart, type ApartStart } from './start-apart.ts';

/** One start, as planned. */
export interface AgentStart extends Omit<ApartStart, 'ownSession'> {
  /** Told of its first process before that runs anything. */
  readonly entered: (pid: number) => Promise<void>;
}

/**
 * Start it on this process's own standard streams; its exit code once it has ended, 128 and the signal's number where one ended it. Throws
 * `sandbox.unavailable`, `sandbox.failed` and what `entered` throws, nothing then having run.
 */
export async function startAgent(start: AgentStart): Promise<number> {
  requireSandbox(start.ownNetwork);
  const { child, first, ended, letGo } = startApart({ ...start, ownSession: mayTypeIntoTerminal() }, [
    'inherit',
    'inherit',
    'inherit',
  ]);
  const release = passSignals(child);
  try {
    await start.entered(await first);
    letGo();
    return await ended;
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw error;
  } finally {
    release[Symbol.dispose]();
  }
}

/** tty_ioctl(4), TIOCSTI; turned off by most distributions since Linux 6.2. */
function mayTypeIntoTerminal(): boolean {
  if (!process.stdin.isTTY) return true;
  try {
    return readFileSync('/proc/sys/dev/tty/legacy_tiocsti', 'utf8').trim() !== '0';
  } catch {
    // Older kernels always let it.
    return true;
  }
}

/** An interrupt typed at the terminal reaches the agent by itself, and is its to answer; others end it. */
function passSignals(child: ChildProcess): Disposable {
  const end = (): void => void child.kill('SIGTERM');
  const interrupt = process.stdin.isTTY ? (): void => undefined : end;
  process.on('SIGTERM', end).on('SIGHUP', end).on('SIGINT', interrupt);
  return {
    [Symbol.dispose]: () => void process.off('SIGTERM', end).off('SIGHUP', end).off('SIGINT', interrupt),
  };
}

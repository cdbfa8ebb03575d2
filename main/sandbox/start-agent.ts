/** One program as an agent, in namespaces of its own, from its start to its end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { TunnelerError } from '../base/errors.ts';
import { requireSandbox } from './availability.ts';
import { blockDescriptor, bubblewrapArguments, infoDescriptor, type SandboxPlan } from './bubblewrap.ts';
import { planLimits, type Limits } from './limits.ts';

/** One start, as planned. */
export interface AgentStart extends Omit<SandboxPlan, 'ownSession'> {
  /** Names its control group; letters, digits, dashes. */
  readonly name: string;
  readonly limits: Limits;
  /** Told of its first process before that runs anything. */
  readonly entered: (pid: number) => Promise<void>;
}

/**
 * Start it on this process's own standard streams; its exit code once it has ended, 128 and the signal's number where one ended it. Throws
 * `sandbox.unavailable`, `sandbox.failed` and what `entered` throws, nothing then having run.
 */
export async function startAgent(start: AgentStart): Promise<number> {
  requireSandbox(start.ownNetwork);
  const limits = planLimits(start.name, start.limits);
  const [file = 'bwrap', ...args] = [
    ...limits.prefix,
    'bwrap',
    ...bubblewrapArguments({ ...start, ownSession: mayTypeIntoTerminal() }),
  ];
  const child = spawn(file, args, { stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'] });
  const ended = endOf(child);
  // That the sandbox ended is told by its exit, whatever became of its pipes.
  for (const at of [infoDescriptor, blockDescriptor]) child.stdio[at]?.on('error', () => undefined);
  const release = passSignals(child);
  try {
    const pid = await firstProcess(child, ended);
    limits.apply(pid);
    await start.entered(pid);
    (child.stdio[blockDescriptor] as Writable).end('.');
    return await ended;
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw error;
  } finally {
    release[Symbol.dispose]();
    limits.remove();
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

async function firstProcess(child: ChildProcess, ended: Promise<number>): Promise<number> {
  const info = child.stdio[infoDescriptor] as Readable;
  const told = new Promise<string>((resolve) => {
    let text = '';
    info.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('}')) resolve(text);
    });
  });
  const text = await Promise.race([told, ended.then(() => '')]);
  const pid = /"child-pid"\s*:\s*(\d+)/.exec(text)?.[1];
  if (pid === undefined) throw new TunnelerError('sandbox.failed', 'the sandbox did not start; bwrap says why');
  return Number(pid);
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
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

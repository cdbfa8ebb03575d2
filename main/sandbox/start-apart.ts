/** One program in namespaces of its own: started, held until it is known and limited, then let go. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { TunnelerError } from '../base/errors.ts';
import { blockDescriptor, bubblewrapArguments, infoDescriptor, type SandboxPlan } from './bubblewrap.ts';
import { planLimits, type Limits } from './limits.ts';

/** One start, as planned. */
export interface ApartStart extends SandboxPlan {
  /** Names its control group; letters, digits, dashes. */
  readonly name: string;
  readonly limits: Limits;
}

/** A program that is apart; it runs nothing before it is let go. */
export interface Apart {
  /** What starts it; its end is the program's. */
  readonly child: ChildProcess;
  /** Its first process, under its limits. Rejects with `sandbox.failed`, or `sandbox.unavailable` where a limit cannot be held. */
  readonly first: Promise<number>;
  /** Its exit code, 128 and the signal's number where one ended it. */
  readonly ended: Promise<number>;
  letGo(): void;
}

/** Start it; `streams` are its standard input, output and error. Throws `sandbox.unavailable` where limits cannot be held here. */
export function startApart(
  start: ApartStart,
  streams: readonly ['inherit' | 'pipe', 'inherit' | 'pipe', 'inherit'],
): Apart {
  const limits = planLimits(start.name, start.limits);
  const [file = 'bwrap', ...args] = [...limits.prefix, 'bwrap', ...bubblewrapArguments(start)];
  const stdio: StdioOptions = [...streams, 'pipe', 'pipe'];
  const child = spawn(file, args, { stdio });
  const ended = endOf(child);
  // That the sandbox ended is told by its exit, whatever became of its pipes.
  for (const at of [infoDescriptor, blockDescriptor]) child.stdio[at]?.on('error', () => undefined);
  void ended.then(() => limits.remove());
  return {
    child,
    ended,
    first: firstProcess(child, ended).then((pid) => {
      limits.apply(pid);
      return pid;
    }),
    letGo: () => void (child.stdio[blockDescriptor] as Writable).end('.'),
  };
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

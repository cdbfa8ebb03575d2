/**
 * What was learnt of processes that nobody could learn again: an orphan's starter, and what a process ran before. Kept for whoever looks next, a
 * restarted engine or a verb that works without one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { defined } from '../base/defined.ts';
import { readIfThereSync } from '../files/read-if-there.ts';
import { writeAtomicallySync } from '../files/write-atomically.ts';
import type { AppDoubt } from './app.ts';
import { origins, type ProgramRun } from './lineage.ts';

const doubts = ['lineage', 'program', 'arguments', 'injected', 'holders'] as const satisfies readonly AppDoubt[];
const program = {
  pid: v.number(),
  start: v.optional(v.string()),
  path: v.optional(v.string()),
  script: v.optional(v.string()),
  doubt: v.optional(v.picklist(doubts)),
};
const keptFile = v.object({
  boot: v.string(),
  processes: v.array(v.object({ ...program, whole: v.boolean(), origins: v.array(v.object(program)) })),
});

/** A process, what it runs, and what stands above it, nearest first. */
export type KeptProcess = v.InferOutput<typeof keptFile>['processes'][number];

/** None where there is no such file, where it cannot be read, or where it is of another start of the system: pids are given anew then. */
export function readKept(file: string, procRoot: string): readonly KeptProcess[] {
  try {
    const parsed = v.safeParse(keptFile, JSON.parse(readIfThereSync(file) ?? 'null'));
    const boot = bootOf(procRoot);
    return parsed.success && boot !== undefined && parsed.output.boot === boot ? parsed.output.processes : [];
  } catch {
    // Torn, or not ours: what was learnt is lost, and nobody gains by it but an orphan.
    return [];
  }
}

/** One text for what is to be kept; the same text for the same. */
export function keptText(procRoot: string, runs: readonly ProgramRun[]): string {
  const processes = runs.map((run) => ({
    ...programOf(run),
    whole: run.whole,
    origins: [...origins(run)].map(programOf),
  }));
  return JSON.stringify({ boot: bootOf(procRoot) ?? '', processes });
}

/** Throws what the file system throws. */
export function writeKept(file: string, text: string): void {
  writeAtomicallySync(file, text);
}

function programOf({
  pid,
  start,
  path,
  script,
  doubt,
}: ProgramRun): v.InferOutput<typeof keptFile>['processes'][number]['origins'][number] {
  return { pid, ...defined({ start, path, script, doubt }) };
}

function bootOf(procRoot: string): string | undefined {
  try {
    return readFileSync(join(procRoot, 'sys/kernel/random/boot_id'), 'utf8').trim();
  } catch {
    // Hidden from us: nothing is taken over from a boot that cannot be told from another.
    return undefined;
  }
}

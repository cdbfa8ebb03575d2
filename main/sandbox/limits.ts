/** Limits on what a run takes: by a scope of systemd where it runs, else by control groups of root's own. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TunnelerError } from '../base/errors.ts';

/** What all processes of a run may take together. */
export interface Limits {
  /** Bytes, for all of it together. */
  readonly memory?: number | undefined;
  readonly processes?: number | undefined;
  /** Processors: 0.5 is half of one. */
  readonly cpu?: number | undefined;
}

/** A way to hold a run to its limits. */
export interface LimitPlan {
  /** Stands before the command that starts the sandbox. */
  readonly prefix: readonly string[];
  /** Put the first process under them; what it starts follows. */
  apply(pid: number): void;
  /** After the last process has ended. */
  remove(): void;
}

const root = '/sys/fs/cgroup';
/** Microseconds in which a share of processors is counted. */
const periodUs = 100_000;

/** Throws `sandbox.unavailable` where limits are asked for and this host cannot hold anybody to them. */
export function planLimits(name: string, limits: Limits): LimitPlan {
  const isRoot = process.getuid?.() === 0;
  if (existsSync('/run/systemd/system') && (isRoot || existsSync(`/run/user/${process.getuid?.()}/systemd/private`))) {
    return systemdScope(name, limits, isRoot);
  }
  const isAsked = Object.values(limits).some((value) => value !== undefined);
  if (isRoot && existsSync(join(root, 'cgroup.controllers'))) return unified(name, limits);
  if (isRoot && existsSync(join(root, 'pids'))) return hierarchies(name, limits);
  if (!isAsked) return { prefix: [], apply: () => undefined, remove: () => undefined };
  throw new TunnelerError('sandbox.unavailable', 'limits need systemd, or control groups that may be written to', {
    details: { missing: ['control groups'], next: 'start it as root, or without limits' },
  });
}

function systemdScope(name: string, { memory, processes, cpu }: Limits, isRoot: boolean): LimitPlan {
  const property = (key: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : ['-p', `${key}=${value}`];
  return {
    prefix: [
      'systemd-run',
      ...(isRoot ? [] : ['--user']),
      ...['--scope', '--quiet', '--collect', `--unit=${name}.scope`],
      ...property('MemoryMax', memory?.toString()),
      ...property('MemorySwapMax', memory === undefined ? undefined : '0'),
      ...property('TasksMax', processes?.toString()),
      ...property('CPUQuota', cpu === undefined ? undefined : `${Math.round(cpu * 100)}%`),
      '--',
    ],
    apply: () => undefined,
    remove: () => undefined,
  };
}

function unified(name: string, { memory, processes, cpu }: Limits): LimitPlan {
  const directory = join(root, name);
  return inGroups([directory], () => {
    for (const controller of ['memory', 'pids', 'cpu'])
      tryWrite(join(root, 'cgroup.subtree_control'), `+${controller}`);
    if (memory !== undefined) write(join(directory, 'memory.max'), memory);
    if (processes !== undefined) write(join(directory, 'pids.max'), processes);
    if (cpu !== undefined) write(join(directory, 'cpu.max'), `${Math.round(cpu * periodUs)} ${periodUs}`);
  });
}

/** Control groups of the first generation, a hierarchy a controller. */
function hierarchies(name: string, { memory, processes, cpu }: Limits): LimitPlan {
  const at = (controller: string): string => join(root, controller, name);
  const used = [
    ...(memory === undefined ? [] : ['memory']),
    // Also without a limit: it names what belongs to the run.
    'pids',
    ...(cpu === undefined ? [] : ['cpu']),
  ];
  return inGroups(used.map(at), () => {
    if (memory !== undefined) write(join(at('memory'), 'memory.limit_in_bytes'), memory);
    if (processes !== undefined) write(join(at('pids'), 'pids.max'), processes);
    if (cpu === undefined) return;
    write(join(at('cpu'), 'cpu.cfs_period_us'), periodUs);
    write(join(at('cpu'), 'cpu.cfs_quota_us'), Math.round(cpu * periodUs));
  });
}

function inGroups(directories: readonly string[], set: () => void): LimitPlan {
  return {
    prefix: [],
    apply(pid) {
      for (const directory of directories) mkdirSync(directory, { recursive: true });
      set();
      for (const directory of directories) write(join(directory, 'cgroup.procs'), pid);
    },
    remove() {
      for (const directory of directories) {
        try {
          rmdirSync(directory);
        } catch {
          // Not there, or a process of it is still on its way out: an empty group costs nothing.
        }
      }
    },
  };
}

function write(file: string, value: string | number): void {
  try {
    writeFileSync(file, String(value));
  } catch (error) {
    throw new TunnelerError('sandbox.unavailable', `this host does not take the limit: ${file}`, {
      cause: error,
      details: { missing: ['control groups'], next: 'start it without that limit' },
    });
  }
}

function tryWrite(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch {
    // On already, or not to be had: then the limit itself is refused, by name.
  }
}

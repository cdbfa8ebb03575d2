/**
 * Programs that were started as an agent, in a process namespace of their own (`culvert agent run`): whatever runs in it is that agent. Proof
 * instead of resemblance: nothing that a program does to its name, its parents or its sockets takes it out of its namespace.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { parseStat } from './process-facts.linux.ts';

/** One start of an agent. */
export interface AgentRun {
  readonly id: string;
  readonly agent: string;
  /** `only`: its one way out is the engine. */
  readonly net: 'host' | 'only';
  /** The first process of its namespace, seen from here. */
  readonly pid: number;
  /** Start time of that process: a pid is used again. */
  readonly start: string;
  /** As `/proc/PID/ns/pid` names it. */
  readonly namespace: string;
}

/** Longer chains of living parents are nobody's honest work. */
const maxChain = 64;

/** The runs under way, by the process namespace each has for itself. */
export class AgentRuns {
  readonly #procRoot: string;
  readonly #byNamespace = new Map<string, AgentRun>();

  constructor(procRoot = '/proc') {
    this.#procRoot = procRoot;
  }

  /** What `pid` leads, if it is the first of a namespace that is not the caller's own; undefined where it is not. */
  inspect(pid: number, callerPid: number): Pick<AgentRun, 'pid' | 'start' | 'namespace'> | undefined {
    const namespace = this.#namespaceOf(pid);
    const start = this.#stat(pid)?.startTime;
    if (namespace === undefined || start === undefined) return undefined;
    const others = [callerPid, process.pid].map((other) => this.#namespaceOf(other));
    return others.includes(namespace) ? undefined : { pid, start, namespace };
  }

  add(run: AgentRun): void {
    this.#byNamespace.set(run.namespace, run);
  }

  /** Those whose first process lives; the others are forgotten. */
  living(): readonly AgentRun[] {
    for (const run of this.#byNamespace.values()) {
      if (this.#stat(run.pid)?.startTime !== run.start) this.#byNamespace.delete(run.namespace);
    }
    return [...this.#byNamespace.values()];
  }

  /**
   * The run that a process belongs to. A namespace made inside another one hangs below it: its first process is never given to a parent
   * outside, so the living parents lead to where it was started.
   */
  of(pid: number): AgentRun | undefined {
    if (this.#byNamespace.size === 0) return undefined;
    for (let at = pid, depth = 0; at > 0 && depth < maxChain; depth += 1) {
      const namespace = this.#namespaceOf(at);
      const run = namespace === undefined ? undefined : this.#byNamespace.get(namespace);
      // A namespace's number is used again once all in it have ended.
      if (run !== undefined && this.#stat(run.pid)?.startTime === run.start) return run;
      at = this.#stat(at)?.parentPid ?? 0;
    }
    return undefined;
  }

  #namespaceOf(pid: number): string | undefined {
    try {
      return readlinkSync(`${this.#procRoot}/${pid}/ns/pid`);
    } catch {
      // Gone, or not ours to look into.
      return undefined;
    }
  }

  #stat(pid: number): ReturnType<typeof parseStat> {
    try {
      return parseStat(readFileSync(`${this.#procRoot}/${pid}/stat`, 'utf8'));
    } catch {
      // Gone.
      return undefined;
    }
  }
}

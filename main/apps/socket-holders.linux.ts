/**
 * Which process holds a socket: a bounded search of `/proc/PID/fd`, likely processes first, those with very many descriptors last: no
 * program may keep others from being found by opening many.
 *
 * Synchronous calls in short runs: `/proc` never waits for a disk, and a promise for each link would cost ten times the link itself.
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs';

/** Longest run before other work of the engine has its turn. */
const runMs = 2;
/** Longest search in all; what is not found by then is not attributed. */
const searchMs = 250;
/** Processes that held a socket lately; on a desktop few programs open most connections. */
const rememberedPids = 64;
/** Only databases, load generators and who wants to hide has more; known since Linux 6.2 (`st_size` of `/proc/PID/fd`, proc_pid_fd(5)). */
const manyDescriptors = 4_096;
/** A program that opens many connections gets one descriptor after the other: so many beyond the last found are looked at before all. */
const nearDescriptors = 16;

export class SocketHolders {
  readonly #procRoot: string;
  /** The descriptor last found, by process; most recent last. */
  readonly #recent = new Map<number, number>();

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** The process that holds the socket, processes of `uid` first; undefined where none that we may look into does. */
  async find(inode: number, uid: number): Promise<number | undefined> {
    const link = `socket:[${inode}]`;
    const startedMs = performance.now();
    const recent = [...this.#recent].reverse();
    for (const [pid, last] of recent) {
      if (this.#foundNear(pid, last, link)) return pid;
    }
    for (const [pid] of recent) {
      if (this.#found(pid, link)) return pid;
    }
    let turnMs = performance.now();
    for (const pid of this.#candidates(uid)) {
      if (this.#recent.has(pid)) continue;
      if (this.#found(pid, link)) return pid;
      const nowMs = performance.now();
      if (nowMs - startedMs > searchMs) return undefined;
      if (nowMs - turnMs < runMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
    return undefined;
  }

  /** True where this process holds the socket too. */
  holds(pid: number, inode: number): boolean {
    return this.#descriptorOf(pid, `socket:[${inode}]`) !== undefined;
  }

  /** Newest first, for who connects now has often just started; those of the socket's own user before all others. */
  *#candidates(uid: number): Iterable<number> {
    const others: number[] = [];
    const large: number[] = [];
    const pids = names(this.#procRoot)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => b - a);
    for (const pid of pids) {
      if (pid === process.pid) continue;
      const table = statSync(`${this.#procRoot}/${pid}/fd`, { throwIfNoEntry: false });
      if (table === undefined) continue;
      if (table.size > manyDescriptors) large.push(pid);
      else if (table.uid === uid) yield pid;
      else others.push(pid);
    }
    yield* others;
    // The engine's own connections, of its demo's clients for one.
    yield process.pid;
    yield* large;
  }

  #found(pid: number, link: string): boolean {
    const descriptor = this.#descriptorOf(pid, link);
    if (descriptor === undefined) return false;
    this.#remember(pid, descriptor);
    return true;
  }

  #foundNear(pid: number, last: number, link: string): boolean {
    for (let descriptor = last; descriptor <= last + nearDescriptors; descriptor += 1) {
      if (linkOf(`${this.#procRoot}/${pid}/fd/${descriptor}`) !== link) continue;
      this.#remember(pid, descriptor);
      return true;
    }
    return false;
  }

  #descriptorOf(pid: number, link: string): number | undefined {
    const directory = `${this.#procRoot}/${pid}/fd`;
    // By number, which names are not listed by: a new connection has one of the highest descriptors, and a process may have thousands.
    const descriptors = Uint32Array.from(names(directory), Number).sort();
    for (let at = descriptors.length - 1; at >= 0; at -= 1) {
      const descriptor = descriptors[at];
      if (linkOf(`${directory}/${descriptor}`) === link) return descriptor;
    }
    if (descriptors.length === 0) this.#recent.delete(pid);
    return undefined;
  }

  #remember(pid: number, descriptor: number): void {
    this.#recent.delete(pid);
    this.#recent.set(pid, descriptor);
    if (this.#recent.size > rememberedPids) {
      const [oldest] = this.#recent.keys();
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
  }
}

/** Empty where the process is gone or not ours to look into. */
function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Gone, or another user's: both mean that this is not where it is found.
    return [];
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}

/**
 * Which process holds a socket: a bounded search of `/proc/PID/fd`, likely processes first, those with very many descriptors last: no
 * program may keep others from being found, or the engine from its work, by opening many; nor hide itself that way.
 *
 * Synchronous calls in short runs: `/proc` never waits for a disk, and a promise for each link would cost ten times the link itself.
 */
import { readdirSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';

/** Longest run before other work of the engine has its turn. */
const runMs = 2;
/** Longest search of processes of common size; what is not found by then is not attributed. */
const searchMs = 250;
/** Longest search of one with very many descriptors: half a million take a second. */
const thoroughSearchMs = 2_000;
/** Processes that held a socket lately; on a desktop few programs open most connections. */
const rememberedPids = 64;
/** Only databases, load generators and who wants to hide has more; known since Linux 6.2 (`st_size` of `/proc/PID/fd`, proc_pid_fd(5)). */
const manyDescriptors = 4_096;
/** A program that opens many connections gets one descriptor after the other: so many beyond the last found are looked at before all. */
const nearDescriptors = 16;
/** Links read between two looks at the clock. */
const linksPerLook = 64;

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
    for (const [pid, last] of [...this.#recent].reverse()) {
      if (this.#isNear(pid, last, link)) return pid;
    }
    const large: number[] = [];
    const turns = new Turns(searchMs);
    for (const pid of this.#candidates(uid, large)) {
      if (await this.#isFound(pid, link, false, turns)) return pid;
      if (turns.areOver) return undefined;
      if (turns.isDue) await turns.next();
    }
    for (const pid of large) {
      if (await this.#isFound(pid, link, true, new Turns(thoroughSearchMs))) return pid;
    }
    return undefined;
  }

  /** True where this process holds the socket too. */
  async holds(pid: number, inode: number): Promise<boolean> {
    const many = hasMany(this.#table(pid));
    return (await this.#search(pid, `socket:[${inode}]`, many, new Turns(thoroughSearchMs))) !== undefined;
  }

  /**
   * Who connected lately, then the newest first, for who connects now has often just started; those of the socket's own user before all
   * others. Those that have very many descriptors are put aside into `large`.
   */
  *#candidates(uid: number, large: number[]): Iterable<number> {
    const recent = [...this.#recent.keys()].reverse();
    const started = names(this.#procRoot)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid && !this.#recent.has(pid))
      .sort((a, b) => b - a);
    const others: number[] = [];
    for (const pid of [...recent, ...started]) {
      const table = this.#table(pid);
      if (table === undefined) this.#recent.delete(pid);
      else if (hasMany(table)) large.push(pid);
      else if (table.uid === uid) yield pid;
      else others.push(pid);
    }
    yield* others;
    // The engine's own connections, of its demo's clients for one.
    if (this.#recent.has(process.pid)) return;
    if (hasMany(this.#table(process.pid))) large.push(process.pid);
    else yield process.pid;
  }

  #table(pid: number): Stats | undefined {
    return statSync(`${this.#procRoot}/${pid}/fd`, { throwIfNoEntry: false });
  }

  async #isFound(pid: number, link: string, many: boolean, turns: Turns): Promise<boolean> {
    const descriptor = await this.#search(pid, link, many, turns);
    if (descriptor === undefined) return false;
    this.#remember(pid, descriptor);
    return true;
  }

  #isNear(pid: number, last: number, link: string): boolean {
    for (let descriptor = last; descriptor <= last + nearDescriptors; descriptor += 1) {
      if (linkOf(`${this.#procRoot}/${pid}/fd/${descriptor}`) !== link) continue;
      this.#remember(pid, descriptor);
      return true;
    }
    return false;
  }

  /** The descriptor by which the process has it. `many`: to list them would hold others up. */
  async #search(pid: number, link: string, many: boolean, turns: Turns): Promise<number | undefined> {
    const directory = `${this.#procRoot}/${pid}/fd`;
    const listed = many ? await readdir(directory).catch(() => []) : names(directory);
    // By number, which names are not listed by: a new connection has one of the highest descriptors, and a process may have thousands.
    const descriptors = Uint32Array.from(listed, Number).sort();
    for (let at = descriptors.length - 1; at >= 0; at -= 1) {
      const descriptor = descriptors[at];
      if (linkOf(`${directory}/${descriptor}`) === link) return descriptor;
      if (at % linksPerLook !== 0 || !turns.isDue) continue;
      if (turns.areOver) return undefined;
      await turns.next();
    }
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

/** Time for a search, taken in short turns. */
class Turns {
  readonly #endsMs: number;
  #turnMs = performance.now();

  constructor(limitMs: number) {
    this.#endsMs = this.#turnMs + limitMs;
  }

  get isDue(): boolean {
    return performance.now() - this.#turnMs >= runMs;
  }

  get areOver(): boolean {
    return performance.now() > this.#endsMs;
  }

  /** Let other work have its turn. */
  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnMs = performance.now();
  }
}

function hasMany(table: Stats | undefined): boolean {
  return table !== undefined && table.size > manyDescriptors;
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

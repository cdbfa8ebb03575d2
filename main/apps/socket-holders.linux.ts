/**
 * Which processes hold a socket: every one of them, by one walk over the descriptors of all processes that serves all who ask meanwhile. A
 * busy host makes the walk longer, never its answer less: what is held is found.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import type { Native } from 'node-tun';
import { SerialQueue } from '../base/serial-queue.ts';

/** Longest run before other work of the engine has its turn, where the walk is on its thread. */
const runMs = 2;
/** Links read between two looks at the clock. */
const linksPerLook = 64;

/** One walk: who holds which of these sockets. */
type Walk = (inodes: ReadonlySet<number>) => Promise<ReadonlyMap<number, readonly number[]>>;

/** A walk that has not begun, and what it is to look for. */
interface Round {
  readonly inodes: Set<number>;
  readonly found: ReturnType<Walk>;
}

export class SocketHolders {
  readonly #walk: Walk;
  /** Asked while a walk is under way: a walk that has begun may have passed their holders before they opened. */
  #waiting: Round | undefined;
  readonly #walks = new SerialQueue();

  /** With the addon the walk is off the JavaScript thread. */
  constructor(procRoot: string, native: Pick<Native, 'socketHolders'> | undefined) {
    this.#walk = native === undefined ? walkHere(procRoot) : walkNatively(native);
  }

  /** Processes that hold the socket, lowest pid first; empty where none that may be looked into does. */
  async find(inode: number): Promise<readonly number[]> {
    const next = this.#waiting ?? this.#plan();
    next.inodes.add(inode);
    return (await next.found).get(inode) ?? [];
  }

  #plan(): Round {
    const inodes = new Set<number>();
    const found = this.#walks.run(() => {
      this.#waiting = undefined;
      return this.#walk(inodes);
    });
    const round = { inodes, found };
    this.#waiting = round;
    return round;
  }
}

function walkNatively(native: Pick<Native, 'socketHolders'>): Walk {
  return async (inodes) => {
    const pairs = await native.socketHolders([...inodes]);
    const found = new Map<number, number[]>();
    for (let at = 0; at + 1 < pairs.length; at += 2) add(found, pairs[at] ?? 0, pairs[at + 1] ?? 0);
    return found;
  };
}

/** Synchronous calls in short runs: `/proc` never waits for a disk, and a promise for each link would cost ten times the link itself. */
function walkHere(procRoot: string): Walk {
  return async (inodes) => {
    const links = new Map([...inodes].map((inode) => [`socket:[${inode}]`, inode]));
    const found = new Map<number, number[]>();
    let runEndsMs = performance.now() + runMs;
    const pids = names(procRoot).filter((name) => /^\d+$/.test(name));
    for (const pid of pids.map(Number).sort((a, b) => a - b)) {
      const directory = `${procRoot}/${pid}/fd`;
      for (const [index, descriptor] of names(directory).entries()) {
        const inode = links.get(linkOf(`${directory}/${descriptor}`) ?? '');
        if (inode !== undefined && found.get(inode)?.includes(pid) !== true) add(found, inode, pid);
        if (index % linksPerLook !== 0 || performance.now() < runEndsMs) continue;
        await new Promise((resolve) => setImmediate(resolve));
        runEndsMs = performance.now() + runMs;
      }
    }
    return found;
  };
}

function add(found: Map<number, number[]>, inode: number, pid: number): void {
  const pids = found.get(inode);
  if (pids === undefined) found.set(inode, [pid]);
  else pids.push(pid);
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

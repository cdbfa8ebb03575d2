/** A process and what it descends from, asked of the system now: for who calls the engine, as for whose flow it is. */
import { readFileSync } from 'node:fs';
import { parseProcesses } from './app-finder.darwin.ts';
import { unknownApp, type App } from './app.ts';
import { ProcessReader, parseStat } from './process-facts.linux.ts';
import { runCommand } from './run-command.ts';

/** A process at one moment; the start tells it from a later one with the same pid. */
export interface Ancestor {
  readonly pid: number;
  /** Opaque; equal only for the same process. */
  readonly start: string;
}

export interface Ancestry {
  readonly app: App;
  /** The process itself, then its parents, nearest first, those too whose program may not be read. */
  readonly chain: readonly Ancestor[];
  /** Seen up to the first of all processes: nothing it descends from is hidden. */
  readonly whole: boolean;
}

export interface AncestryReader {
  /** Undefined where the process is gone. */
  read(pid: number): Promise<Ancestry | undefined>;
}

/** Longer chains exist only where somebody builds them on purpose. */
const maxChain = 64;
const commandTimeoutMs = 2_000;

/** Undefined on a platform whose processes nobody wrote a reader for. */
export function ancestryReader(platform: NodeJS.Platform = process.platform): AncestryReader | undefined {
  if (platform === 'linux') return linuxAncestry('/proc', '/etc/passwd');
  return platform === 'darwin' ? darwinAncestry() : undefined;
}

function linuxAncestry(procRoot: string, passwdPath: string): AncestryReader {
  const processes = new ProcessReader(procRoot, passwdPath);
  const statOf = (pid: number): ReturnType<typeof parseStat> => {
    try {
      return parseStat(readFileSync(`${procRoot}/${pid}/stat`, 'utf8'));
    } catch {
      // Gone, or hidden from us (proc(5), hidepid).
      return undefined;
    }
  };
  return {
    read(pid) {
      const facts = processes.read(pid);
      const first = statOf(pid);
      if (facts === undefined || first === undefined) return Promise.resolve(undefined);
      const chain: Ancestor[] = [{ pid, start: first.startTime }];
      let at = first.parentPid;
      while (at > 0 && chain.length < maxChain) {
        const stat = statOf(at);
        if (stat === undefined) break;
        chain.push({ pid: at, start: stat.startTime });
        at = stat.parentPid;
      }
      return Promise.resolve({ app: { ...facts, attribution: 'exact' }, chain, whole: at === 0 });
    },
  };
}

function darwinAncestry(): AncestryReader {
  return {
    async read(pid) {
      const columns = 'pid=,ppid=,uid=,user=,comm=';
      const { stdout } = await runCommand('/bin/ps', ['-axww', '-o', columns], commandTimeoutMs);
      const rows = parseProcesses(stdout);
      const own = rows.get(pid);
      if (own === undefined) return undefined;
      const chain: Ancestor[] = [{ pid, start: own.path }];
      const parents: { pid: number; path: string }[] = [];
      let at = own.parentPid;
      while (at > 0 && chain.length < maxChain) {
        const row = rows.get(at);
        if (row === undefined) break;
        chain.push({ pid: row.pid, start: row.path });
        parents.push({ pid: row.pid, path: row.path });
        at = row.parentPid;
      }
      const { path, uid, user } = own;
      return { app: { ...unknownApp, attribution: 'exact', pid, path, uid, user, parents }, chain, whole: at === 0 };
    },
  };
}

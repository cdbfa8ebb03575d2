/** What `/proc` says of one process: executable, script, user, control group, container, ancestors. */
import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import type { App, AppParent } from './app.ts';
import { interpreterScript } from './interpreter-script.ts';

/** Longer chains exist only where somebody builds them on purpose. */
const maxParents = 24;
const maxCached = 1024;

export type ProcessFacts = Omit<App, 'attribution' | 'hash' | 'agent' | 'signer'>;

/** What stays true of a process while it runs one program. */
interface OwnFacts {
  /** Start time and executable: a pid used again, or a process that executed another program, is somebody else. */
  readonly key: string;
  readonly facts: Omit<ProcessFacts, 'parents'>;
  /** As its children show it; processes of other users show no path to an engine without privileges. */
  readonly asParent: AppParent | undefined;
}

export class ProcessReader {
  readonly #procRoot: string;
  readonly #users: UserNames;
  readonly #cache = new Map<number, OwnFacts>();

  constructor(procRoot: string, passwdPath: string) {
    this.#procRoot = procRoot;
    this.#users = new UserNames(passwdPath);
  }

  /** Undefined where the process is gone. Parts that may not be read are absent. */
  read(pid: number): ProcessFacts | undefined {
    const own = this.#own(pid);
    return own === undefined ? undefined : { ...own.facts, parents: this.#parents(own.parentPid) };
  }

  #own(pid: number): (OwnFacts & { readonly parentPid: number }) | undefined {
    const stat = parseStat(this.#text(pid, 'stat') ?? '');
    if (stat === undefined) return undefined;
    const path = this.#executable(pid);
    const key = `${stat.startTime} ${path ?? ''}`;
    let cached = this.#cache.get(pid);
    if (cached?.key !== key) {
      const facts = this.#assemble(pid, path);
      const { script } = facts;
      const asParent = path === undefined ? undefined : { pid, path, ...(script === undefined ? {} : { script }) };
      cached = { key, facts, asParent };
      if (this.#cache.size >= maxCached) this.#cache.clear();
      this.#cache.set(pid, cached);
    }
    return { ...cached, parentPid: stat.parentPid };
  }

  #assemble(pid: number, path: string | undefined): OwnFacts['facts'] {
    const script = this.#script(pid, path);
    const uid = statSync(`${this.#procRoot}/${pid}`, { throwIfNoEntry: false })?.uid;
    const user = uid === undefined ? undefined : this.#users.nameOf(uid);
    const cgroup = parseCgroup(this.#text(pid, 'cgroup') ?? '');
    const container = cgroup === undefined ? undefined : containerOf(cgroup);
    return {
      pid,
      ...(path === undefined ? {} : { path }),
      ...(script === undefined ? {} : { script }),
      ...(uid === undefined ? {} : { uid }),
      ...(user === undefined ? {} : { user }),
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(container === undefined ? {} : { container }),
    };
  }

  #parents(nearest: number): readonly AppParent[] {
    const parents: AppParent[] = [];
    for (let pid = nearest; pid > 0 && parents.length < maxParents;) {
      const own = this.#own(pid);
      if (own === undefined) break;
      if (own.asParent !== undefined) parents.push(own.asParent);
      pid = own.parentPid;
    }
    return parents;
  }

  #executable(pid: number): string | undefined {
    try {
      // The mark the kernel sets behind a file that was replaced, by an update say, while it runs.
      return readlinkSync(`${this.#procRoot}/${pid}/exe`).replace(/ \(deleted\)$/, '');
    } catch {
      // Gone, a kernel thread, or not ours to know.
      return undefined;
    }
  }

  #script(pid: number, path: string | undefined): string | undefined {
    if (path === undefined) return undefined;
    const argv = (this.#text(pid, 'cmdline') ?? '').split('\0').slice(0, 64);
    const script = interpreterScript(path, argv);
    if (script === undefined || script.startsWith('module:')) return script;
    try {
      return realpathSync(
        script.startsWith('/') ? script : `${readlinkSync(`${this.#procRoot}/${pid}/cwd`)}/${script}`,
      );
    } catch {
      // It may be gone, or live in another mount namespace; what the process was told is then all there is.
      return script;
    }
  }

  #text(pid: number, file: string): string | undefined {
    try {
      return readFileSync(`${this.#procRoot}/${pid}/${file}`, 'utf8');
    } catch {
      // Gone, or not ours to know.
      return undefined;
    }
  }
}

/** Fields 4 and 22 of `/proc/PID/stat`, proc_pid_stat(5); the name in field 2 may hold anything, so it is skipped from behind. */
export function parseStat(text: string): { readonly parentPid: number; readonly startTime: string } | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const parentPid = Number(fields[1]);
  const startTime = fields[19];
  return startTime === undefined || !Number.isSafeInteger(parentPid) ? undefined : { parentPid, startTime };
}

/** The unified hierarchy's path, else that of the first controller. cgroups(7) */
export function parseCgroup(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line !== '');
  const line = lines.find((candidate) => candidate.startsWith('0::')) ?? lines[0];
  const path = line?.split(':').slice(2).join(':');
  return path === undefined || path === '' ? undefined : path;
}

/** The id container engines (Docker, containerd, CRI-O, Podman) put into the path: 64 hex digits. */
export function containerOf(cgroup: string): string | undefined {
  return /(?:^|[/:-])([0-9a-f]{64})(?=$|[./])/.exec(cgroup)?.[1];
}

/** `/etc/passwd`, read again when it changes. Users of a directory service stand in none and stay numbers. */
class UserNames {
  readonly #path: string;
  #modifiedMs = -1;
  #names = new Map<number, string>();

  constructor(path: string) {
    this.#path = path;
  }

  nameOf(uid: number): string | undefined {
    const modifiedMs = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (modifiedMs !== this.#modifiedMs) {
      this.#modifiedMs = modifiedMs;
      this.#names = this.#read();
    }
    return this.#names.get(uid);
  }

  #read(): Map<number, string> {
    const names = new Map<number, string>();
    try {
      for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
        const [name, , uid] = line.split(':');
        const number = Number(uid);
        if (name !== undefined && uid !== undefined && uid !== '' && !names.has(number)) names.set(number, name);
      }
    } catch {
      // A minimal container has none; users then stay numbers.
    }
    return names;
  }
}

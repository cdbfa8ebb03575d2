/** What `/proc` says of one process: executable, script, user, control group, container. */
import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { defined } from '../base/defined.ts';
import type { App, AppDoubt } from './app.ts';
import { codeVariables, readStart } from './interpreter-script.ts';
import type { Image } from './lineage.ts';

/** What is told of a process beside its program. */
export type ProcessFacts = Pick<App, 'uid' | 'user' | 'cgroup' | 'container'>;

/** What was read of a program: at its start, or whenever it was first looked at. */
export interface ReadImage {
  readonly path: string | undefined;
  readonly arguments: readonly string[];
  readonly directory: string | undefined;
  readonly environment: readonly string[];
}

/** Fields of `/proc/PID/stat`, proc_pid_stat(5). */
export interface ProcessStat {
  readonly parentPid: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
  /** Where the stack began: another one after each execution. Zero where it may not be known. */
  readonly stack: string;
  /** An execution is under way: the new program's memory is there, its arguments are not. */
  readonly executing: boolean;
}

/** Reads one process at a time. */
export class ProcessReader {
  readonly #procRoot: string;
  readonly #cgroupRoot: string;
  readonly #users: UserNames;

  constructor(procRoot: string, passwdPath: string, cgroupRoot = '/sys/fs/cgroup') {
    this.#procRoot = procRoot;
    this.#cgroupRoot = cgroupRoot;
    this.#users = new UserNames(passwdPath);
  }

  /** Undefined where the process is gone, or hidden from us. */
  stat(pid: number): ProcessStat | undefined {
    return parseStat(this.#text(pid, 'stat') ?? '');
  }

  /** Absolute path of the executable; undefined where it is gone, a kernel thread, or not ours to know. */
  executable(pid: number): string | undefined {
    return executablePath(this.#link(pid, 'exe'));
  }

  /** All that tells what a process runs, as one text: two with the same run the same as far as anybody can see. */
  marks(pid: number): string {
    return JSON.stringify([this.#link(pid, 'exe'), this.#text(pid, 'cmdline'), this.#environment(pid)]);
  }

  facts(pid: number): ProcessFacts {
    const uid = this.#uidOf(pid);
    const user = uid === undefined ? undefined : this.#users.nameOf(uid);
    const cgroup = parseCgroup(this.#text(pid, 'cgroup') ?? '');
    const container = cgroup === undefined ? undefined : containerOf(cgroup);
    return {
      ...defined({ uid, user, cgroup, container }),
    };
  }

  /** Every process of the systemd service or scope that this one is in; empty where it is in none. */
  unitMembers(pid: number): readonly number[] {
    const path = parseCgroup(this.#text(pid, 'cgroup') ?? '') ?? '';
    if (!/\.(?:service|scope)$/.test(path)) return [];
    try {
      return readFileSync(`${this.#cgroupRoot}${path}/cgroup.procs`, 'utf8').trim().split('\n').map(Number);
    } catch {
      // Not mounted there, or gone with its last process.
      return [];
    }
  }

  /** Root's own watcher over a container, in a service of the system: nobody else puts a process there, or runs one under all of root's ids. */
  isContainerWatcher(pid: number): boolean {
    const name = this.executable(pid)?.split('/').at(-1) ?? '';
    const path = parseCgroup(this.#text(pid, 'cgroup') ?? '') ?? '';
    const ids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(this.#text(pid, 'status') ?? '')?.slice(1) ?? [''];
    return containerWatchers.test(name) && /^\/system\.slice\/.*\.service$/.test(path) && ids.every((id) => id === '0');
  }

  /** A program as it is now: an interpreter that is not just `young` may have changed its arguments since its start. */
  imageNow(pid: number, young: boolean): Image {
    const raw = this.#text(pid, 'cmdline') ?? '';
    const read: ReadImage = {
      path: this.#link(pid, 'exe'),
      arguments: raw.replace(/\0$/, '').split('\0').slice(0, maxArguments),
      directory: this.#link(pid, 'cwd'),
      environment: this.#environment(pid),
    };
    const image = imageOf(read);
    const started = image.path === undefined ? undefined : readStart(image.path, read.arguments, []);
    if (started === undefined || started.runs === 'itself') return image;
    return { ...image, doubt: image.doubt ?? this.#lateDoubt(pid, raw, image.script, young) };
  }

  /** Arguments that were overwritten (`setproctitle`, `process.title`) name nothing; those that were not may still have been. */
  #lateDoubt(pid: number, raw: string, script: string | undefined, young: boolean): AppDoubt | undefined {
    if (raw.endsWith('\0\0') || !raw.endsWith('\0') || !namesInterpreter(raw)) return 'program';
    if (young) return undefined;
    if (script === undefined) return 'program';
    // Shells keep their script open, and the kernel says which file that is.
    return this.#holdsOpen(pid, script) ? undefined : 'arguments';
  }

  #holdsOpen(pid: number, script: string): boolean {
    return this.#link(pid, `fd/${shellScriptDescriptor}`) === script;
  }

  #environment(pid: number): readonly string[] {
    const entries = (this.#text(pid, 'environ') ?? '').split('\0');
    return entries.filter((entry) => codeVariables.includes(entry.slice(0, entry.indexOf('='))));
  }

  #link(pid: number, name: string): string | undefined {
    try {
      return readlinkSync(`${this.#procRoot}/${pid}/${name}`);
    } catch {
      // Gone, or not ours to know.
      return undefined;
    }
  }

  /** Of a process that allows no core dump the files in `/proc` are root's whoever it runs as (proc(5)); then its own words count. */
  #uidOf(pid: number): number | undefined {
    const uid = statSync(`${this.#procRoot}/${pid}`, { throwIfNoEntry: false })?.uid;
    if (uid !== 0) return uid;
    const effective = /^Uid:\s+\d+\s+(\d+)/m.exec(this.#text(pid, 'status') ?? '')?.[1];
    return effective === undefined ? uid : Number(effective);
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

const maxArguments = 64;
/** What container engines leave behind to hold a container: each lets go of its starter. */
const containerWatchers = /^(?:containerd-shim(?:-[a-z0-9-]+)?|conmon|conmonrs)$/;
/** bash moves its script out of the way of others' descriptors (shell.c, open_shell_script). */
const shellScriptDescriptor = 255;

/** The program that was read, its script by its real path. */
export function imageOf(read: ReadImage): Image {
  const path = executablePath(read.path);
  if (path === undefined) return { path: undefined, script: undefined, doubt: undefined };
  const { script, injected } = readStart(path, read.arguments.slice(0, maxArguments), read.environment);
  return {
    path,
    script: script === undefined ? undefined : realScript(script, read.directory),
    doubt: injected === undefined ? undefined : 'injected',
  };
}

/** A program's first argument is its own name, by custom of all that start programs; a login shell's has a dash before it. */
function namesInterpreter(raw: string): boolean {
  const [name = ''] = raw.split('\0');
  return readStart(name.replace(/^-/, ''), [], []).runs !== 'itself';
}

/** Without the mark the kernel sets behind a file that was replaced, by an update say, while it runs. */
function executablePath(link: string | undefined): string | undefined {
  return link?.replace(/ \(deleted\)$/, '');
}

function realScript(script: string, directory: string | undefined): string {
  if (script.startsWith('module:')) return script;
  try {
    return realpathSync(script.startsWith('/') ? script : `${directory ?? ''}/${script}`);
  } catch {
    // It may be gone, or live in another mount namespace; what the process was told is then all there is.
    return script;
  }
}

/** The name in field 2 may hold anything, so it is skipped from behind; the fields counted here start with field 3. */
export function parseStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [, parentPid, group, session] = fields.map(Number);
  const startTime = fields[19];
  const [code, , stack] = fields.slice(23);
  if (startTime === undefined || stack === undefined) return undefined;
  if (parentPid === undefined || group === undefined || session === undefined) return undefined;
  // Where its code starts is set last; it reads 1 where it may not be known, and the kernel lets no program set it to nothing.
  const executing = code === '0' && !/^[ZX]/.test(fields[0] ?? '');
  return Number.isSafeInteger(parentPid) ? { parentPid, group, session, startTime, stack, executing } : undefined;
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

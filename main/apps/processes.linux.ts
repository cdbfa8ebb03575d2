/**
 * Every process of the host with what it descends from, from the moment the engine looks.
 *
 * Where the kernel tells of forks and executions (process connector), nothing is missed, and a program's arguments and environment are read
 * before it could change them. Elsewhere `/proc` is looked through again and again: a chain that ended before anybody looked is then not whole.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { NativeProcessEvent, NativeProcessWatch } from 'node-tun';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Log } from '../base/log.ts';
import type { AgentRuns } from './agent-runs.ts';
import type { Ancestry, App, AppParent } from './app.ts';
import { keptText, readKept, writeKept, type KeptProcess } from './kept-lineage.ts';
import { Lineage, origins, type ProgramRun } from './lineage.ts';
import { imageOf, ProcessReader, type ProcessStat } from './process-facts.linux.ts';

/** How often what happened is taken in while nobody asks. */
const takeMs = 200;
/** How often what nobody could learn again is written down. */
const keepMs = 5_000;
/** Longer chains of living parents are nobody's honest work. */
const maxLivingChain = 64;
/** Two seconds: some looks, on a host that has much to do. */
const youngTicks = 200n;
/** The first of all processes, and the one that adopts orphans where no other says it does. */
const firstPid = 1;

/** Where `/proc` is, and what tells of processes as they begin. */
export interface ProcessesDeps {
  readonly procRoot: string;
  readonly passwdPath: string;
  /** Default `/sys/fs/cgroup`. */
  readonly cgroupRoot?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Opens the kernel's own account; throws where it gives none. Absent: `/proc` is looked through. */
  readonly watch?: (() => NativeProcessWatch) | undefined;
  /** Programs that were started as an agent. */
  readonly runs?: Pick<AgentRuns, 'of'> | undefined;
  /** Where what is learnt is kept for whoever looks next; `keeps` false: it is read alone. */
  readonly keptFile?: string | undefined;
  readonly keeps?: boolean;
  /** The engine: neither it nor what it descends from makes anybody an agent. Default: this process. */
  readonly enginePid?: number;
}

/** The processes known now; disposing stops the watch. */
export class Processes implements Disposable {
  readonly #procRoot: string;
  readonly #reader: ProcessReader;
  readonly #lineage = new Lineage();
  readonly #watch: NativeProcessWatch | undefined;
  readonly #timer: Disposable;
  /** Processes that started later than this were there to be seen. Clock ticks since boot. */
  readonly #since: bigint;
  /** Where the stack began when a program was looked at, for those whose executions nobody tells. */
  readonly #stacks = new Map<number, string>();
  /** Copies of their parent that have executed nothing yet, by what they showed then. */
  readonly #copies = new Map<number, string>();
  readonly #engineChain: ReadonlySet<string>;
  readonly #runs: ProcessesDeps['runs'];
  readonly #log: Log;
  readonly #keptFile: string | undefined;
  readonly #keeping: Disposable | undefined;
  readonly #kept: Map<number, KeptProcess>;
  #keptText = '';

  constructor(deps: ProcessesDeps) {
    this.#procRoot = deps.procRoot;
    this.#runs = deps.runs;
    this.#reader = new ProcessReader(deps.procRoot, deps.passwdPath, deps.cgroupRoot);
    this.#log = deps.log;
    this.#keptFile = deps.keptFile;
    const kept = deps.keptFile === undefined ? [] : readKept(deps.keptFile, deps.procRoot);
    this.#kept = new Map(kept.map((one) => [one.pid, one]));
    // Before the first look, so that nothing falls between.
    this.#watch = openWatch(deps);
    this.#since = ticksNow(deps.procRoot);
    this.#look(false);
    this.#engineChain = this.#chainOf(deps.enginePid ?? process.pid);
    this.#timer = deps.clock.every(takeMs, () => this.#catchUp());
    const keeps = deps.keptFile !== undefined && deps.keeps !== false;
    this.#keeping = keeps ? deps.clock.every(keepMs, () => this.#keep()) : undefined;
  }

  /** True where the kernel tells of every process. */
  get isTold(): boolean {
    return this.#watch !== undefined;
  }

  /** The program of this process, user and control group, and what it descends from. Undefined where it is gone. */
  read(pid: number): App | undefined {
    if (this.#watch !== undefined) this.#catchUp();
    const run = this.#current(pid, 0);
    if (run === undefined) return undefined;
    const { path, script } = run;
    const shared = this.#isShared(run);
    const doubt = shared ? undefined : (run.doubt ?? this.#doubtOf(run));
    const proven = this.#runs?.of(pid)?.agent;
    return {
      attribution: 'exact',
      pid,
      ...defined({ path, script }),
      ...this.#reader.facts(pid),
      ...defined({ doubt }),
      ...(shared ? { shared } : {}),
      ...defined({ proven }),
      parents: this.#parents(run),
    };
  }

  /** The same for who calls the engine: whose ancestors count is the caller's to say, so that none is marked as shared. */
  ancestry(pid: number): Ancestry | undefined {
    const found = this.read(pid);
    const run = this.#lineage.get(pid);
    if (found === undefined || run === undefined) return undefined;
    const { shared: _, ...app } = found;
    const chain = [run, ...origins(run)].map((one) => ({ pid: one.pid, start: one.start ?? '' }));
    return { app: { ...app, parents: app.parents.map(({ shared: _shared, ...one }) => one) }, chain, whole: run.whole };
  }

  /** The executable it runs now, for who is about to read that file. */
  executable(pid: number): string | undefined {
    return this.#reader.executable(pid);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    if (this.#keeping !== undefined) this.#keep();
    this.#keeping?.[Symbol.dispose]();
    this.#watch?.close();
  }

  /** Whose chain the living parents do not show: orphans, and what ran something else before. */
  #keep(): void {
    if (this.#keptFile === undefined) return;
    const runs = [...this.#lineage.runs()].filter(
      (run) => run.origin !== undefined && run.origin.pid !== this.#reader.stat(run.pid)?.parentPid,
    );
    const text = keptText(this.#procRoot, runs);
    if (text === this.#keptText) return;
    try {
      writeKept(this.#keptFile, text);
      this.#keptText = text;
    } catch (error) {
      this.#log.warn('apps.lineage_not_kept', { error: String(error) });
    }
  }

  #parents(run: ProgramRun): readonly AppParent[] {
    const parents: AppParent[] = [];
    for (const one of origins(run)) {
      if (one.path === undefined) continue;
      const shared = this.#isShared(one);
      const doubt = shared ? undefined : one.doubt;
      parents.push({
        pid: one.pid,
        path: one.path,
        ...defined({ script: one.script, doubt }),
        ...(shared ? { shared } : {}),
      });
    }
    return parents;
  }

  /** A chain that meets the engine's own is known from there on as far as it matters. */
  #doubtOf(run: ProgramRun): 'lineage' | undefined {
    if (run.whole) return undefined;
    for (const one of origins(run)) if (this.#isShared(one)) return undefined;
    return 'lineage';
  }

  #isShared(run: ProgramRun): boolean {
    return this.#engineChain.has(keyOf(run));
  }

  #chainOf(pid: number): ReadonlySet<string> {
    const run = this.#current(pid, 0);
    return new Set(run === undefined ? [] : [run, ...origins(run)].map(keyOf));
  }

  #catchUp(): void {
    if (this.#watch === undefined) return this.#look(true);
    for (const event of this.#watch.take()) this.#apply(event);
    this.#lineage.sweep((pid) => this.#reader.stat(pid) === undefined);
  }

  #apply(event: NativeProcessEvent): void {
    const { kind, pid, parent, start } = event;
    if (kind === 'exit') this.#lineage.exited(pid);
    else if (kind === 'lost') this.#look(true);
    else if (kind === 'fork' && parent !== undefined) {
      this.#lineage.forked(pid, start, this.#lineage.get(parent) ?? this.#current(parent, 0));
    } else if (kind === 'exec') {
      const before = this.#lineage.get(pid) ?? this.#current(pid, 0);
      if (before === undefined) return;
      const image = imageOf({
        path: event.path,
        arguments: event.arguments ?? [],
        directory: event.directory,
        environment: event.environment ?? [],
      });
      // What was over before it could be read stays what it was: unread, and nobody's agent for it.
      this.#lineage.executed(before, image);
    }
  }

  /** See every process that is there now; those known already too, where something may have been missed. */
  #look(mayHaveMissed: boolean): void {
    const there = new Set(
      names(this.#procRoot)
        .filter((name) => /^\d+$/.test(name))
        .map(Number),
    );
    for (const pid of there) this.#current(pid, 0, mayHaveMissed);
    for (const pid of this.#lineage.pids()) if (!there.has(pid)) this.#lineage.exited(pid);
    this.#lineage.sweep((pid) => !there.has(pid));
  }

  /** The process as it is known, looked at where it is not, or where it is another by now. */
  #current(pid: number, depth: number, mayHaveMissed = this.#watch === undefined): ProgramRun | undefined {
    const stat = this.#reader.stat(pid);
    if (stat === undefined) return undefined;
    const known = this.#lineage.get(pid);
    const isSame = known !== undefined && (known.start === undefined || known.start === stat.startTime);
    if (!isSame) return this.#see(pid, stat, depth);
    if (!mayHaveMissed || stat.executing) return known;
    const path = this.#reader.executable(pid);
    const stack = this.#stacks.get(pid);
    const copied = this.#copies.get(pid);
    const isOther = (path !== undefined && path !== known.path) || (stack !== undefined && stack !== stat.stack);
    const isChanged = copied !== undefined && copied !== this.#reader.marks(pid);
    if (!isOther && !isChanged) return known;
    this.#stacks.set(pid, stat.stack);
    this.#copies.delete(pid);
    return this.#lineage.executed(known, this.#reader.imageNow(pid, isOther || this.#isYoung(stat)));
  }

  #see(pid: number, stat: ProcessStat, depth: number): ProgramRun | undefined {
    if (depth > maxLivingChain) return undefined;
    this.#stacks.set(pid, stat.stack);
    const kept = this.#kept.get(pid);
    if (kept !== undefined && kept.start === stat.startTime) return this.#restore(kept);
    const seenAs = (origin: ProgramRun | undefined, whole: boolean): ProgramRun =>
      this.#lineage.seen(pid, stat.startTime, this.#reader.imageNow(pid, this.#isYoung(stat)), origin, whole);
    if (stat.parentPid === 0) return seenAs(undefined, true);
    const isAdopted = this.#mayAdopt(stat.parentPid);
    const parentPid = isAdopted ? this.#leaderOf(pid, stat, depth) : stat.parentPid;
    const parent = this.#current(parentPid, depth + 1);
    const isKnown = !isAdopted || parentPid !== stat.parentPid || this.#isOwnChild(pid, stat);
    // Whoever has it now tells nothing of what started it.
    if (!isKnown) {
      const service = this.#serviceOf(pid, depth);
      return seenAs(service, service?.whole === true);
    }
    if (!isAdopted && parent !== undefined && this.#isCopy(pid, stat))
      return this.#lineage.forked(pid, stat.startTime, parent);
    return seenAs(parent, parent?.whole === true);
  }

  /** As it was learnt of; where it runs something else by now, that came after. */
  #restore(kept: KeptProcess): ProgramRun {
    const image = ({ path, script, doubt }: Pick<KeptProcess, 'path' | 'script' | 'doubt'>) => ({
      path,
      script,
      doubt,
    });
    const above = kept.origins.map((one) => ({ pid: one.pid, start: one.start, ...image(one) }));
    const run = this.#lineage.restored({ pid: kept.pid, start: kept.start, whole: kept.whole, ...image(kept) }, above);
    const path = this.#reader.executable(kept.pid);
    if (path === undefined || path === run.path) return run;
    return this.#lineage.executed(run, this.#reader.imageNow(kept.pid, false));
  }

  /**
   * It has its parent's memory still, or is just getting its own: what it will run is read when it runs it. Where a stack begins a program may
   * choose for itself, so that a copy has to be one by all that can be seen, and stay so.
   */
  #isCopy(pid: number, stat: ProcessStat): boolean {
    if (stat.executing) return this.#reader.executable(pid) !== undefined;
    const { parentPid, stack } = stat;
    if (!this.#isYoung(stat) || stack === '0' || stack !== this.#reader.stat(parentPid)?.stack) return false;
    const marks = this.#reader.marks(pid);
    if (marks !== this.#reader.marks(parentPid)) return false;
    this.#copies.set(pid, marks);
    return true;
  }

  /** Where nobody tells of executions, a program that has just started is taken for what its arguments say. */
  #isYoung(stat: ProcessStat): boolean {
    return this.#watch === undefined && ticksNow(this.#procRoot) - BigInt(stat.startTime) <= youngTicks;
  }

  /** The first process takes orphans in, and so does a user's service manager. */
  #mayAdopt(pid: number): boolean {
    return pid === firstPid || this.#reader.executable(pid)?.endsWith('/systemd') === true;
  }

  /** An orphan still has the group or session it was born into, unless it made its own: whoever leads that stands above or beside it. */
  #leaderOf(pid: number, stat: ProcessStat, depth: number): number {
    for (const leader of [stat.group, stat.session]) {
      if (leader <= firstPid || leader === pid) continue;
      const known = this.#lineage.get(leader) ?? this.#current(leader, depth + 1);
      if (known !== undefined && ![...origins(known)].some((one) => one.pid === pid)) return leader;
    }
    return stat.parentPid;
  }

  /** What watches over a container descends from its service's first process, whoever in it let it go: so all in the container do. */
  #serviceOf(pid: number, depth: number): ProgramRun | undefined {
    if (!this.#reader.isContainerWatcher(pid)) return undefined;
    const started = (member: number): bigint => BigInt(this.#reader.stat(member)?.startTime ?? 0);
    const [first] = this.#reader
      .unitMembers(pid)
      .filter((member) => member !== pid && this.#reader.stat(member) !== undefined)
      .sort((a, b) => (started(a) < started(b) ? -1 : 1));
    return first === undefined ? undefined : this.#current(first, depth + 1);
  }

  /**
   * What was there before anybody looked is taken for a child of whoever has it now. What came later unseen is so only as the oldest process
   * of a service or scope of its own, as a service manager makes them.
   */
  #isOwnChild(pid: number, stat: ProcessStat): boolean {
    if (BigInt(stat.startTime) <= this.#since) return true;
    const unit = this.#reader.unitMembers(pid);
    const starts = unit.map((member) => BigInt(this.#reader.stat(member)?.startTime ?? stat.startTime));
    return unit.length > 0 && starts.every((start) => start >= BigInt(stat.startTime));
  }
}

function openWatch({ watch, log }: ProcessesDeps): NativeProcessWatch | undefined {
  try {
    return watch?.();
  } catch (error) {
    // Older kernels tell root alone, and containers nobody.
    log.info('apps.processes_not_told', { error: String(error) });
    return undefined;
  }
}

function keyOf({ pid, start }: ProgramRun): string {
  return `${pid} ${start ?? ''}`;
}

/** `/proc/uptime` counts as start times do, in hundredths of a second. */
function ticksNow(procRoot: string): bigint {
  const seconds = Number(readFileSync(`${procRoot}/uptime`, 'utf8').split(' ')[0]);
  return BigInt(Math.floor(seconds * 100));
}

/** Empty where it cannot be listed. */
function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

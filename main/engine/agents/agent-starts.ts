/** Starts of agents (`culvert agent run`): prepared, entered, remembered over a restart of the engine, and forgotten when they end. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { AgentRuns, type AgentRun } from '../../apps/agent-runs.ts';
import type { App, AppFinder } from '../../apps/app.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { FlowRequest } from '../../base/flow.ts';
import { compileGlob } from '../../base/glob.ts';
import { disposable } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { AgentConfig } from '../runtime/config.ts';
import { openRunGate, type InnerEnds, type RunGate } from './run-gate.ts';

/** A start that is not entered by then never will be. */
const prepareMs = 60_000;
/** How often is looked for runs that have ended. */
const sweepMs = 5_000;

interface Start {
  readonly id: string;
  readonly agent: string;
  readonly net: AgentRun['net'];
  readonly uid: number | undefined;
  /** Bytes a second each way through its gate. */
  readonly bandwidth: number | undefined;
  readonly gate: RunGate | undefined;
  run?: AgentRun;
}

/** Where starts are remembered, and what a start opens. */
export interface AgentStartsDeps {
  readonly stateDirectory: string;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: () => Readonly<Record<string, AgentConfig>>;
  /** `host:port` of a proxy of this engine, opened where there is none yet. */
  readonly proxy: () => Promise<string>;
  /** The same of its endpoint for models. */
  readonly models: () => Promise<string>;
}

const kept = v.object({
  boot: v.string(),
  runs: v.array(
    v.object({
      id: v.string(),
      agent: v.string(),
      net: v.picklist(['host', 'only']),
      pid: v.number(),
      start: v.string(),
      namespace: v.string(),
      uid: v.optional(v.number()),
      bandwidth: v.optional(v.number()),
    }),
  ),
});

/** The runs of agents that were started with proof. Disposing keeps them for the next engine. */
export class AgentStarts implements AsyncDisposable {
  readonly runs = new AgentRuns();
  readonly #deps: AgentStartsDeps;
  readonly #starts = new Map<string, Start>();
  /** By both outer ends of a connection through a gate. */
  readonly #through = new Map<string, { readonly start: Start; readonly inner: InnerEnds }>();
  readonly #sweep: Disposable;

  constructor(deps: AgentStartsDeps) {
    this.#deps = deps;
    this.#sweep = deps.clock.every(sweepMs, () => void this.#forgetEnded());
  }

  /** Take up the runs of an engine that served this directory before, and that live on. */
  async resume(): Promise<void> {
    for (const { uid, bandwidth, ...run } of this.#remembered()) {
      this.runs.add(run);
      if (!this.runs.living().some(({ id }) => id === run.id)) continue;
      const start: Start = { ...run, uid, bandwidth, gate: undefined, run };
      this.#starts.set(run.id, run.net === 'only' ? { ...start, gate: await this.#openGate(start) } : start);
    }
    this.#clear();
  }

  /**
   * `bandwidth`: bytes a second each way, no more than the settings let the agent have. Throws `agent.unknown` where no setting names the agent,
   * `sandbox.unavailable` where its bandwidth is limited and it would not go through a gate.
   */
  async begin(
    agent: string,
    { net, uid, bandwidth: asked }: Pick<AgentRun, 'net'> & Pick<Start, 'uid' | 'bandwidth'>,
  ): Promise<{ id: string; gate?: string }> {
    if (this.#deps.agents()[agent] === undefined) {
      throw new TunnelerError('agent.unknown', `no agent is called ${agent}`, {
        details: { agent, next: `culvert agent bind ${agent} --identity NAME, or culvert agent list` },
      });
    }
    const set = this.#deps.agents()[agent]?.limits?.bandwidth;
    const bandwidth = asked === undefined || set === undefined ? (asked ?? set) : Math.min(asked, set);
    if (bandwidth !== undefined && net !== 'only') {
      throw new TunnelerError('sandbox.unavailable', 'bandwidth is limited only where Culvert is the one way out', {
        details: { missing: ['--net only'], next: 'start it with --net only, or without a limit of bandwidth' },
      });
    }
    const id = randomBytes(9).toString('base64url');
    const bare: Start = { id, agent, net, uid, bandwidth, gate: undefined };
    const start = net === 'only' ? { ...bare, gate: await this.#openGate(bare) } : bare;
    this.#starts.set(id, start);
    this.#deps.clock.after(prepareMs, () => {
      if (start.run === undefined) void this.#forget(start);
    });
    return { id, ...defined({ gate: start.gate?.path }) };
  }

  /** `pid` is the first process of the start's own namespace. Throws `agent.unknown`, `agent.not_apart`. */
  async enter(id: string, pid: number, callerPid: number): Promise<AgentRun> {
    const start = this.#starts.get(id);
    if (start === undefined || start.run !== undefined) {
      throw new TunnelerError('agent.unknown', 'there is no such start of an agent, or it is at work already');
    }
    const found = this.runs.inspect(pid, callerPid);
    if (found === undefined) {
      throw new TunnelerError('agent.not_apart', `process ${pid} has no process namespace of its own`, {
        details: { pid },
      });
    }
    const run: AgentRun = { id, agent: start.agent, net: start.net, ...found };
    start.run = run;
    this.runs.add(run);
    await this.#remember();
    return run;
  }

  /** What a flow's owner is found by: its own ends, or those inside the run whose gate it came through. */
  async owner(flow: Parameters<AppFinder['find']>[0], finder: Pick<AppFinder, 'find'>): Promise<App> {
    const via = flow.via;
    const through = via === undefined ? undefined : this.#through.get(keyOf({ source: flow.source, via }));
    if (through === undefined) return finder.find(flow);
    const { start, inner } = through;
    const within = start.run?.pid;
    const app = await finder.find({ ...flow, ...inner, ...defined({ within }) });
    const { agent, uid } = start;
    if (app.proven === agent) return app;
    return { attribution: 'exact', proven: agent, parents: [], ...defined({ uid }) };
  }

  /**
   * The same for places of the engine's own, which ask while a socket is new: a gate tells of its connection once that stands, which is in the same
   * turn, before or after it is accepted here.
   */
  finding(finder: Pick<AppFinder, 'find'>): Pick<AppFinder, 'find'> {
    return {
      find: async (flow) => {
        const early = finder.find(flow);
        await new Promise((resolve) => void setImmediate(resolve));
        return this.owner(flow, { find: (asked) => (asked === flow ? early : finder.find(asked)) });
      },
    };
  }

  /** A run in the network of this host goes where that goes; one without goes where its agent's rule lists. */
  mayLeave(app: App, { destination }: FlowRequest): boolean {
    const run = app.proven === undefined || app.pid === undefined ? undefined : this.runs.of(app.pid);
    if (app.proven === undefined) return false;
    if (run?.net === 'host') return true;
    const host = destination.hostname?.toLowerCase() ?? destination.address ?? '';
    const listed = this.#deps.agents()[app.proven]?.internet ?? [];
    return [listed].flat().some((pattern) => {
      const [name = '', port] = pattern.toLowerCase().split(/:(\d+)$/);
      return compileGlob(name, 'name').matches(host) && (port === undefined || Number(port) === destination.port);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweep[Symbol.dispose]();
    for (const { gate, run } of this.#starts.values()) {
      await (run === undefined ? gate?.remove() : gate?.[Symbol.asyncDispose]());
    }
    this.#starts.clear();
  }

  async #openGate(start: Start): Promise<RunGate> {
    return openRunGate({
      directory: join(this.#gates, start.id),
      uid: start.uid,
      proxy: await this.#deps.proxy(),
      models: this.#deps.models,
      log: this.#deps.log,
      clock: this.#deps.clock,
      bandwidth: start.bandwidth,
      opened: (outer, inner) => {
        const key = keyOf(outer);
        this.#through.set(key, { start: this.#starts.get(start.id) ?? start, inner });
        return disposable(() => void this.#through.delete(key));
      },
    });
  }

  async #forgetEnded(): Promise<void> {
    const living = new Set(this.runs.living().map(({ id }) => id));
    for (const start of this.#starts.values()) {
      if (start.run !== undefined && !living.has(start.id)) await this.#forget(start);
    }
  }

  async #forget(start: Start): Promise<void> {
    this.#starts.delete(start.id);
    await start.gate?.remove();
    await this.#remember();
  }

  /** Remove what runs left that ended while no engine was there. */
  #clear(): void {
    if (!existsSync(this.#gates)) return;
    for (const id of readdirSync(this.#gates)) {
      if (!this.#starts.has(id)) rmSync(join(this.#gates, id), { recursive: true, force: true });
    }
  }

  /** A directory a run that has a gate. */
  get #gates(): string {
    return join(dirname(this.#deps.socketPath), 'runs');
  }

  get #file(): string {
    return join(this.#deps.stateDirectory, 'runs.json');
  }

  async #remember(): Promise<void> {
    const runs = [...this.#starts.values()].flatMap(({ run, uid, bandwidth }) =>
      run === undefined ? [] : [{ ...run, ...defined({ uid, bandwidth }) }],
    );
    try {
      await writeAtomically(this.#file, JSON.stringify({ boot: bootId(), runs }));
    } catch (error) {
      this.#deps.log.warn('agents.runs_not_kept', { error: String(error) });
    }
  }

  #remembered(): v.InferOutput<typeof kept>['runs'] {
    try {
      const found = v.parse(kept, JSON.parse(readFileSync(this.#file, 'utf8')));
      return found.boot === bootId() ? found.runs : [];
    } catch {
      // None yet, or another version's: what was started then is known by its lineage alone.
      return [];
    }
  }
}

function keyOf({ source, via }: InnerEnds): string {
  return `${source.address} ${source.port} ${via.address} ${via.port}`;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // No Linux, and no runs.
    return '';
  }
}

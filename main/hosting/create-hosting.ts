/** The bind side of every identity: what is to be hosted, kept bound; each change of state told. */
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import type { Log } from '../base/log.ts';
import { KeyedSerialQueue } from '../base/serial-queue.ts';
import { Askers } from '../sockets/ask-everybody.ts';
import { ActiveData } from './ftp/active-data.ts';
import { HostedServiceRun, fingerprintOf } from './hosted-service.ts';
import type { AdmitHosted, HostedService, HostedState, Hosting } from './hosting.ts';
import { systemDns } from './resolver.ts';
import type { HostDns } from './resolver.ts';
import { SerialLines } from './serial/serial-lines.ts';

/** Who decides on dials, and how names are looked up. */
export interface HostingDeps {
  /** Asked for every dial; joins both ends into a session. */
  readonly admit: AdmitHosted;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the system's. */
  readonly dns?: HostDns;
}

/** Nothing is hosted until `replace`. Disposing unbinds everything; sessions live on, they are the engine's. */
export function createHosting(deps: HostingDeps): Hosting {
  return new HostingOfAll(deps);
}

class HostingOfAll implements Hosting {
  readonly #deps: Required<HostingDeps> & {
    readonly serial: SerialLines;
    readonly askers: Askers;
    readonly ftp: ActiveData;
  };
  /** By identity, then by service id. */
  readonly #runs = new Map<string, Map<string, HostedServiceRun>>();
  /** Changes of one identity happen one after another. */
  readonly #changes = new KeyedSerialQueue<string>();
  readonly #states = new Emitter<HostedState>();

  constructor(deps: HostingDeps) {
    this.#deps = {
      dns: systemDns(),
      serial: new SerialLines(deps.clock),
      askers: new Askers(deps.clock),
      ftp: new ActiveData(deps.clock),
      ...deps,
    };
  }

  replace(identity: string, services: readonly HostedService[]): Promise<void> {
    return this.#changes.run(identity, () => this.#replace(identity, services));
  }

  remove(identity: string): Promise<void> {
    return this.replace(identity, []);
  }

  rename(identity: string, to: string): Promise<void> {
    const move = (): void => {
      const runs = this.#runs.get(identity);
      this.#runs.delete(identity);
      if (runs === undefined) return;
      this.#runs.set(to, runs);
      for (const run of runs.values()) run.rename(to);
    };
    // Behind what is under way for the old name, and before what comes for the new one.
    return this.#changes.run(to, () => this.#changes.run(identity, move));
  }

  states(): readonly HostedState[] {
    return [...this.#runs.values()].flatMap((runs) => [...runs.values()].map((run) => run.state()));
  }

  targetHosts(): readonly string[] {
    const all = [...this.#runs.values()].flatMap((runs) => [...runs.values()].flatMap((run) => run.targetHosts()));
    return [...new Set(all)];
  }

  subscribe(listener: (state: HostedState) => void): Disposable {
    return this.#states.subscribe(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#runs.keys()].map((identity) => this.remove(identity)));
  }

  async #replace(identity: string, services: readonly HostedService[]): Promise<void> {
    const before = this.#runs.get(identity) ?? new Map<string, HostedServiceRun>();
    const after = new Map<string, HostedServiceRun>();
    const started: HostedService[] = [];
    for (const service of services) {
      const run = before.get(service.serviceId);
      if (run?.fingerprint === fingerprintOf(service)) {
        run.refresh(service);
        after.set(service.serviceId, run);
        before.delete(service.serviceId);
      } else {
        started.push(service);
      }
    }
    if (services.length === 0) this.#runs.delete(identity);
    else this.#runs.set(identity, after);
    // What changed is unbound before it is bound anew, or the router would keep both.
    await Promise.all([...before.values()].map((run) => this.#close(run)));
    for (const service of started) this.#start(after, service);
  }

  #start(runs: Map<string, HostedServiceRun>, service: HostedService): void {
    const log = this.#deps.log.child({ identity: service.identity, service: service.serviceName });
    const changed = (): void => this.#states.emit(run.state());
    const run = new HostedServiceRun(service, { ...this.#deps, log, changed });
    runs.set(service.serviceId, run);
    this.#states.emit(run.state());
  }

  async #close(run: HostedServiceRun): Promise<void> {
    try {
      await run[Symbol.asyncDispose]();
    } catch (error) {
      this.#deps.log.warn('hosting.unbind_failed', { error: String(error) });
    }
  }
}

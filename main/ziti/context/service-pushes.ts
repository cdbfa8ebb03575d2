/**
 * Keeps one router's stream of service updates while there is a router that offers one: everything an identity sees is then known at once,
 * and nobody has to be asked. Routers' streams are never mixed: each has indexes of its own.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { EdgeRouter, ServiceUpdate } from '../edge/edge-router.ts';
import type { ZitiService } from '../model.ts';
import { ServiceStream, type Applied } from './service-stream.ts';

/** A router that was told this host's posture has judged it by then. */
const settleMs = 1000;
/** Everything asked for anew is waited for so long; it is a round trip to the router. */
const wholeWithinMs = 1000;

/** Which routers there are, and who takes over what they push. */
export interface ServicePushesDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Connected routers, nearest first. */
  routers(): readonly EdgeRouter[];
  /** These are the services now. */
  pushed(services: readonly ZitiService[]): void;
  /** No stream lives any more. */
  ended(): void;
}

interface Active {
  readonly router: EdgeRouter;
  readonly stream: ServiceStream;
  readonly settling: Disposable;
}

/** Follows the stream of one router at a time; another's is begun when that one is gone, and everything is asked for again after a gap. */
export class ServicePushes implements Disposable {
  readonly #deps: ServicePushesDeps;
  readonly #waiting = new Set<() => void>();
  #active: Active | undefined;

  constructor(deps: ServicePushesDeps) {
    this.#deps = deps;
  }

  /** What is known comes from a stream. */
  get live(): boolean {
    return this.#active?.stream.isWhole === true;
  }

  /** Routers came or went: keep a stream where one can be had. */
  look(): void {
    const routers = this.#deps.routers();
    if (this.#active !== undefined && routers.includes(this.#active.router)) return;
    const wasLive = this.live;
    this.#end();
    const next = routers.find((router) => router.capabilities.serviceUpdates);
    if (next !== undefined) this.#begin(next);
    if (wasLive) this.#deps.ended();
  }

  /** A router has refused something for posture: whatever it said of checks so far is its judgement. */
  settle(): void {
    if (this.#active !== undefined) this.#take(this.#active, this.#active.stream.settle());
  }

  /** The session is another: what was pushed for the last one counts no more. */
  drop(): void {
    this.#end();
  }

  /** Have everything told anew. Resolves when it came, or when it does not come. */
  renew(): Promise<void> {
    const { clock } = this.#deps;
    const active = this.#active;
    if (active === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer[Symbol.dispose]();
        this.#waiting.delete(done);
        resolve();
      };
      const timer = clock.after(wholeWithinMs, done);
      this.#waiting.add(done);
      this.#subscribe(active);
    });
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #begin(router: EdgeRouter): void {
    const stream = new ServiceStream();
    const settling = this.#deps.clock.after(settleMs, () => this.#take(active, stream.settle()));
    const active: Active = { router, stream, settling };
    this.#active = active;
    this.#subscribe(active);
  }

  #subscribe(active: Active): void {
    active.router.subscribe((update) => {
      if (this.#active === active) this.#update(active, update);
    });
  }

  #update(active: Active, update: ServiceUpdate): void {
    const { stream, router } = active;
    const applied = update.kind === 'services' ? stream.applyServices(update.set) : stream.applyPosture(update.change);
    if (applied === 'gap') {
      this.#deps.log.info('ziti.push_gap', { router: router.name, kind: update.kind });
      if (update.kind === 'services') this.#subscribe(active);
      else router.resyncPosture();
    }
    this.#take(active, applied);
    if (update.kind === 'services' && update.set.previousIndex === -1) this.#tellWhole();
  }

  #take(active: Active, applied: Applied): void {
    if (this.#active !== active || applied === 'unchanged' || !active.stream.isWhole) return;
    this.#deps.pushed(active.stream.services());
  }

  #end(): void {
    this.#active?.settling[Symbol.dispose]();
    this.#active = undefined;
    this.#tellWhole();
  }

  #tellWhole(): void {
    for (const done of [...this.#waiting]) done();
  }
}

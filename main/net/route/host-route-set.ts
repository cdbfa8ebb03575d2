/** The prefixes routed into our interface, and the addresses kept past it, as one set that is replaced as a whole. */
import type { Clock } from '../../base/clock.ts';
import { parseCidr } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { HostRoutes } from './route.ts';

const watchPeriodMs = 2_000;

interface Pin {
  readonly device: string;
  readonly journalId: number;
}

export class HostRouteSet implements AsyncDisposable {
  readonly #device: string;
  readonly #routes: HostRoutes;
  readonly #journal: HostJournal;
  readonly #log: Log;
  /** Prefix → journal id. */
  readonly #routed = new Map<string, number>();
  readonly #pins = new Map<string, Pin>();
  #collisions: readonly string[] = [];
  #wanted: { readonly prefixes: readonly string[]; readonly bypass: readonly string[] } = {
    prefixes: [],
    bypass: [],
  };
  readonly #changes = new SerialQueue();
  readonly #watch: Disposable;
  /** What the pins depend on, with the pins themselves, as it was when they were set. */
  #signature = '';

  constructor(device: string, routes: HostRoutes, journal: HostJournal, clock: Clock, log: Log) {
    this.#device = device;
    this.#routes = routes;
    this.#journal = journal;
    this.#log = log;
    this.#watch = clock.every(watchPeriodMs, () => void this.#look());
  }

  /** Idempotent. Never rejects; calls run one after the other. */
  set(prefixes: readonly string[], bypass: readonly string[]): Promise<void> {
    const canonical = prefixes.flatMap((text) => parseCidr(text)?.text ?? []).flatMap(halvesOfAll);
    this.#wanted = { prefixes: [...new Set(canonical)], bypass: [...new Set(bypass)] };
    return this.#enqueue(() => {
      const covered = this.#routed.size > 0 && this.#inside().some((address) => !this.#pins.has(address));
      return covered ? this.#begin() : this.#apply();
    });
  }

  /** The ways of the host may have changed: look for each pinned address again. */
  refresh(): Promise<void> {
    return this.#enqueue(() => this.#begin());
  }

  async #begin(): Promise<void> {
    const addresses = [...this.#pins.keys(), ...this.#inside()];
    for (const address of [...this.#pins.keys()]) await this.#unpin(address);
    // A way is only seen while the routes into our interface do not hide it. All others stay: what connects meanwhile must not go astray.
    await this.#unroute(
      [...this.#routed.keys()].filter((prefix) => addresses.some((address) => covers(prefix, address))),
    );
    await this.#unroute(await this.#lost());
    await this.#apply();
  }

  /** A link that was down for a moment has lost its routes. */
  async #lost(): Promise<readonly string[]> {
    if (this.#routed.size === 0) return [];
    const own = (await this.#routes.list()).filter(({ device }) => device === this.#device);
    const there = new Set(own.map(({ prefix }) => prefix));
    return [...this.#routed.keys()].filter((prefix) => !there.has(prefix));
  }

  /** A gateway may come or go without any address of the host changing, and a link that was down for a moment has lost its routes. */
  #look(): Promise<void> {
    const inside = this.#inside();
    if (inside.length === 0 || this.#routes.signature === undefined) return Promise.resolve();
    return this.#enqueue(async () => {
      if ((await this.#routes.signature?.(inside, this.#device)) !== this.#signature) await this.#begin();
    });
  }

  /** Addresses to keep past us that a prefix covers. */
  #inside(): readonly string[] {
    const { prefixes, bypass } = this.#wanted;
    return bypass.filter((address) => prefixes.some((prefix) => covers(prefix, address)));
  }

  /** A change that fails (a disk that is full, say, so that nothing can be journalled) leaves the routes there are. */
  #enqueue(change: () => Promise<void>): Promise<void> {
    return this.#changes.run(change).catch((error: unknown) => {
      this.#log.error('route.set_failed', { device: this.#device, error });
    });
  }

  routed(): readonly string[] {
    return [...this.#routed.keys()];
  }

  /** Prefixes that another route of the same length has. */
  collisions(): readonly Reason[] {
    return this.#collisions.map((prefix) => ({
      code: 'net.route.collision',
      sentence: `the prefix ${prefix} has a route of its own on this host, which goes before ours`,
    }));
  }

  async #apply(): Promise<void> {
    const { prefixes } = this.#wanted;
    await this.#unroute([...this.#routed.keys()].filter((prefix) => !prefixes.includes(prefix)));
    const inside = this.#inside();
    for (const address of [...this.#pins.keys()]) if (!inside.includes(address)) await this.#unpin(address);
    // Before the routes: afterwards the way found would be ours.
    for (const address of inside) if (!this.#pins.has(address)) await this.#pin(address);
    const fresh = prefixes.filter((prefix) => !this.#routed.has(prefix));
    for (const prefix of fresh) {
      this.#routed.set(prefix, this.#journal.record({ kind: 'route', device: this.#device, prefix }));
    }
    const refused = fresh.length === 0 ? [] : await this.#routes.add(this.#device, fresh);
    for (const prefix of refused) this.#forget(prefix);
    this.#signature = inside.length === 0 ? '' : ((await this.#routes.signature?.(inside, this.#device)) ?? '');
    this.#collisions = [
      ...this.#collisions.filter((prefix) => prefixes.includes(prefix) && !fresh.includes(prefix)),
      ...refused,
    ];
  }

  async #unroute(prefixes: readonly string[]): Promise<void> {
    if (prefixes.length === 0) return;
    await this.#routes.remove(this.#device, prefixes);
    for (const prefix of prefixes) this.#forget(prefix);
  }

  #forget(prefix: string): void {
    const id = this.#routed.get(prefix);
    this.#routed.delete(prefix);
    if (id !== undefined) this.#journal.forget(id);
  }

  async #pin(address: string): Promise<void> {
    const way = await this.#routes.nextHopTo(address);
    if (way === undefined || way.device === this.#device) return;
    const journalId = this.#journal.record({ kind: 'pin', device: way.device, address });
    if (await this.#routes.pin(address, way)) this.#pins.set(address, { device: way.device, journalId });
    else this.#journal.forget(journalId);
  }

  async #unpin(address: string): Promise<void> {
    const pin = this.#pins.get(address);
    if (pin === undefined) return;
    await this.#routes.unpin(address, pin.device);
    this.#pins.delete(address);
    this.#journal.forget(pin.journalId);
  }

  /** Take all routes back. Idempotent. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    return this.set([], []);
  }
}

function covers(prefix: string, address: string): boolean {
  return parseCidr(prefix)?.contains(address) === true;
}

/** "Everything" in two halves goes before the default route without touching it. */
function halvesOfAll(prefix: string): readonly string[] {
  if (prefix === '0.0.0.0/0') return ['0.0.0.0/1', '128.0.0.0/1'];
  return prefix === '::/0' ? ['::/1', '8000::/1'] : [prefix];
}

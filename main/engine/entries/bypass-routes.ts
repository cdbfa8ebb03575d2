/**
 * Addresses that must never lead into our own interface, whatever prefix is intercepted: controllers, routers, and what is hosted here. Names
 * among them are looked up as the system does, and again when the network changes.
 */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../../base/clock.ts';
import { ipFamily } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { hostOf, portOf } from '../../base/router-address.ts';

/** No new prefix waits longer than this for a name to be looked up. */
const longestWaitMs = 3_000;

/** The addresses to keep out, and the interface that must not take them. */
export interface DirectWaysDeps {
  /** Controllers and routers, as places: `https://host:port`, `tls://host:port`, `tls:host:port`. */
  infrastructure(): readonly string[];
  /** Names and addresses that services hosted here lead to. */
  targets(): readonly string[];
  /** The addresses are others than before, or nothing is to be waited for any more. */
  changed(): void;
  readonly clock: Clock;
  readonly log: Log;
  /** For tests. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
}

/** The addresses kept out now, looked up again as their names change. */
export class BypassRoutes {
  readonly #deps: DirectWaysDeps;
  /** Name → its addresses; empty while they are not known. */
  readonly #known = new Map<string, readonly string[]>();
  /** Names being looked up; true while prefixes wait for them. */
  readonly #looking = new Map<string, boolean>();
  #told = '';

  constructor(deps: DirectWaysDeps) {
    this.#deps = deps;
  }

  /** Names of controllers and routers, lower case: the resolver must not take them for its own. */
  names(): readonly string[] {
    const { infrastructure } = this.#deps;
    return hostsOf(infrastructure()).filter((host) => ipFamily(host) === undefined);
  }

  /** Every address known now; names not seen before are looked up meanwhile. */
  addresses(): readonly string[] {
    const { infrastructure, targets } = this.#deps;
    const hosts = hostsOf([...infrastructure(), ...targets()]);
    for (const name of this.#known.keys()) if (!hosts.includes(name)) this.#known.delete(name);
    const addresses = hosts.flatMap((host) => {
      if (ipFamily(host) !== undefined) return [host];
      if (!this.#known.has(host)) void this.#find(host);
      return this.#known.get(host) ?? [];
    });
    return [...new Set(addresses)].sort();
  }

  /** Some address is not known yet that a prefix set now might cover; `changed` will come, and soon. */
  get waiting(): boolean {
    return [...this.#looking.values()].includes(true);
  }

  /** Might an address with this port be a controller's or router's whose name has none yet? Those are then looked up again. */
  mayBeUnresolved(port: number): boolean {
    const { infrastructure } = this.#deps;
    const unresolved = infrastructure().filter((place) => {
      const host = hostOf(place)?.toLowerCase() ?? '';
      return portOf(place) === port && ipFamily(host) === undefined && (this.#known.get(host) ?? []).length === 0;
    });
    for (const host of hostsOf(unresolved)) void this.#find(host);
    return unresolved.length > 0;
  }

  /** Say `changed` where the addresses are others than when this was asked last. */
  look(): void {
    const text = this.addresses().join();
    if (text === this.#told) return;
    this.#told = text;
    this.#deps.changed();
  }

  /** Another network may have other addresses for the same names. */
  networkChanged(): void {
    for (const name of [...this.#known.keys()]) void this.#find(name);
  }

  async #find(name: string): Promise<void> {
    if (this.#looking.has(name)) return;
    const first = !this.#known.has(name);
    if (first) this.#known.set(name, []);
    this.#looking.set(name, first);
    const patience = this.#deps.clock.after(longestWaitMs, () => this.#waitedFor(name));
    try {
      this.#known.set(name, await (this.#deps.lookup ?? lookupAll)(name));
    } catch (error) {
      // What was known of it stays; where nothing was, the connection to it will say so.
      this.#deps.log.debug('tun.name_not_found', { name, error });
    }
    patience[Symbol.dispose]();
    const awaited = this.#looking.get(name) === true;
    this.#looking.delete(name);
    const toldBefore = this.#told;
    this.look();
    if (awaited && !this.waiting && this.#told === toldBefore) this.#deps.changed();
  }

  #waitedFor(name: string): void {
    if (this.#looking.get(name) !== true) return;
    this.#looking.set(name, false);
    if (!this.waiting) this.#deps.changed();
  }
}

function hostsOf(places: readonly string[]): readonly string[] {
  return [...new Set(places.flatMap((place) => hostOf(place)?.toLowerCase() ?? []))];
}

async function lookupAll(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

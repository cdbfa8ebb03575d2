/**
 * Addresses that must never lead into our own interface, whatever prefix is intercepted: controllers, routers, and what is hosted here. Names
 * among them are looked up as the system does, and again when the network changes.
 */
import { lookup } from 'node:dns/promises';
import { ipFamily } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';

export interface DirectWaysDeps {
  /** Controllers and routers, as places: `https://host:port`, `tls://host:port`, `tls:host:port`. */
  infrastructure(): readonly string[];
  /** Names and addresses that services hosted here lead to. */
  targets(): readonly string[];
  /** The addresses are others than before. */
  changed(): void;
  readonly log: Log;
  /** For tests. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
}

export class DirectWays {
  readonly #deps: DirectWaysDeps;
  /** Name → its addresses; empty while they are not known. */
  readonly #known = new Map<string, readonly string[]>();
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
    if (!this.#known.has(name)) this.#known.set(name, []);
    try {
      this.#known.set(name, await (this.#deps.lookup ?? lookupAll)(name));
      this.look();
    } catch (error) {
      // What was known of it stays; where nothing was, the connection to it will say so.
      this.#deps.log.debug('tun.name_not_found', { name, error });
    }
  }
}

function hostsOf(places: readonly string[]): readonly string[] {
  return [...new Set(places.flatMap((place) => hostOf(place)?.toLowerCase() ?? []))];
}

async function lookupAll(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** The host of a place, without brackets. */
export function hostOf(place: string): string | undefined {
  if (ipFamily(place) !== undefined) return place;
  return /^(?:[a-z]+:\/\/|tls:)?(\[[^\]]+\]|[^:/]+)/.exec(place)?.[1]?.replace(/[[\]]/g, '');
}

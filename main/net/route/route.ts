/** Addresses and routes of the TUN interface: one small interface, a file a platform. */

/** A route of the host as far as a collision matters. */
export interface HostRoute {
  /** `10.0.0.0/8`; `default` is `0.0.0.0/0` or `::/0`. */
  readonly prefix: string;
  readonly device: string;
}

/** One platform's way; passes the conformance suite of `HostRoutes`. */
export interface HostRoutes {
  /** Give the interface its addresses (`100.64.0.1/16`, `fd00::1/64`) and bring it up. Throws `net.route.failed`. */
  configure(device: string, mtu: number, addresses: readonly string[]): Promise<void>;
  /** Send these prefixes into the interface; those that could not be set, for another route has them already. */
  add(device: string, prefixes: readonly string[]): Promise<readonly string[]>;
  /** Take routes back; what is not there is passed over. */
  remove(device: string, prefixes: readonly string[]): Promise<void>;
  /** Every route of every table. */
  list(): Promise<readonly HostRoute[]>;
  /** The way to an address now: next hop and interface. Undefined where there is none. */
  nextHopTo(address: string): Promise<{ readonly via?: string; readonly device: string } | undefined>;
  /**
   * What the ways to these addresses depend on, as text to compare: every route that covers them, but those of our interface `device`. Absent
   * where a platform cannot tell.
   */
  signature?(addresses: readonly string[], device: string): Promise<string>;
  /** Keep one address on a way of its own, whatever else is routed. False where that could not be set. */
  pin(address: string, way: { readonly via?: string; readonly device: string }): Promise<boolean>;
  unpin(address: string, device: string): Promise<void>;
}

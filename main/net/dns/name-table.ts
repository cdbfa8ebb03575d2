/**
 * Names in the live intercept table and the synthetic addresses they stand for. A name keeps its address for as long as there is room, even
 * while it is not intercepted, so that an application's cached answer never leads to another service.
 */
import { defined } from '../../base/defined.ts';
import { addressBytes, addressFromBytes } from '../../base/ip.ts';
import type { Cidr } from '../../base/ip.ts';

/** Offsets below this in each range are the interface's own, the resolver's and the NAT's. */
export const reservedOffsets = 256;

/** What a name leads to. */
interface NamedService {
  readonly service: string;
  /** The one family that its target has, where that is known: a name of an IPv4 machine has no other address. */
  readonly family?: 4 | 6;
}

/** The names of all services, exact ones and wildcards. */
export interface InterceptedNames {
  /** Lower case, no trailing dot. */
  readonly names: readonly ({ readonly name: string } & NamedService)[];
  /** `x.y` of `*.x.y`; it stands for `x.y` as well. */
  readonly wildcards: readonly ({ readonly domain: string } & NamedService)[];
  /** Names that stay the system's, whatever wildcard covers them: those of controllers and routers. */
  readonly exempt?: readonly string[];
}

/** A name that the system is to ask us about, and whether all names below it are meant too. */
export interface DnsDomain {
  readonly name: string;
  readonly below: boolean;
}

/** A name's synthetic addresses, by family. */
export interface NameAddresses {
  readonly 4?: string;
  readonly 6?: string;
}

interface Assigned {
  readonly name: string;
  readonly offset: number;
  /** For reuse of what has not been asked for longest. */
  usedAt: number;
}

/** The names and addresses in force. */
export class NameTable {
  readonly #ranges: { readonly 4: Cidr | undefined; readonly 6: Cidr | undefined };
  readonly #slots: number;
  #exact = new Map<string, string>();
  #wildcards = new Map<string, string>();
  /** By name or wildcard domain; one that leads to targets of both families, or nobody knows of which, is not among them. */
  #families = new Map<string, 4 | 6 | undefined>();
  #exempt: ReadonlySet<string> = new Set();
  readonly #byName = new Map<string, Assigned>();
  readonly #byOffset = new Map<number, Assigned>();
  #uses = 0;

  /** @param maxNames bound on remembered names, whatever the range has room for. */
  constructor(range4: Cidr | undefined, range6: Cidr | undefined, maxNames = 1 << 16) {
    this.#ranges = { 4: range4, 6: range6 };
    const room = Math.min(roomOf(range4), roomOf(range6), maxNames);
    this.#slots = Math.max(0, room);
  }

  /** Idempotent: exactly these are intercepted from now on. Exact names get their address at once. */
  replace(table: InterceptedNames): void {
    this.#exempt = new Set(table.exempt);
    const names = table.names.filter(({ name }) => !this.#exempt.has(name));
    this.#exact = new Map(names.map(({ name, service }) => [name, service]));
    this.#wildcards = new Map(table.wildcards.map(({ domain, service }) => [domain, service]));
    this.#families = familiesOf([
      ...names.map(({ name, family }) => [name, family] as const),
      ...table.wildcards.map(({ domain, family }) => [`*.${domain}`, family] as const),
    ]);
    // Sorted, so that the same names get the same addresses in another run.
    for (const name of [...this.#exact.keys()].sort()) this.#assign(name);
  }

  /** The service an intercepted name belongs to, and the wildcard domain it came by; undefined where it is not intercepted. */
  find(name: string): { readonly service: string; readonly domain?: string } | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined) return { service: exact };
    if (this.#exempt.has(name)) return undefined;
    for (let domain = name; domain !== '';) {
      const service = this.#wildcards.get(domain);
      if (service !== undefined) return { service, domain };
      const dot = domain.indexOf('.');
      domain = dot < 0 ? '' : domain.slice(dot + 1);
    }
    return undefined;
  }

  /** The addresses of an intercepted name; undefined where it is not intercepted, empty where the ranges are full. */
  addressesOf(name: string): NameAddresses | undefined {
    if (this.find(name) === undefined) return undefined;
    const assigned = this.#assign(name);
    return assigned === undefined ? {} : this.#addressesOf(assigned);
  }

  /** The name an address was given out for, intercepted now or not. */
  nameOf(address: string): string | undefined {
    const offset = this.#offsetOf(address);
    return offset === undefined ? undefined : this.#byOffset.get(offset)?.name;
  }

  /** True for an address within one of the ranges. */
  holds(address: string): boolean {
    return this.#ranges[4]?.contains(address) === true || this.#ranges[6]?.contains(address) === true;
  }

  /** Intercepted names that have addresses, for people to look at. */
  list(): readonly { readonly name: string; readonly addresses: readonly string[]; readonly service: string }[] {
    return [...this.#byName.values()].flatMap(({ name, offset }) => {
      const found = this.find(name);
      if (found === undefined) return [];
      const { 4: v4, 6: v6 } = this.#addressesOf({ name, offset });
      return [{ name, addresses: [v4, v6].filter((address) => address !== undefined), service: found.service }];
    });
  }

  /** Whose questions concern us: every exact name, and every wildcard's domain with all below it. Sorted. */
  domains(): readonly DnsDomain[] {
    const exact = [...this.#exact.keys()].filter((name) => !this.#wildcards.has(name));
    return [
      ...exact.map((name) => ({ name, below: false })),
      ...[...this.#wildcards.keys()].map((name) => ({ name, below: true })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #assign(name: string): Assigned | undefined {
    this.#uses += 1;
    const known = this.#byName.get(name);
    if (known !== undefined) {
      known.usedAt = this.#uses;
      return known;
    }
    if (this.#slots === 0) return undefined;
    if (this.#byName.size >= this.#slots && !this.#evict()) return undefined;
    let slot = hash(name) % this.#slots;
    while (this.#byOffset.has(reservedOffsets + slot)) slot = (slot + 1) % this.#slots;
    const assigned = { name, offset: reservedOffsets + slot, usedAt: this.#uses };
    this.#byName.set(name, assigned);
    this.#byOffset.set(assigned.offset, assigned);
    return assigned;
  }

  /** Full: the name not asked for longest gives way, unless it is an exact one that is intercepted now. */
  #evict(): boolean {
    let oldest: Assigned | undefined;
    for (const assigned of this.#byName.values()) {
      if (this.#exact.has(assigned.name)) continue;
      if (oldest === undefined || assigned.usedAt < oldest.usedAt) oldest = assigned;
    }
    if (oldest === undefined) return false;
    this.#byName.delete(oldest.name);
    this.#byOffset.delete(oldest.offset);
    return true;
  }

  /** Those of its family alone, where that is known and there is a range of it. */
  #addressesOf({ name, offset }: Pick<Assigned, 'name' | 'offset'>): NameAddresses {
    const all = this.#addresses(offset);
    const family = this.#familyOf(name);
    const only = family === undefined ? undefined : all[family];
    return family === undefined || only === undefined ? all : { [family]: only };
  }

  /** Of every service that the name may lead to, by another port or protocol. */
  #familyOf(name: string): 4 | 6 | undefined {
    const found = new Set<4 | 6 | undefined>();
    if (this.#exact.has(name)) found.add(this.#families.get(name));
    for (let domain = name; domain !== '';) {
      if (this.#wildcards.has(domain)) found.add(this.#families.get(`*.${domain}`));
      const dot = domain.indexOf('.');
      domain = dot < 0 ? '' : domain.slice(dot + 1);
    }
    const [first] = found;
    return found.size === 1 ? first : undefined;
  }

  #addresses(offset: number): NameAddresses {
    const { 4: range4, 6: range6 } = this.#ranges;
    return {
      ...defined({ 4: range4 && addressAt(range4, offset), 6: range6 && addressAt(range6, offset) }),
    };
  }

  #offsetOf(address: string): number | undefined {
    for (const range of [this.#ranges[4], this.#ranges[6]]) {
      if (range?.contains(address) !== true) continue;
      const [base, bytes] = [baseBytes(range), addressBytes(address)];
      if (bytes === undefined) return undefined;
      // Only offsets up to 32 bits are ever given out; anything set above them is none of ours.
      const high = bytes.subarray(0, -4).some((byte, index) => byte !== base[index]);
      return high ? undefined : tail(bytes) - tail(base);
    }
    return undefined;
  }
}

function familiesOf(named: readonly (readonly [string, 4 | 6 | undefined])[]): Map<string, 4 | 6 | undefined> {
  const families = new Map<string, 4 | 6 | undefined>();
  for (const [name, family] of named) {
    families.set(name, families.has(name) && families.get(name) !== family ? undefined : family);
  }
  return families;
}

/** The address at an offset of a range. */
export function addressAt(range: Cidr, offset: number): string {
  const bytes = baseBytes(range);
  const sum = tail(bytes) + offset;
  for (let index = 0; index < 4; index++) bytes[bytes.length - 1 - index] = Math.floor(sum / 256 ** index) & 0xff;
  return addressFromBytes(bytes);
}

function baseBytes(range: Cidr): Uint8Array {
  const bytes = addressBytes(range.text.slice(0, range.text.indexOf('/'))) ?? new Uint8Array(4);
  for (let bit = range.prefixLength; bit < bytes.length * 8; bit++) {
    const at = bit >>> 3;
    bytes[at] = (bytes[at] ?? 0) & ~(0x80 >>> (bit & 7));
  }
  return bytes;
}

/** The last four bytes as a number. */
function tail(bytes: Uint8Array): number {
  return bytes.subarray(-4).reduce((sum, byte) => sum * 256 + byte, 0);
}

function roomOf(range: Cidr | undefined): number {
  if (range === undefined) return Number.MAX_SAFE_INTEGER;
  const bits = (range.family === 4 ? 32 : 128) - range.prefixLength;
  // The last address of an IPv4 subnet is its broadcast address.
  return 2 ** Math.min(bits, 31) - reservedOffsets - 1;
}

/** FNV-1a, 32 bits: spreads names so that they keep their place whatever others there are. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

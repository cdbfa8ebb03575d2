/**
 * The claims of one identity's services, found by destination: hash look-ups a name, a parent domain and a prefix length, never a walk over
 * the services.
 */
import type { ZitiService } from '../ziti/model.ts';
import { addressBytes } from '../base/ip.ts';
import type { Cidr } from '../base/ip.ts';
import type { InterceptConfig } from './intercept-config.ts';

/** One intercepted service. */
export interface Claim {
  readonly service: ZitiService;
  readonly config: InterceptConfig;
}

/** A claim on an address, and how loosely it fits: 0 exact, else the bits or characters left open. */
export interface AddressHit {
  readonly claim: Claim;
  readonly addressScore: number;
}

interface PrefixTable {
  readonly lengthBytes: 4 | 16;
  readonly prefixLength: number;
  readonly byNetwork: Map<string, Claim[]>;
}

/** The claims of one identity; made anew when its services change. */
export class ClaimIndex {
  readonly claims: readonly Claim[];
  readonly #names = new Map<string, Claim[]>();
  readonly #wildcards = new Map<string, Claim[]>();
  /** Longest prefix first. */
  readonly #prefixes: PrefixTable[] = [];

  constructor(claims: readonly Claim[]) {
    this.claims = claims;
    for (const claim of claims) {
      for (const address of claim.config.addresses) {
        if (address.kind === 'name') put(this.#names, address.name, claim);
        else if (address.kind === 'wildcard') put(this.#wildcards, address.domain, claim);
        else this.#putPrefix(address.prefix, claim);
      }
    }
    this.#prefixes.sort((a, b) => b.prefixLength - a.prefixLength);
  }

  /** Claims on a name in canonical form. `*.x.y` is a claim on `x.y` as well, as in ziti-sdk-c (library/internal_model.c). */
  byName(name: string): readonly AddressHit[] {
    const hits: AddressHit[] = [];
    for (const claim of this.#names.get(name) ?? []) hits.push({ claim, addressScore: 0 });
    if (this.#wildcards.size === 0) return hits;
    for (let domain = name; ;) {
      for (const claim of this.#wildcards.get(domain) ?? []) {
        hits.push({ claim, addressScore: Math.max(1, name.length - domain.length) });
      }
      const dot = domain.indexOf('.');
      if (dot < 0) return hits;
      domain = domain.slice(dot + 1);
    }
  }

  /** Claims on an address in canonical form. */
  byAddress(address: string): readonly AddressHit[] {
    const bytes = addressBytes(address);
    if (bytes === undefined) return [];
    const hits: AddressHit[] = [];
    for (const table of this.#prefixes) {
      if (table.lengthBytes !== bytes.length) continue;
      for (const claim of table.byNetwork.get(networkKey(bytes, table.prefixLength)) ?? []) {
        hits.push({ claim, addressScore: bytes.length * 8 - table.prefixLength });
      }
    }
    return hits;
  }

  #putPrefix(prefix: Cidr, claim: Claim): void {
    const bytes = addressBytes(prefix.text.slice(0, prefix.text.indexOf('/')));
    if (bytes === undefined) return;
    const lengthBytes = prefix.family === 4 ? 4 : 16;
    let table = this.#prefixes.find(
      (candidate) => candidate.lengthBytes === lengthBytes && candidate.prefixLength === prefix.prefixLength,
    );
    if (table === undefined) {
      table = { lengthBytes, prefixLength: prefix.prefixLength, byNetwork: new Map() };
      this.#prefixes.push(table);
    }
    put(table.byNetwork, networkKey(bytes, prefix.prefixLength), claim);
  }
}

function put(map: Map<string, Claim[]>, key: string, claim: Claim): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [claim]);
  else if (!list.includes(claim)) list.push(claim);
}

/** The network part of an address, a character a byte. */
function networkKey(bytes: Uint8Array, prefixLength: number): string {
  let key = '';
  for (let at = 0; at * 8 < prefixLength; at += 1) {
    const bits = prefixLength - at * 8;
    const byte = bytes[at] ?? 0;
    key += String.fromCharCode(bits >= 8 ? byte : byte & (0xff << (8 - bits)));
  }
  return key;
}

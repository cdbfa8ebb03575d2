/** IP addresses and prefixes as text at the borders, parsed once; the arithmetic is ipaddr.js's. */
import ipaddr from 'ipaddr.js';
import { TunnelerError } from './errors.ts';

/** A parsed prefix, e.g. `10.20.0.0/16`. IPv4-mapped IPv6 is always seen as IPv4. */
export interface Cidr {
  readonly text: string;
  readonly family: 4 | 6;
  readonly prefixLength: number;
  contains(address: string): boolean;
}

/** 4 or 6, or undefined where `text` is no IP address. */
export function ipFamily(text: string): 4 | 6 | undefined {
  const parsed = parse(text);
  return parsed === undefined ? undefined : parsed.kind() === 'ipv4' ? 4 : 6;
}

/** Canonical text of an address (`::1`, no zone, mapped IPv4 as IPv4), or undefined where it is none. */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString();
}

/** Bytes of an address, 4 or 16; undefined where it is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  const parsed = parse(text);
  return parsed === undefined ? undefined : Uint8Array.from(parsed.toByteArray());
}

/** Canonical text from 4 or 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): string {
  // The common case, on the path of every new flow.
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  return ipaddr.process(ipaddr.fromByteArray([...bytes]).toString()).toString();
}

/** Parse `a.b.c.d/n`, `x::/n` or a bare address (a full-length prefix). Undefined where it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = parse(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const suffix = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(suffix)) return undefined;
  const prefixLength = Number(suffix);
  if (prefixLength > bits) return undefined;
  return {
    text: `${address.toString()}/${prefixLength}`,
    family: bits === 32 ? 4 : 6,
    prefixLength,
    contains(candidate) {
      const other = parse(candidate);
      if (other === undefined || other.kind() !== address.kind()) return false;
      return other.match(address, prefixLength);
    },
  };
}

/** The same host within another network: the network's bits from `to`, which is as long as `from`, the rest stays. `address` lies within `from`. */
export function moved(address: string, from: Cidr, to: Cidr): string {
  const bytes = addressBytes(address);
  const network = addressBytes(to.text.slice(0, to.text.indexOf('/')));
  if (bytes === undefined || network === undefined) return address;
  return addressFromBytes(
    bytes.map((byte, at) => {
      const networkBits = Math.min(8, Math.max(0, from.prefixLength - at * 8));
      const mask = (0xff << (8 - networkBits)) & 0xff;
      return ((network[at] ?? 0) & mask) | (byte & ~mask & 0xff);
    }),
  );
}

/** Parse a prefix that must be valid. Throws `base.invalid` naming `what`. */
export function requireCidr(text: string, what: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    throw new TunnelerError('base.invalid', `${what}: expected an IP address or prefix, got "${text}"`);
  }
  return cidr;
}

/** `host:port`, `[v6]:port`. Throws `base.invalid` naming `what`. Port 0 is allowed where the caller listens. */
export function parseHostPort(text: string, what: string): { host: string; port: number } {
  const read = readHostPort(text);
  if (read === undefined) throw new TunnelerError('base.invalid', `${what}: expected HOST:PORT, got "${text}"`);
  return read;
}

/** The same, undefined for what is none. */
export function readHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || !(port <= 65535) ? undefined : { host, port };
}

/** A host as it stands in an authority: IPv6 addresses in brackets (RFC 3986 section 3.2.2), everything else as it is. */
export function authorityHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `host:port`, `[v6]:port`: what {@link parseHostPort} reads. */
export function formatHostPort(host: string, port: number): string {
  return `${authorityHost(host)}:${port}`;
}

const loopback4 = parseCidr('127.0.0.0/8');

/** True for 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const address = canonicalAddress(host);
  return address !== undefined && (address === '::1' || loopback4?.contains(address) === true);
}

function parse(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  // ipaddr.js also takes legacy forms such as `1.2` or `0x7f.1`, which no config or packet means.
  if (!ipaddr.IPv4.isValidFourPartDecimal(bare) && !(bare.includes(':') && ipaddr.IPv6.isValid(bare))) return undefined;
  return ipaddr.process(bare.replace(/%.*$/, ''));
}

/** Choosing the range that names get their addresses from: the asked-for one, or the next that no route of the host touches. */
import { defined } from '../../base/defined.ts';
import { parseCidr } from '../../base/ip.ts';
import type { Cidr } from '../../base/ip.ts';
import type { HostRoute } from './route.ts';

/**
 * Tried in turn: /16 parts of the shared address space (RFC 6598), which peers use too, then of the benchmarking range (RFC 2544), which no
 * network in use should have.
 */
const candidates4: readonly string[] = [
  ...[64, 96, 80, 112, 72, 88, 104, 120, 65, 97, 81, 113].map((octet) => `100.${octet}.0.0/16`),
  '198.18.0.0/16',
  '198.19.0.0/16',
];
/** Parts of a locally assigned prefix (RFC 4193); the 40 bits were drawn at random once. */
const candidates6: readonly string[] = ['1', '2', '3', '4'].map((subnet) => `fd7a:9c1e:50b4:${subnet}::/64`);

/** A default route, whole or in halves, collides with nothing: whatever is more specific goes before it. */
const least4 = 8;
const least6 = 7;

/** The range that was taken. */
export interface RangeChoice {
  readonly range: Cidr;
  /** Set where `wanted` could not be had: the route that stands against it. */
  readonly collision?: { readonly wanted: string; readonly route: HostRoute };
}

/** The first free range of a family, `wanted` before all others; undefined where every one collides. */
export function chooseRange(
  family: 4 | 6,
  wanted: string | undefined,
  routes: readonly HostRoute[],
): RangeChoice | undefined {
  const all = family === 4 ? candidates4 : candidates6;
  let collision: RangeChoice['collision'];
  for (const text of wanted === undefined ? all : [wanted, ...all]) {
    const range = parseCidr(text);
    if (range?.family !== family) continue;
    const route = routes.find((candidate) => collides(range, candidate.prefix));
    if (route === undefined) return defined({ range, collision });
    collision ??= { wanted: text, route };
  }
  return undefined;
}

function collides(range: Cidr, prefix: string): boolean {
  const other = parseCidr(prefix);
  if (other?.family !== range.family) return false;
  if (other.prefixLength < (range.family === 4 ? least4 : least6)) return false;
  return other.contains(networkOf(range)) || range.contains(networkOf(other));
}

function networkOf(cidr: Cidr): string {
  return cidr.text.slice(0, cidr.text.indexOf('/'));
}

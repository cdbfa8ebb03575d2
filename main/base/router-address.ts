/** Addresses of controllers and routers, as OpenZiti writes them: `https://host:port`, `tls://host:port`, and `tls:host:port` of older routers. */
import { ipFamily } from './ip.ts';

/** The port of a place; that of HTTPS where it names none. */
export function portOf(place: string): number {
  return Number(/:(\d+)(?:\/|$)/.exec(place)?.[1] ?? '443');
}

/** The host of a place, without brackets. */
export function hostOf(place: string): string | undefined {
  if (ipFamily(place) !== undefined) return place;
  return /^(?:[a-z]+:\/\/|tls:)?(\[[^\]]+\]|[^:/]+)/.exec(place)?.[1]?.replace(/[[\]]/g, '');
}

/** Which addresses a dialer may name, and what they are on this host's network. Pure. */
import { canonicalName } from '../base/hostname.ts';
import { moved, parseCidr } from '../base/ip.ts';
import type { Cidr } from '../base/ip.ts';

/** What an allow list of a host config names. */
export type AllowedAddress =
  | { readonly kind: 'prefix'; readonly prefix: Cidr }
  | { readonly kind: 'name'; readonly name: string }
  /** Names beneath `domain` and the domain itself; the empty domain is every name. */
  | { readonly kind: 'wildcard'; readonly domain: string };

/** An entry of `allowedAddresses`; undefined where it is none. */
export function parseAllowedAddress(text: string): AllowedAddress | undefined {
  const prefix = parseCidr(text);
  if (prefix !== undefined) return { kind: 'prefix', prefix };
  if (text === '*') return { kind: 'wildcard', domain: '' };
  if (text.startsWith('*.')) {
    const domain = canonicalName(text.slice(2));
    return domain === undefined ? undefined : { kind: 'wildcard', domain };
  }
  const name = canonicalName(text);
  return name === undefined ? undefined : { kind: 'name', name };
}

/** True where some entry allows this name, in canonical form. */
export function allowsName(allowed: readonly AllowedAddress[], name: string): boolean {
  return allowed.some((entry) => {
    if (entry.kind === 'name') return entry.name === name;
    return (
      entry.kind === 'wildcard' && (entry.domain === '' || name === entry.domain || name.endsWith(`.${entry.domain}`))
    );
  });
}

/** True where some entry allows this address. */
export function allowsAddress(allowed: readonly AllowedAddress[], address: string): boolean {
  return allowed.some((entry) => entry.kind === 'prefix' && entry.prefix.contains(address));
}

/** Addresses beneath `from` are found under another prefix, as long, on this host's network. */
export interface AddressTranslation {
  readonly from: Cidr;
  readonly to: Cidr;
}

/** One of `forwardAddressTranslations`; undefined where it makes no sense. */
export function parseTranslation(raw: {
  from: string;
  to: string;
  prefixLength: number;
}): AddressTranslation | undefined {
  const [from, to] = [raw.from, raw.to].map((text) => parseCidr(`${text.split('/')[0] ?? ''}/${raw.prefixLength}`));
  return from === undefined || to === undefined || from.family !== to.family ? undefined : { from, to };
}

/** The address on this host's network: the first translation that fits gives the network, the host bits stay. */
export function translate(translations: readonly AddressTranslation[], address: string): string {
  const translation = translations.find(({ from }) => from.contains(address));
  return translation === undefined ? address : moved(address, translation.from, translation.to);
}

/**
 * Machines of two cells may have the same addresses. Here a service's are seen under others of this device's own choosing, and its host is
 * told of them as they are there. Pure.
 */
import { moved, parseCidr, type Cidr } from '../base/ip.ts';
import type { AddressClaim, InterceptConfig } from './intercept-config.ts';

/** One service's addresses and the prefix, as long, under which this device sees them. */
export interface AddressMapping {
  readonly service: string;
  /** As the service claims them and its host knows them. */
  readonly addresses: Cidr;
  /** As programs here dial them. */
  readonly as: Cidr;
}

/** A setting as a mapping; undefined where the two prefixes are no two of the same size. */
export function parseMapping(raw: {
  readonly service: string;
  readonly addresses: string;
  readonly as: string;
}): AddressMapping | undefined {
  const [addresses, as] = [parseCidr(raw.addresses), parseCidr(raw.as)];
  if (addresses === undefined || as === undefined) return undefined;
  const fits = addresses.family === as.family && addresses.prefixLength === as.prefixLength;
  return fits ? { service: raw.service, addresses, as } : undefined;
}

/** The config with its addresses as they are dialled here. */
export function mapped(config: InterceptConfig, mappings: readonly AddressMapping[]): InterceptConfig {
  if (mappings.length === 0) return config;
  return { ...config, addresses: config.addresses.map((claim) => mappedClaim(claim, mappings)) };
}

/** The address as the service's host knows it. */
export function unmapped(address: string, mappings: readonly AddressMapping[]): string {
  const mapping = mappings.find(({ as }) => as.contains(address));
  return mapping === undefined ? address : moved(address, mapping.as, mapping.addresses);
}

/** A claim on more than a mapping covers stays as it is. */
function mappedClaim(claim: AddressClaim, mappings: readonly AddressMapping[]): AddressClaim {
  if (claim.kind !== 'prefix') return claim;
  const { prefix } = claim;
  const [network = ''] = prefix.text.split('/');
  const mapping = mappings.find(
    ({ addresses }) => addresses.prefixLength <= prefix.prefixLength && addresses.contains(network),
  );
  if (mapping === undefined) return claim;
  const other = parseCidr(`${moved(network, mapping.addresses, mapping.as)}/${prefix.prefixLength}`);
  return other === undefined ? claim : { kind: 'prefix', prefix: other };
}

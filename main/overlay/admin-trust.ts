/** Third parties the overlay may be told to trust: certificate authorities and providers of tokens. */
import { X509Certificate } from 'node:crypto';
import { TunnelerError } from '../base/errors.ts';
import type { AuthorityRecord, SignerRecord } from './model.ts';
import type { Network } from './network.ts';
import { fingerprintOf } from './pki.ts';

/** Verified at once: the overlay asks for no proof of possession. */
export interface NewAuthority {
  readonly name: string;
  readonly certPem: string;
  readonly isAutoCaEnrollmentEnabled?: boolean;
  readonly isOttCaEnrollmentEnabled?: boolean;
  readonly identityRoles?: readonly string[];
}

/** Give either `jwksEndpoint` or `certPem`. */
export type NewSigner = Pick<SignerRecord, 'name' | 'issuer' | 'audience'> &
  Partial<Omit<SignerRecord, 'id' | 'name' | 'issuer' | 'audience'>>;

/** Throws `overlay.invalid` where the certificate cannot be read. */
export function addAuthority(network: Network, authority: NewAuthority): string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(authority.certPem);
  } catch (cause) {
    throw new TunnelerError('overlay.invalid', "the authority's certificate cannot be read", { cause });
  }
  const record: AuthorityRecord = {
    ...network.stamp(),
    name: authority.name,
    certPem: authority.certPem,
    fingerprint: fingerprintOf(certificate.raw),
    isVerified: true,
    isAutoCaEnrollmentEnabled: authority.isAutoCaEnrollmentEnabled ?? false,
    isOttCaEnrollmentEnabled: authority.isOttCaEnrollmentEnabled ?? true,
    isAuthEnabled: true,
    identityNameFormat: '[caName]-[commonName]',
    identityRoles: [...(authority.identityRoles ?? [])],
  };
  return network.authorities.put(record).id;
}

/** Returns its id. Throws `overlay.invalid` where it has neither keys nor a place to get them. */
export function addSigner(network: Network, signer: NewSigner): string {
  if (signer.jwksEndpoint === undefined && signer.certPem === undefined) {
    throw new TunnelerError('overlay.invalid', 'a signer needs a jwksEndpoint or a certPem');
  }
  return network.signers.put({
    enabled: true,
    claimsProperty: 'sub',
    useExternalId: true,
    externalAuthUrl: undefined,
    clientId: undefined,
    scopes: [],
    targetToken: 'ACCESS',
    enrollToCertEnabled: false,
    enrollToTokenEnabled: false,
    enrollNameClaim: 'name',
    enrollAttributes: [],
    ...signer,
    ...network.stamp(),
  }).id;
}

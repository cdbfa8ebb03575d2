/** Who a device is: the router's word where there is one, else what its identity's certificate proves, else nobody's. */
import { X509Certificate } from 'node:crypto';
import type { SignersFile } from '../../audit/signers.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import type { CallerWord } from './fleet-store.ts';

/** What a device is called, and on whose word. */
export interface DeviceName {
  readonly name: string;
  readonly asserted: CallerWord;
}

/**
 * `certificates`: PEM chains the device brought; `caPem`: the network's authorities, as the collector's own identity knows them. The device has
 * proved its signing key by now; an identity that vouches for that key and is the network's names the device.
 */
export function nameDevice(
  caller: HostedRequest['caller'],
  signers: SignersFile,
  certificates: readonly string[],
  caPem: string,
): DeviceName {
  const vouching = signers.keys.at(-1)?.certificates ?? [];
  const said = caller.name ?? caller.id;
  if (caller.asserted && said !== undefined) return { name: said, asserted: 'router' };
  const authorities = certificatesIn(caPem);
  for (const chain of certificates.map(certificatesIn)) {
    const [leaf] = chain;
    if (leaf === undefined || !isIssuedBy(leaf, chain.slice(1), authorities)) continue;
    const key = leaf.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    if (!vouching.some(({ publicKey }) => publicKey === key)) continue;
    return { name: commonName(leaf) ?? said ?? signers.origin, asserted: 'signature' };
  }
  return { name: said ?? vouching[0]?.identity ?? signers.origin, asserted: 'nobody' };
}

function isIssuedBy(
  leaf: X509Certificate,
  between: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean {
  let current = leaf;
  // A chain visits each certificate once at most.
  for (let step = 0; step <= between.length; step += 1) {
    if (authorities.some((authority) => current.checkIssued(authority) && current.verify(authority.publicKey)))
      return true;
    const issuer = between.find((one) => one.ca && current.checkIssued(one) && current.verify(one.publicKey));
    if (issuer === undefined) return false;
    current = issuer;
  }
  return false;
}

function certificatesIn(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return found.flatMap((one) => {
    try {
      return [new X509Certificate(one)];
    } catch {
      // What cannot be read vouches for nobody.
      return [];
    }
  });
}

function commonName(certificate: X509Certificate): string | undefined {
  return /(?:^|\n)CN=([^\n]+)/.exec(certificate.subject)?.[1];
}

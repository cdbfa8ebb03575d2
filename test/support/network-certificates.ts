/** Authorities of made-up networks, and certificates of identities that they issued. */
import 'reflect-metadata';
import { createPrivateKey, type webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

type CryptoKeyPair = webcrypto.CryptoKeyPair;

export interface Authority {
  readonly pem: string;
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);

export async function authority(name: string): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: days(-1),
    notAfter: days(300),
    signingAlgorithm: ecdsa,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return { pem: certificate.toString('pem'), certificate, keys };
}

export async function issue(
  by: Authority,
  name: string,
): Promise<{ readonly certPem: string; readonly keyPem: string }> {
  const keys = await crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `C=US, O=Culvert, CN=${name}`,
    issuer: by.certificate.subject,
    notBefore: days(-1),
    notAfter: days(300),
    signingAlgorithm: ecdsa,
    publicKey: keys.publicKey,
    signingKey: by.keys.privateKey,
  });
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const keyPem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
  return { certPem: certificate.toString('pem'), keyPem: keyPem.toString() };
}

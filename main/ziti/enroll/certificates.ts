/** Certificates in and out of PEM, DER and the certs-only PKCS#7 that EST answers with (RFC 7030 section 4.1.3). */
import { X509Certificate, createHash } from 'node:crypto';
import { TunnelerError } from '../../base/errors.ts';

/** Each certificate of a PEM bundle, in order. Text between blocks is ignored. */
export function splitPem(bundle: string): string[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block.replace(/\r\n/g, '\n')}\n`);
}

/** One certificate, base64 in lines of 64. */
export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** SHA-1 of the DER, lower hex: how the network names certificates (`kid`, authenticator fingerprints). */
export function sha1Fingerprint(certificate: X509Certificate): string {
  return createHash('sha1').update(certificate.raw).digest('hex');
}

/** Leaf of a chain. Throws `base.invalid` where there is none or it cannot be read. */
export function leafOf(chainPem: string): X509Certificate {
  const first = splitPem(chainPem)[0];
  if (first === undefined) throw new TunnelerError('base.invalid', 'expected a certificate in PEM, found none');
  try {
    return new X509Certificate(first);
  } catch (cause) {
    throw new TunnelerError('base.invalid', 'the certificate cannot be read', { cause });
  }
}

/** When the leaf of a chain ends, milliseconds since the epoch. Throws as {@link leafOf}. */
export function certificateExpiry(chainPem: string): number {
  return Date.parse(leafOf(chainPem).validTo);
}

const idSignedData = '2a864886f70d010702'; // 1.2.840.113549.1.7.2, RFC 5652 section 5.1
const tagSequence = 0x30;
const tagSet = 0x31;
const tagObjectId = 0x06;
const tagInteger = 0x02;
/** [0] EXPLICIT content, and [0] IMPLICIT certificates. */
const tagContext0 = 0xa0;

/**
 * The certificates of a degenerate PKCS#7 (SignedData without signers), DER. Throws `ziti.controller.malformed` for
 * anything else; bounded by the input, no recursion.
 */
export function parseCertsOnly(der: Uint8Array): Uint8Array[] {
  const contentInfo = readElement(der, 0, tagSequence);
  const type = readElement(contentInfo.body, 0, tagObjectId);
  if (Buffer.from(type.body).toString('hex') !== idSignedData) throw malformed('it is no SignedData');
  const content = readElement(contentInfo.body, type.end, tagContext0);
  const signedData = readElement(content.body, 0, tagSequence).body;
  const version = readElement(signedData, 0, tagInteger);
  const digests = readElement(signedData, version.end, tagSet);
  const inner = readElement(signedData, digests.end, tagSequence);
  if (signedData[inner.end] !== tagContext0) return [];
  const certificates = readElement(signedData, inner.end, tagContext0).body;
  const found: Uint8Array[] = [];
  for (let at = 0; at < certificates.length;) {
    const { end } = readElement(certificates, at, tagSequence);
    found.push(certificates.subarray(at, end));
    at = end;
  }
  return found;
}

/** One definite-length DER element (X.690 section 8.1). */
function readElement(bytes: Uint8Array, at: number, tag: number): { readonly body: Uint8Array; readonly end: number } {
  if (bytes[at] !== tag) throw malformed(`expected tag 0x${tag.toString(16)} at ${at}`);
  const first = bytes[at + 1];
  if (first === undefined) throw malformed('it ends early');
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw malformed('a length is indefinite or too long');
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + (bytes[start + i] ?? 0);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw malformed('it ends early');
  return { body: bytes.subarray(start, end), end };
}

function malformed(why: string): TunnelerError {
  return new TunnelerError('ziti.controller.malformed', `the controller's list of authorities cannot be read: ${why}`);
}

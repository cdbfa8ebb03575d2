/** Keys, and certificate requests (PKCS#10) signed by a software key or by hardware that never gives its key away. */
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import { TunnelerError } from '../../base/errors.ts';

/** ECDSA over P-256 or P-384, by its JOSE name (RFC 7518 section 3.1). */
export type KeyAlgorithm = 'ES256' | 'ES384';

/** A private key at work: software keys can be put into TLS, hardware ones only sign. */
export type IdentityKey =
  | { readonly kind: 'software'; /** PKCS#8 PEM. */ readonly privateKeyPem: string }
  | {
      readonly kind: 'hardware';
      readonly publicKeySpki: Uint8Array;
      readonly algorithm: 'ES256' | 'ES384' | 'RS256';
      /** DER-encoded (ECDSA) or plain (RSA) signature over `data`, hashed with the algorithm's hash. */
      sign(data: Uint8Array): Promise<Uint8Array>;
    };

/** Loaded where a request is made, which few days need: it takes ten megabytes. */
async function requestGenerator() {
  await import('reflect-metadata');
  return (await import('@peculiar/x509')).Pkcs10CertificateRequestGenerator;
}

type WebKey = webcrypto.CryptoKey;
const { subtle } = webcrypto;

const webAlgorithms = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const;
/** Bytes of one number of a raw ECDSA signature (RFC 7518 section 3.4). */
const numberBytes = { ES256: 32, ES384: 48 } as const;

/** A fresh software key; the caller keeps it. */
export async function newSoftwareKey(algorithm: KeyAlgorithm = 'ES256'): Promise<IdentityKey & { kind: 'software' }> {
  const pair = await subtle.generateKey(webAlgorithms[algorithm], true, ['sign', 'verify']);
  const der = Buffer.from(await subtle.exportKey('pkcs8', pair.privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    kind: 'software',
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`,
  };
}

/** PKCS#10 PEM for `key`. `commonName` is informative; controllers write their own subject or keep it. */
export async function createSigningRequest(key: IdentityKey, commonName: string): Promise<string> {
  const name = [{ C: ['US'] }, { O: ['Culvert'] }, { CN: [commonName] }];
  if (key.kind === 'hardware') return requestByHardware(key, name);
  const { algorithm, pair } = await importPair(key.privateKeyPem);
  const generator = await requestGenerator();
  const request = await generator.create(
    { name, keys: pair, signingAlgorithm: webAlgorithms[algorithm] },
    webcrypto as unknown as Crypto,
  );
  return `${request.toString('pem')}\n`;
}

/** The generator asks a Crypto for the public key and the signature; for hardware, both come from the device. */
async function requestByHardware(
  key: IdentityKey & { kind: 'hardware' },
  name: Record<string, string[]>[],
): Promise<string> {
  const algorithm = webAlgorithms[key.algorithm];
  const device = {
    subtle: {
      exportKey: () => Promise.resolve(Uint8Array.from(key.publicKeySpki).buffer),
      sign: async (_: unknown, __: unknown, data: BufferSource) => {
        const signature = await key.sign(bytesOf(data));
        if (key.algorithm === 'RS256') return Uint8Array.from(signature).buffer;
        return rawEcdsa(signature, numberBytes[key.algorithm]).buffer;
      },
    },
  };
  const stand = { algorithm, type: 'private', extractable: false, usages: ['sign'] } as unknown as CryptoKey;
  const generator = await requestGenerator();
  const request = await generator.create(
    { name, keys: { privateKey: stand, publicKey: stand }, signingAlgorithm: algorithm },
    device as unknown as Crypto,
  );
  return `${request.toString('pem')}\n`;
}

async function importPair(pem: string): Promise<{ algorithm: keyof typeof webAlgorithms; pair: CryptoKeyPair }> {
  const key = createPrivateKey(pem);
  const algorithm = algorithmOf(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve);
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const privateKey: WebKey = await subtle.importKey('pkcs8', pkcs8, webAlgorithms[algorithm], false, ['sign']);
  const publicKey: WebKey = await subtle.importKey('spki', spki, webAlgorithms[algorithm], true, ['verify']);
  return { algorithm, pair: { privateKey, publicKey } };
}

function algorithmOf(type: string | undefined, curve: string | undefined): keyof typeof webAlgorithms {
  if (type === 'rsa') return 'RS256';
  if (type === 'ec' && curve === 'prime256v1') return 'ES256';
  if (type === 'ec' && curve === 'secp384r1') return 'ES384';
  throw new TunnelerError('base.unsupported', `keys of type ${type ?? '?'} ${curve ?? ''} are not supported`.trim());
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3) to r ‖ s of fixed width. */
function rawEcdsa(der: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(width * 2);
  let at = der[1] === 0x81 ? 3 : 2;
  for (const index of [0, 1]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    const trimmed = number.subarray(Math.max(0, number.length - width));
    raw.set(trimmed, index * width + width - trimmed.length);
    at += 2 + length;
  }
  return raw;
}

function bytesOf(data: BufferSource): Uint8Array {
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Signs with the key of an identity's certificate, software or hardware alike. */
import { createPrivateKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import type { OpenKey } from '../../identity/identities.ts';
import type { CallerProof } from '../../peer/words.ts';

/** Proves who an identity is. */
export interface CertificateSigner {
  /** The certificate's chain, and the signature of its key over the UTF-8 of `text`. */
  prove(text: string): Promise<CallerProof>;
}

/** `certPem`: leaf first. */
export function certificateSigner(certPem: string, key: OpenKey): CertificateSigner {
  const signed =
    key.kind === 'hardware' ? (data: Buffer) => key.sign(data) : softwareSigner(certPem, key.privateKeyPem);
  return {
    async prove(text) {
      const signature = await signed(Buffer.from(text));
      return { chain: certPem, signature: Buffer.from(signature).toString('hex') };
    },
  };
}

/** Reads both once, when it is first asked: that costs many times what a signature does. */
function softwareSigner(certPem: string, privateKeyPem: string): (data: Buffer) => Buffer {
  let read: { readonly hash: ReturnType<typeof hashFor>; readonly key: KeyObject } | undefined;
  return (data) => {
    read ??= { hash: hashFor(new X509Certificate(certPem).publicKey), key: createPrivateKey(privateKeyPem) };
    return sign(read.hash, data, read.key);
  };
}

/** The hash that goes with a key: that of its strength. */
export function hashFor(key: Pick<X509Certificate['publicKey'], 'asymmetricKeyDetails'>): 'sha256' | 'sha384' {
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
}
